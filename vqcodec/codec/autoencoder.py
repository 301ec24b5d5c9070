"""Encoder, quantizer and decoder, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.modalities import modality_of
from vqcodec.modalities.base import Modality
from vqcodec.quantizers import Quantized, Quantizer, build_quantizer


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
        self, signal: Tensor, rate: Tensor, *, relax: bool = False
    ) -> tuple[Tensor, Quantized]:
        """Return what signal [B, C, ...] becomes at rate [B] int64, and what lay between.

        `relax` is the quantizer's: whether joint training is to measure the rate.
        """
        position = self.quantizer.position(rate)
        quantized = self.quantizer(self.encoder(signal, position), rate, relax=relax)
        return self.decoder(quantized.latents, position), quantized

    @classmethod
    def of_tables(cls, tables: Mapping[str, Any]) -> Autoencoder:
        """Return an untrained autoencoder for the tables of a recipe or a model file."""
        return cls(modality_of(tables["modality"]), tables)
