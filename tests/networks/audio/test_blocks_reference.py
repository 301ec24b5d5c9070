"""The decoder for pairs of channels computes what docs/FORMAT.md says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_blocks import ReferenceDecoder, Table
from torch import nn

from vqcodec.modalities.audio.config import BlocksConfig
from vqcodec.networks.audio.stereo import StereoDecoder

SMALL = Table(
    sample_rate=16_000,
    hop_length=128,
    num_bands=4,
    band_bins=32,
    num_slots=4,
    num_halved=0,
    masking=0.78,
    decoder_units=1,
)
HALVED = Table(
    sample_rate=48_000,
    hop_length=512,
    num_bands=14,
    band_bins=32,
    num_slots=12,
    num_halved=2,
    masking=0.84,
    decoder_units=2,
)
FRAMES, FIRST = 12, 250  # the noise repeats after frame 255


def decoder_of(table: Table) -> StereoDecoder:
    """A decoder in which all weights count."""
    torch.manual_seed(0)
    settings = {name: getattr(table, name) for name in Table.__dataclass_fields__}
    decoder = StereoDecoder(BlocksConfig(**settings, decoder_width=8)).double().eval()
    for name, parameter in decoder.named_parameters():
        nn.init.normal_(parameter, std=3.0 if name == "head.weight" else 0.5)
    return decoder


def random_latents(table: Table, rate: float) -> np.ndarray:
    """Latents [D, F] with all splits, some silent slots, and many zeros among coefficients."""
    generator = np.random.default_rng(1)
    books = np.zeros((4 + 2 * table.band_bins, table.num_bands, FRAMES))
    books[0, 0] = generator.integers(0, 5, FRAMES) + generator.uniform(-0.4, 0.4, FRAMES)
    octaves = generator.uniform(-1, 10, (2, table.num_bands, FRAMES))
    books[1:3] = np.round(octaves / (1.4 * (0.3 / 1.4) ** rate))
    books[3] = generator.integers(-4, 5, books[3].shape)
    bins = generator.integers(-3, 4, books[4:].shape) / 2
    books[4:] = np.where(generator.random(bins.shape) < 0.5, bins, 0)
    books[4:, :, 7] = 4e-5  # neither coded nor zero
    return books.reshape(-1, FRAMES)


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("table", [SMALL, HALVED], ids=["small", "halved"])
def test_the_decoder_is_that_of_the_document(table, rate):
    decoder, latents = decoder_of(table), random_latents(table, rate)
    tensors = {name: value.numpy() for name, value in decoder.state_dict().items()}
    expected = ReferenceDecoder(table, tensors).decode(latents, rate, FIRST)
    with torch.no_grad():
        position = torch.tensor([rate], dtype=torch.float64)
        (found,) = decoder(torch.from_numpy(latents)[None], position, (FIRST,)).numpy()
    assert found.shape == expected.shape
    largest = np.abs(expected).max(axis=1)
    assert largest.min() > 0.01
    # The windows are stored in 32 bits.
    assert (np.abs(found - expected).max(axis=1) < 2e-5 * largest).all()
