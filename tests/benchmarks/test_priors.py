"""Hours of training are summed over interruptions and processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import priors


def test_hours_are_summed_over_interruptions_and_processes(tmp_path):
    reports = [
        {"elapsed_s": 1_800.0},
        {"elapsed_s": 3_600.0},
        {"elapsed_s": 900.0},  # resumed
        {"elapsed_s": 1_800.0, "processes": 2},
        {"elapsed_s": 3_600.0, "processes": 2},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(report) + "\n" for report in reports), encoding="utf-8")
    assert priors.hours_of(log) == (3_600 + 900 + 2 * 900 + 2 * 1_800) / 3600
    assert priors.hours_of(tmp_path / "none.jsonl") == 0.0
