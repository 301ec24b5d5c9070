"""The seconds of a stage exclude nested stages; all stages add up to the caller."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import stages
import tables


class Work:
    def outer(self):
        time.sleep(0.02)
        self.inner()
        self.inner()

    def inner(self):
        time.sleep(0.05)

    def fails(self):
        self.inner()
        raise ValueError


def clock_of_work():
    clock, work = stages.StageClock(), Work()
    clock.time(work, "outer", "prior")
    clock.time(work, "inner", "range coder")
    clock.time(work, "fails", "write")
    return clock, work


def test_a_stage_does_not_count_the_stages_in_it():
    clock, work = clock_of_work()
    start = time.perf_counter()
    work.outer()
    elapsed = time.perf_counter() - start
    assert clock.seconds["range coder"] >= 0.1
    assert clock.seconds["prior"] >= 0.02
    assert 0.12 <= sum(clock.seconds.values()) <= elapsed
    assert list(clock.in_order()) == ["prior", "range coder"]


def test_a_failure_counts_and_ends():
    clock, work = clock_of_work()
    with pytest.raises(ValueError):
        work.fails()
    inside = clock.seconds["range coder"]
    work.inner()
    assert clock.seconds["range coder"] >= inside + 0.05
    assert clock.seconds["write"] < clock.seconds["range coder"]


def test_the_table_has_a_row_for_each_way():
    work = {"file": "1 s", "cores": 2, "way": "compress", "seconds": {"total": 0.5, "read": 0.125}}
    result = {
        "commit": "0123456789",
        "machine": {"cpu": "a CPU", "cores": 2, "threads": 1},
        "command": "python benchmarks/stages.py",
        "stages": ["total", "read", "wait"],
        "works": [work],
    }
    lines = tables.stages_table({"stages": result}).splitlines()
    assert lines[0] == "| file | cores |  | total | read | wait |"
    assert lines[2] == "| 1 s | 2 | compress | 0.5 | 0.125 | - |"
