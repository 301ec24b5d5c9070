"""The kinds of jumps of errors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import seams


def test_a_seam_stands_out():
    errors = np.zeros((4, 2100, 3), np.int16)
    errors[:, 768:] += 5  # at the first border of tiles
    errors[:, 800:] -= 2  # at another border of blocks
    errors[:, 805:] += 1
    errors[:, 1000:] += 9  # where one picture meets another
    found = seams.by_kind(seams.jumps(errors), border=768)
    assert found["borders of tiles"].tolist() == [5, 0]
    assert found[
        "borders of tiles, minus the mean of the two borders of blocks beside"
    ].tolist() == [5, 0]
    assert found["other borders of blocks"].sum() == 2
    assert found["all other lines"].sum() == 1
