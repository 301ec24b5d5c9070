"""Shapes of priors are parsed, trained for a time, and judged."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import fitting
import prior_shapes
from prior_shapes import Shape


def test_a_shape_is_named_by_its_numbers():
    assert Shape.parse("4,7,128") == Shape(4, 7, 128, 16)
    config = Shape.parse("8,5,64,8").config()
    assert (config.period, config.kernel_size, config.width, config.embedding_dim) == (8, 5, 64, 8)


def test_crops_fill_a_grid_from_the_upper_left():
    indices = torch.arange(70 * 40).reshape(1, 1, 70, 40)
    crops = prior_shapes.crops_of(indices)
    assert crops.shape == (2, 1, 32, 32)
    assert torch.equal(crops[1, 0], indices[0, 0, 32:64, :32])


def test_a_prior_learns_a_pattern_in_its_time(monkeypatch):
    readings = itertools.count()  # a step takes a second, on any machine
    clock = SimpleNamespace(process_time=lambda: float(next(readings)))
    monkeypatch.setattr(fitting, "time", clock)
    rows = torch.arange(32)
    pattern = ((rows[:, None] + rows) % 2).expand(8, 1, 32, 32)
    shape = Shape.parse("2,3,8,2")
    prior, figures = prior_shapes.fit(shape, 4, pattern, pattern[:2], 150.0)
    assert figures["steps"] == 149
    assert figures["bits"] < 1.6  # of two at fixed width
    assert len(prior.compress([np.asarray(pattern[0])], 1)[0]) < 32 * 32 * 1.6 / 8
