"""Encoder, quantizer and decoder, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.modalities import modality_of
from vqcodec.modalities.base import Modality
from vqcodec.networks.quantizers import Quantized, Quantizer, build_quantizer


class Autoencoder(nn.Module):
    """The VQ-VAE of van den Oord et al. 2017 (arXiv:1711.00937), for any modality and quantizer."""

    def __init__(self, modality: Modality, tables: Mapping[str, Any]) -> None:
        """Build the parts of a recipe's or a model file's [network] and [quantizer] tables.

        Raises:
            ConfigError: a table is wrong, or the two do not fit.
        """
        super().__init__()
        self.modality = modality
        self.encoder, self.decoder = modality.build_networks(tables["network"])
        self.quantizer: Quantizer = build_quantizer(tables["quantizer"])
        if self.quantizer.dim != modality.config.dim:
            raise ConfigError(
                f"quantizer: for latents of {self.quantizer.dim} channels, "
                f"but network.dim is {modality.config.dim}"
            )

    def forward(
        self,
        signal: Tensor,
        rate: Tensor,
        *,
        recording: Tensor | None = None,
        relax: bool = False,
    ) -> tuple[Tensor, Quantized]:
        """Return what signal [B, C, ...] becomes at rate [B] int64, and what lay between.

        `recording` [B, 1, T] says whose voice is to speak; `relax` is the quantizer's: whether
        joint training is to measure the rate.
        """
        position = self.quantizer.position(rate)
        quantized = self.quantizer(self.encoder(signal, position), rate, relax=relax)
        corner = (0,) * self.modality.dims
        voice = None if recording is None else self.voice_of(recording)
        return self.decode(quantized.latents, position, corner, voice), quantized

    def voice_of(self, recording: Tensor) -> Tensor:
        """Return the vectors [B, V] of the voices in recordings [B, 1, T]."""
        assert self.modality.takes_voices
        return self.decoder.voice.encoder(recording)  # type: ignore[no-any-return, union-attr, operator]

    def decode(
        self, latents: Tensor, position: Tensor, corner: tuple[int, ...], voice: Tensor | None
    ) -> Tensor:
        """Return the signal of latents [B, D, ...] that begin at a corner of the grid.

        `position` [B] is the rate as 0 … 1; `voice` [B or 1, V] is who speaks, if anybody.
        """
        if voice is None:
            return self.decoder(latents, position, corner)  # type: ignore[no-any-return]
        return self.decoder(latents, position, corner, voice)  # type: ignore[no-any-return]

    @classmethod
    def of_tables(cls, tables: Mapping[str, Any]) -> Autoencoder:
        """Return an untrained autoencoder for the tables of a recipe or a model file."""
        return cls(modality_of(tables["modality"]), tables)
