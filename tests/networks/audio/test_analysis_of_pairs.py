"""What the encoder for pairs of channels chooses: precision of latents, prediction of the side."""

from __future__ import annotations

import itertools

import pytest
import torch

from vqcodec.modalities.audio.config import BlocksConfig
from vqcodec.networks.audio.frames import angle_step
from vqcodec.networks.audio.slots import slot_edges
from vqcodec.networks.audio.stereo import StereoDecoder, StereoEncoder, init_steps

HALVED = BlocksConfig(num_slots=52, num_halved=4)
WIDE = BlocksConfig(hop_length=1024, num_bands=16, num_slots=4)  # 256 coefficients in a slot
FRAMES = 8


def test_coefficients_are_less_precise_with_the_power_0_45_of_the_width_of_their_slot():
    encoder, decoder = StereoEncoder(HALVED), StereoDecoder(HALVED)
    batch = torch.zeros(1, 2, HALVED.hop_length)
    precision = init_steps(encoder, decoder, batch)
    assert precision.shape == (HALVED.dim,)
    choice, side, bins = decoder.frames.unpack(precision[None, :, None])
    assert (choice == 1).all()
    assert (side == 1).all()
    edges = slot_edges(HALVED)
    widths = set()
    for first, end in itertools.pairwise(edges):
        width = (end - first) / HALVED.band_bins
        expected = torch.tensor(width**-0.45)
        assert torch.allclose(bins[..., first:end], expected, rtol=1e-5)
        widths.add(width)
    assert widths >= {0.5, 1.0, 2.0}


def angles_of(share, sign=1.0):
    """The angles of a sound whose mid channel explains a share of the power of its side."""
    generator = torch.Generator().manual_seed(0)
    mid, other = 0.05 * torch.randn((2, 1, FRAMES * WIDE.hop_length), generator=generator)
    side = 0.8 * (sign * share**0.5 * mid + (1 - share) ** 0.5 * other)
    waveform = torch.stack([mid + side, mid - side], 1)
    rate = torch.tensor([1.0])
    latents = StereoEncoder(WIDE)(waveform, rate)
    return StereoDecoder(WIDE).frames.unpack(latents)[1][:, 2:] * angle_step(rate)


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_a_side_that_mid_explains_by_a_little_is_not_predicted(share):
    assert (angles_of(share) == 0).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_side_that_mid_explains_by_half_is_predicted(sign):
    angles = angles_of(0.5, sign)
    assert angles.shape == (1, 1, FRAMES, WIDE.num_slots)
    assert (angles * sign > 0.3).all()
    assert float(angles.mean()) == pytest.approx(sign * 0.8 * 0.5**0.5, abs=0.05)
