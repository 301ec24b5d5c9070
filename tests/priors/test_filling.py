"""Priors fill what is unknown and leave the rest."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.priors.base import UNKNOWN


def filled(prior, known, rate, seed=0, **options):
    return prior.fill(known, rate, np.random.default_rng(seed), **options)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_known_indices_stay_and_others_are_sampled(case, share):
    rate = case.rates[-1]
    for grid in case.grids:
        indices = case.indices(rate, grid)
        hole = np.random.default_rng(1).random(indices.shape) < share
        for options in ({}, {"num_sweeps": 2}):
            found = filled(case.prior, np.where(hole, UNKNOWN, indices), rate, **options)
            assert found.shape == indices.shape
            assert np.array_equal(found[~hole], indices[~hole])
            assert np.all((found >= 0) & (found < case.quantizer.codebook_sizes[0]))


def test_a_fill_depends_on_the_seed_alone_and_is_exact(case):
    rate, grid = case.rates[1], case.grids[-1]
    known = case.indices(rate, grid)
    known[..., grid[-1] // 2 :] = UNKNOWN
    one = filled(case.prior, known, rate, num_sweeps=2)
    assert np.array_equal(one, filled(case.reference, known, rate, num_sweeps=2))
    assert not np.array_equal(one, filled(case.prior, known, rate, seed=1, num_sweeps=2))


def test_without_known_indices_a_fill_is_a_sample(case):
    rate, grid = case.rates[-1], case.grids[-1]
    shape = case.indices(rate, grid).shape
    sample = case.prior.sample(shape, rate, np.random.default_rng(5), 0.7)
    fill = filled(case.prior, np.full(shape, UNKNOWN), rate, seed=5, temperature=0.7)
    assert np.array_equal(sample, fill)


def test_what_is_sampled_depends_on_what_is_known(case):
    """The likeliest indices after two different beginnings differ somewhere."""
    rate, grid = case.rates[-1], case.grids[-1]
    found = []
    for seed in range(4):
        known = case.indices(rate, grid, seed)
        half = known.shape[-1] // 2
        known[..., half:] = UNKNOWN
        found.append(filled(case.prior, known, rate, temperature=0, num_sweeps=1)[..., half:])
    assert any(not np.array_equal(found[0], other) for other in found[1:])


def test_only_frames_that_are_seen_matter(case):
    if case.table["kind"] != "frames":
        pytest.skip("is about sounds")
    rate = case.rates[-1]
    known = case.indices(rate, (40,))
    known[:, 30:] = UNKNOWN
    other = known.copy()
    other[:, : 30 - case.prior.num_frames_seen] = 0
    one, two = filled(case.prior, known, rate), filled(case.prior, other, rate)
    assert np.array_equal(one[:, 30:], two[:, 30:])
