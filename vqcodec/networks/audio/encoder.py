"""Waveform to latents."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.layout import Geometry
from vqcodec.networks.audio.bands import BandEnvelope
from vqcodec.networks.precision import UnitStack
from vqcodec.networks.residual import ConvNextUnit1d, RateModulation
from vqcodec.networks.spectral import Mdct, compand

MDCT_FRAMES = 2  # short transform frames that make one latent frame
WAVEFORM_HZ = 2_000.0  # with an excitation, the waveform is coded up to here


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioNetworkConfig:
    """The rate of the sound, and the size of its two networks."""

    sample_rate: int = 16_000  # Hz
    hop_length: int = 320  # samples of one latent frame
    dim: int = 128
    encoder_width: int = 192
    encoder_units: int = 6
    decoder_width: int = 256
    decoder_units: int = 8
    excitation: bool = False  # whether the decoder adds harmonics and noise of its own
    voice_dim: int = 0  # channels of a speaker's vector, for a decoder that takes one

    def __post_init__(self) -> None:
        if not 4_000 <= self.sample_rate <= 96_000:
            raise ConfigError(f"network.sample_rate: {self.sample_rate} is not 4000 … 96000 Hz")
        if not 16 <= self.hop_length <= 4_096 or self.hop_length % 4:
            raise ConfigError(
                f"network.hop_length: {self.hop_length} is no multiple of 4 in 16 … 4096"
            )
        if not 1 <= self.dim <= self.hop_length:
            raise ConfigError(f"network.dim: {self.dim} is not 1 … hop_length")
        if not 0 <= self.voice_dim <= 1_024:
            raise ConfigError(f"network.voice_dim: {self.voice_dim} is not 0 … 1024")
        for name in ("encoder_width", "decoder_width"):
            if not 8 <= getattr(self, name) <= 2_048:
                raise ConfigError(f"network.{name}: {getattr(self, name)} is not 8 … 2048")
        for name in ("encoder_units", "decoder_units"):
            if not 0 <= getattr(self, name) <= 32:
                raise ConfigError(f"network.{name}: {getattr(self, name)} is not 0 … 32")

    def geometry(self) -> Geometry:
        """Return hop_length samples a frame; the reach is that of the convolutions over time."""
        units, width = ConvNextUnit1d.REACH, 2
        return Geometry(
            step=self.hop_length,
            missing=self.hop_length // MDCT_FRAMES,
            encoder_reach=width + units * self.encoder_units,
            decoder_reach=width + self.excitation + units * self.decoder_units,
            window=1500,
            segment=1000,
        )

    def long_mdct(self) -> Mdct:
        """Return the transform with one frame, about as far, for each pair of short ones."""
        return Mdct(self.hop_length, padding=3 * self.hop_length // 4)

    def bins_below(self, frequency: float) -> int:
        """Return how many of its coefficients are below a frequency in Hz."""
        num_bins = round(frequency * 2 * self.hop_length / self.sample_rate)
        return max(1, min(num_bins, self.hop_length))


class AudioEncoder(nn.Module):
    """Companded MDCT frames to latents: a linear path and a non-linear one, added.

    The linear path starts as principal components, so that the fine structure passes from the
    first step; the network adds what a linear map cannot. Latents are bounded, or they grow.

    Where the decoder has an excitation to shape, the encoder also sees the energies of bands, and
    below WAVEFORM_HZ a long transform, which tells harmonics apart.
    """

    def __init__(self, config: AudioNetworkConfig) -> None:
        super().__init__()
        self.mdct = Mdct(config.hop_length // MDCT_FRAMES)
        width, num_inputs = config.encoder_width, config.hop_length
        self.bands: BandEnvelope | None = None
        if config.excitation:
            self.bands = BandEnvelope(config.hop_length // MDCT_FRAMES, config.sample_rate)
            self.long_mdct, self.num_coded = config.long_mdct(), config.bins_below(WAVEFORM_HZ)
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

        They are pairs of companded frames; with an excitation, a companded long frame up to
        WAVEFORM_HZ and a pair of band envelopes stand above them.
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
