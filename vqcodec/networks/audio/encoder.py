"""Waveform to latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.config import MDCT_FRAMES, MdctConfig
from vqcodec.networks.audio.bands import BandEnvelope
from vqcodec.networks.precision import UnitStack
from vqcodec.networks.residual import ConvNextUnit1d, RateModulation
from vqcodec.networks.spectral import Mdct, compand

WAVEFORM_HZ = 2_000.0  # with an excitation, the waveform is coded up to here


class AudioEncoder(nn.Module):
    """Companded MDCT frames to latents: a linear path and a non-linear one, added.

    The linear path is initialised with principal components, so that it codes fine structure from
    the first step; the non-linear path learns a correction. Latents are bounded; otherwise they
    grow during training.

    If the decoder has an excitation, the encoder also gets band energies and, below WAVEFORM_HZ,
    the coefficients of a long transform, which resolves harmonics.
    """

    def __init__(self, config: MdctConfig) -> None:
        super().__init__()
        self.mdct = Mdct(config.hop_length // MDCT_FRAMES)
        width, num_inputs = config.encoder_width, config.hop_length
        self.bands: BandEnvelope | None = None
        if config.excitation:
            self.bands = BandEnvelope(config.hop_length // MDCT_FRAMES, config.sample_rate)
            self.long_mdct, self.num_coded = long_mdct(config), config.bins_below(WAVEFORM_HZ)
            num_inputs += self.num_coded + MDCT_FRAMES * self.bands.num_bands
        self.linear = nn.Conv1d(num_inputs, config.dim, 1)
        self.widen = nn.Conv1d(num_inputs, width, 3, padding=1)
        self.modulation = RateModulation(width)
        self.units = UnitStack(*[ConvNextUnit1d(width) for _ in range(config.encoder_units)])
        self.head = nn.Conv1d(width, config.dim, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def spectrum(self, waveform: Tensor) -> Tensor:
        """Return inputs [B, C, F] of waveform [B, 1, F * hop - hop / 2].

        The inputs are pairs of companded frames. With an excitation, a companded long frame up to
        WAVEFORM_HZ and a pair of band envelopes come before them.
        """
        coefficients = self.mdct.analyse(waveform)  # [B, hop / 2, 2 * F]
        frames = pair(compand(coefficients))
        if self.bands is None:
            return frames
        long = compand(self.long_mdct.analyse(waveform)[:, : self.num_coded])
        return torch.cat([long, pair(self.bands(coefficients)), frames], dim=1)

    def forward(self, waveform: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, F], within ±LATENT_LIMIT, of waveform [B, 1, F * hop - hop / 2].

        rate [B] is 0 … 1.
        """
        frames = self.spectrum(waveform)
        features = self.units(self.modulation(self.widen(frames), rate))
        latents = self.linear(frames) + self.head(features)
        return LATENT_LIMIT * torch.tanh(latents / LATENT_LIMIT)


LATENT_LIMIT = 12.0


def long_mdct(config: MdctConfig) -> Mdct:
    """Return the transform with one long frame for each pair of short frames."""
    return Mdct(config.hop_length, padding=3 * config.hop_length // 4)


def pair(frames: Tensor) -> Tensor:
    """Return [B, 2 * C, F] of frames [B, C, 2 * F]: even ones above odd ones."""
    batch, channels, count = frames.shape
    split = frames.reshape(batch, channels, count // MDCT_FRAMES, MDCT_FRAMES)
    return split.permute(0, 3, 1, 2).reshape(batch, -1, count // MDCT_FRAMES)


def unpair(frames: Tensor) -> Tensor:
    """Return [B, C, 2 * F] of frames [B, 2 * C, F], undoing `pair`."""
    batch, channels, count = frames.shape
    split = frames.reshape(batch, MDCT_FRAMES, channels // MDCT_FRAMES, count)
    return split.permute(0, 2, 3, 1).reshape(batch, -1, count * MDCT_FRAMES)
