"""Latents to waveform."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.encoder import MDCT_FRAMES, AudioEncoder, AudioNetworkConfig, unpair
from vqcodec.nn.precision import UnitStack
from vqcodec.nn.residual import ConvNextUnit1d, RateModulation
from vqcodec.nn.spectral import Mdct, expand
from vqcodec.nn.statistics import principal_components


class AudioDecoder(nn.Module):
    """Latents to pairs of companded MDCT frames to samples: the encoder's two paths reversed."""

    def __init__(self, config: AudioNetworkConfig) -> None:
        super().__init__()
        self.mdct = Mdct(config.hop_length // MDCT_FRAMES)
        width = config.decoder_width
        self.linear = nn.Conv1d(config.dim, config.hop_length, 1)
        self.widen = nn.Conv1d(config.dim, width, 3, padding=1)
        self.modulation = RateModulation(width)
        self.units = UnitStack(*[ConvNextUnit1d(width) for _ in range(config.decoder_units)])
        self.head = nn.Conv1d(width, config.hop_length, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, latents: Tensor, rate: Tensor) -> Tensor:
        """Return the waveform [B, 1, F * hop - hop / 2], about ±1, of latents [B, D, F]."""
        features = self.units(self.modulation(self.widen(latents), rate))
        frames = self.linear(latents) + self.head(features)
        return self.mdct.synthesise(expand(unpair(frames)))


def start_linear_paths(encoder: AudioEncoder, decoder: AudioDecoder, batch: Tensor) -> None:
    """Set the linear paths to the principal components of the frames of batch [B, 1, T]."""
    frames = encoder.spectrum(batch).permute(0, 2, 1).flatten(0, 1)  # [N, hop]
    mean, components, deviations = principal_components(frames, encoder.linear.out_channels)
    # One scale for all channels: distances between latents stay distances between frames.
    scale = deviations.square().mean().sqrt()
    with torch.no_grad():
        encoder.linear.weight.copy_((components / scale)[:, :, None])
        encoder.linear.bias.copy_(-components @ mean / scale)  # type: ignore[union-attr]
        decoder.linear.weight.copy_((components * scale).T[:, :, None])
        decoder.linear.bias.copy_(mean)  # type: ignore[union-attr]
