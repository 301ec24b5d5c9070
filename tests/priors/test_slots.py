"""The first groups of a plane are coded in slots, which are several bands wide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vqcodec.networks.priors.plane import PlanePriorNetwork
from vqcodec.priors.base import UNKNOWN
from vqcodec.priors.config import PlanePriorConfig
from vqcodec.priors.plane import PlanePrior

STARTS = [0, 1, 2, 4]  # and the bands where the indices of slots stand
SIZES = (127,) * (12 * 7)
RATE = 100


PHASES = {
    "square cells": {},
    "whole frames": {"frame_period": 4, "frame_kernel_size": 5},
    "narrow": {"narrow_updates": True},
    "halved bands": {"starts": (0, 0, 1, 4)},
    "both": {"frame_period": 8, "frame_kernel_size": 9, "narrow_updates": True},
}


@pytest.fixture(scope="module", params=PHASES.values(), ids=PHASES)
def network(request):
    torch.manual_seed(3)
    settings = {"starts": tuple(STARTS), **request.param}
    config = PlanePriorConfig(
        **settings, groups=(2, 1, 1, 4, 4), num_bands=7, num_exact=3, width=16, head="logistic"
    )
    network = PlanePriorNetwork(config, SIZES)
    for predictor in network.predictors:
        nn.init.normal_(predictor.head.weight, std=0.3)
    return network


@pytest.fixture(scope="module")
def frames():
    """Indices [K * bands, F] of ten frames."""
    generator = np.random.default_rng(5)
    plane = np.full((12, 7, 10), 63)
    plane[:4, STARTS] += generator.integers(-3, 4, (4, 4, 10))
    plane[4:] += generator.integers(-2, 3, (8, 7, 10))
    return plane.reshape(-1, 10)


def test_training_and_coding_agree_on_the_bits(network, frames):
    positions = torch.linspace(0, 1, 256)
    prior = PlanePrior(network.config, SIZES, network.freeze(positions))
    expected = network.bits(torch.from_numpy(frames)[None], positions[RATE : RATE + 1])
    (bits,) = prior.bits_of([frames], RATE)
    assert bits.sum() == pytest.approx(expected.sum().item(), rel=0.02)
    in_no_slot = [band for band in range(7) if band not in STARTS]
    assert not bits.reshape(12, 7, 10)[:4, in_no_slot].any()
    (payload,) = prior.compress([frames], RATE)
    assert len(payload) * 8 == pytest.approx(bits.sum(), abs=32)
    assert np.array_equal(prior.decompress([payload], [frames.shape], RATE)[0], frames)


def test_the_reference_in_int64_reads_and_writes_the_same_bytes(network, frames):
    tensors = network.freeze(torch.linspace(0, 1, 256))
    prior = PlanePrior(network.config, SIZES, tensors)
    reference = PlanePrior(network.config, SIZES, tensors, np.int64)
    payloads = prior.compress([frames], RATE)
    assert reference.compress([frames], RATE) == payloads
    assert np.array_equal(reference.decompress(payloads, [frames.shape], RATE)[0], frames)


def test_bands_are_predicted_alike_whatever_number_is_in_use(network, frames):
    class Whole(PlanePrior):
        def columns_in_use(self, targets):  # noqa: ARG002
            return None

    config = replace(network.config, skip_certain=True)
    tensors = network.freeze(torch.linspace(0, 1, 256))
    indices = frames.copy()
    indices.reshape(12, 7, 10)[4:, 3:] = 63
    (some,), (every,) = (
        kind(config, SIZES, tensors).bits_of([indices], RATE) for kind in (PlanePrior, Whole)
    )
    some, every = (bits.reshape(12, 7, 10) for bits in (some, every))
    assert np.array_equal(some[4:, :3], every[4:, :3])
    assert not some[4:, 3:].any()


def test_a_fill_keeps_what_is_known_and_is_exact(network, frames):
    tensors = network.freeze(torch.linspace(0, 1, 256))
    known = frames.copy()
    known[:, 4:] = UNKNOWN
    filled = [
        PlanePrior(network.config, SIZES, tensors, dtype).fill(
            known, RATE, np.random.default_rng(0), num_sweeps=2
        )
        for dtype in (np.float64, np.int64)
    ]
    assert np.array_equal(*filled)
    assert np.array_equal(filled[0][:, :4], frames[:, :4])
    assert (filled[0] >= 0).all()


@pytest.mark.parametrize("num_bands_in_use", [0, 1, 7])
@pytest.mark.parametrize("num_groups", range(6))
def test_every_number_of_groups_and_bands_in_use_decodes(
    network, frames, num_groups, num_bands_in_use
):
    """Some of them are larger than needed: another encoder may write them."""

    class Wasteful(PlanePrior):
        def columns_in_use(self, targets):  # noqa: ARG002
            return num_bands_in_use

        def _groups_in_use(self, targets):  # noqa: ARG002
            return num_groups

    config = replace(network.config, skip_certain=True)
    tensors = network.freeze(torch.linspace(0, 1, 256))
    indices = frames.copy()
    plane = indices.reshape(12, 7, 10)
    plane[4:, num_bands_in_use:] = 63
    plane[sum(config.groups[:num_groups]) :] = 63
    (payload,) = Wasteful(config, SIZES, tensors).compress([indices], RATE)
    (decoded,) = PlanePrior(config, SIZES, tensors).decompress([payload], [indices.shape], RATE)
    assert np.array_equal(decoded, indices)


def test_bands_in_phases_of_frames_do_not_see_each_other():
    """After the slots, a band depends on its own coefficients alone."""
    torch.manual_seed(3)
    config = PlanePriorConfig(
        **PHASES["both"],
        groups=(2, 4, 4),
        num_bands=7,
        num_exact=1,
        starts=tuple(range(7)),
        width=16,
        head="logistic",
    )
    sizes = (127,) * 70
    network = PlanePriorNetwork(config, sizes)
    for predictor in network.predictors:
        nn.init.normal_(predictor.head.weight, std=0.3)
    prior = PlanePrior(config, sizes, network.freeze(torch.linspace(0, 1, 256)))
    indices = np.random.default_rng(0).integers(60, 67, (10, 7, 20))
    other = indices.copy()
    other[2:, 3] = np.random.default_rng(1).integers(60, 67, (8, 20))
    before, after = (prior.bits_of([x.reshape(70, 20)], RATE)[0] for x in (indices, other))
    changed = (before != after).reshape(10, 7, 20).any(axis=2)
    assert changed[2:, 3].all()
    changed[:, 3] = False
    assert not changed.any()


def test_a_band_begins_with_the_state_of_its_slot(network, frames):
    """What a slot holds changes the predictions of all its bands."""
    positions = torch.linspace(0, 1, 256)
    prior = PlanePrior(network.config, SIZES, network.freeze(positions))
    (before,) = prior.bits_of([frames], RATE)
    other = frames.copy()
    other.reshape(12, 7, 10)[3, 4] += 2
    (after,) = prior.bits_of([other], RATE)
    changed = (before != after).reshape(12, 7, 10)[4:].any(axis=(0, 2))
    assert changed[4:].all()
