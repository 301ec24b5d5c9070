"""The DCT-IV of folded blocks is that of its definition, in one step and in two."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vqcodec.networks.audio.dct import SHORTEST_IN_TWO, dct4, inverse_dct4

SIZES = [
    (4, 4),
    (16, 16),
    (128, 108),
    (960, 960),
    (1024, 864),
    (2048, 1728),
    (2048, 5),
    (4096, 4096),
]


def basis_of(length, num_bins):
    """The definition, [length, num_bins]."""
    samples, bins = np.arange(length)[:, None], np.arange(num_bins)
    return np.sqrt(2 / length) * np.cos(np.pi / length * (samples + 0.5) * (bins + 0.5))


def folded(blocks):
    half = blocks.shape[1] // 2
    return torch.cat([blocks[:, :half], blocks[:, half:].flip(1)], 1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 5e-6)])
@pytest.mark.parametrize(("length", "num_bins"), SIZES)
def test_both_ways_follow_the_definition(length, num_bins, dtype, tolerance):
    generator = torch.Generator().manual_seed(length + num_bins)
    blocks = torch.randn(3, length, generator=generator, dtype=torch.float64)
    basis = torch.from_numpy(basis_of(length, num_bins))
    bins = blocks @ basis
    found = dct4(folded(blocks).to(dtype), num_bins)
    assert found.dtype == dtype
    assert (found - bins).abs().max() < tolerance
    back = inverse_dct4(bins.to(dtype), length)
    assert (back - folded(bins @ basis.T)).abs().max() < tolerance


def test_long_blocks_have_two_steps():
    assert min(length for length, _ in SIZES) < SHORTEST_IN_TWO < max(n for n, _ in SIZES)
