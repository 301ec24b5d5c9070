"""Sheets of completed pictures, and rows of continued sounds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import completions
from tiny import load_tiny_model, noise_clip, noise_picture


def test_a_hole_is_in_the_middle_of_a_picture():
    hole = completions.hole_in(noise_picture(100, 50))
    rows, columns = np.nonzero(hole)
    assert (rows.min(), rows.max() + 1) == (18, 32)
    assert (columns.min(), columns.max() + 1) == (35, 65)


def test_a_sheet_has_three_pictures_in_a_row():
    pictures = [noise_picture(40, 30), noise_picture(20, 10)]
    sheet = completions.complete_pictures(load_tiny_model("image"), pictures, 0.7, 1, 5.0)
    assert sheet.size == (3 * 44 - 4, 34 + 14 - 4)
    assert np.array_equal(np.asarray(sheet)[:30, :40], pictures[0].pixels)


def test_sounds_are_followed_by_their_continuations():
    sounds = [noise_clip(4_000), noise_clip(2_000, channels=2)]
    clip = completions.complete_sounds(load_tiny_model("speech"), sounds, 0.7, 5.0)
    assert clip.num_samples == 2 * (4_000 + 2_000) + 4 * 6_400
    assert np.array_equal(clip.waveform[0, :4_000], sounds[0].waveform[0])
