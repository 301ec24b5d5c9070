"""A frozen prior back to one that trains: it predicts the same, and freezes to the same again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tiny import TABLES

from vqcodec.networks.priors import build_prior_network


@pytest.fixture
def thawed(case):
    """The case with a new network that knows of the old one only what was frozen."""
    torch.manual_seed(99)
    network = build_prior_network(case.table, case.quantizer.codebook_sizes).eval()
    network.thaw(case.prior.tensors(), positions(case))
    return dataclasses.replace(case, network=network)


def positions(case):
    return case.quantizer.rate_fraction(torch.arange(256)).clamp(0, 1)


def test_it_predicts_what_was_frozen(case, thawed):
    for rate in case.rates:
        indices = case.indices(rate, case.grids[-1])
        assert thawed.float_bits(indices, rate) == pytest.approx(
            case.float_bits(indices, rate), rel=0.01, abs=1
        )


def test_it_freezes_to_the_same_integers_again(case, thawed):
    again = thawed.network.freeze(positions(case))
    for name, tensor in case.prior.tensors().items():
        assert again[name].dtype == tensor.dtype
        # States of 256 rates come from a few knots; the knots are only found again to a rounding.
        allowed = 1 if name == "rate_state" else 0
        assert np.abs(again[name].astype(np.int64) - tensor.astype(np.int64)).max() <= allowed, name


def test_the_tables_cover_both_kinds_and_heads():
    found = {(table["prior"]["kind"], table["prior"]["head"]) for table in TABLES.values()}
    assert len(found) == 4
