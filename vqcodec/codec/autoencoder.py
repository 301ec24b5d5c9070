"""Encoder, quantizer and decoder, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vqcodec.modalities import modality_of
from vqcodec.modalities.base import Modality
from vqcodec.quantizers import Quantized, Quantizer, build_quantizer


class Autoencoder(nn.Module):
    """The VQ-VAE of van den Oord et al. 2017 (arXiv:1711.00937), for any modality and quantizer."""

    def __init__(self, modality: Modality, tables: Mapping[str, Any]) -> None:
        """Build the networks of a recipe's or a model file's [network] and [quantizer] tables."""
        super().__init__()
        self.modality = modality
        self.encoder, self.decoder = modality.build_networks(tables["network"])
        self.quantizer: Quantizer = build_quantizer(tables["quantizer"])

    def forward(self, signal: Tensor, rate: Tensor) -> tuple[Tensor, Quantized]:
        """Return what signal [B, C, ...] becomes at rate [B] int64, and what lay between."""
        position = self.quantizer.position(rate)
        quantized = self.quantizer(self.encoder(signal, position), rate)
        return self.decoder(quantized.latents, position), quantized

    @classmethod
    def of_tables(cls, tables: Mapping[str, Any]) -> Autoencoder:
        """Return an untrained autoencoder for the tables of a recipe or a model file."""
        return cls(modality_of(tables["modality"]), tables)
