"""Peaks of memory: of this process and of programs, with resets between them."""

import subprocess
import sys

import numpy as np
import pytest

from vqcodec.evaluation import memory
from vqcodec.evaluation.memory import MemoryWatch

MIB = 1 << 20


@pytest.fixture
def watch():
    watch = MemoryWatch()
    if watch.peak_bytes() is None:
        pytest.skip("the peak of memory cannot be reset here")
    return watch


def test_the_peak_excludes_memory_in_use_before_the_watch(watch):
    before = watch.peak_bytes()
    big = np.ones(200 * MIB, np.uint8)
    with_big = MemoryWatch()
    assert with_big.peak_bytes() < 50 * MIB
    del big
    during = MemoryWatch()
    assert before < 50 * MIB
    small = np.ones(60 * MIB, np.uint8)
    del small
    assert 50 * MIB < during.peak_bytes() < 110 * MIB


def test_reused_memory_counts_again():
    for _ in range(2):
        watch = MemoryWatch()
        pieces = [bytes(10_000) + b"1" for _ in range(5000)]  # too small to be mapped
        del pieces
        peak_bytes = watch.peak_bytes()
        assert peak_bytes is None or peak_bytes > 40 * MIB


def peaks_of(program):
    """Return what a program prints; this process may have started larger programs before."""
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return [int(line) for line in run.stdout.split()]


PROGRAM = f"""
import subprocess, sys
from vqcodec.evaluation.memory import MemoryWatch

watch = MemoryWatch()
subprocess.run([sys.executable, "-c", "bytearray({700 * MIB})"], check=True)
print(watch.peak_bytes())
later = MemoryWatch()
subprocess.run([sys.executable, "-c", ""], check=True)
print(later.peak_bytes())
"""


@pytest.mark.usefixtures("watch")
def test_a_program_that_takes_more_than_this_process_counts():
    large_bytes, later_bytes = peaks_of(PROGRAM)
    assert large_bytes >= 700 * MIB
    assert later_bytes < 700 * MIB  # the large program has ended


GROWING = f"""
import subprocess, sys
from vqcodec.evaluation.memory import MemoryWatch

watch = MemoryWatch()
big = bytearray({300 * MIB})
subprocess.run([sys.executable, "-c", ""], check=True)
print(watch.peak_bytes())
"""


@pytest.mark.usefixtures("watch")
def test_a_program_that_begins_with_the_peak_of_this_process_does_not_count():
    (peak_bytes,) = peaks_of(GROWING)
    assert 290 * MIB < peak_bytes < 305 * MIB  # without the interpreter


def test_where_the_peak_cannot_be_reset_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "missing" / "clear_refs")
    assert MemoryWatch().peak_bytes() is None
