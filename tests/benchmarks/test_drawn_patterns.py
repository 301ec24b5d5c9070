"""Drawn patterns: reproducible; small boards lie on the grid of the networks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import patterns


def drawn(folder, monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["patterns.py", str(folder), "--side", "96", *options])
    patterns.main()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_seed_gives_the_same_pictures_again(tmp_path, monkeypatch):
    first = drawn(tmp_path / "first", monkeypatch, "--number", "12")
    assert len({name.split("-")[0] for name in first}) == len(patterns.KINDS)
    assert len(set(first.values())) == 12
    assert first == drawn(tmp_path / "second", monkeypatch, "--number", "12")
    assert first != drawn(tmp_path / "third", monkeypatch, "--number", "12", "--seed", "1")
    with Image.open(tmp_path / "first" / "text-005.png") as picture:
        assert (picture.size, picture.mode) == ((96, 96), "RGB")


@pytest.mark.parametrize("seed", range(8))
def test_small_boards_begin_at_the_corner(seed):
    draw = patterns.Draw(seed)
    draw.side = 192
    board = patterns.checks(draw)
    changes = np.flatnonzero((np.diff(board, axis=0) != 0).any(axis=(1, 2))) + 1
    assert changes.size == 0 or (changes % changes[0] == 0).all()
