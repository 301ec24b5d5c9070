"""Encoder, quantizer and decoder in torch as one module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vqcodec.config import build_config
from vqcodec.errors import ConfigError
from vqcodec.modalities import build_modality
from vqcodec.networks.pair import NetworkPair
from vqcodec.networks.quantizers import Quantized, QuantizerModule, build_quantizer_module
from vqcodec.registry import imported


class Autoencoder(nn.Module):
    """The VQ-VAE of van den Oord et al. 2017 (arXiv:1711.00937), for any modality and quantizer."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        """Build the untrained parts of the tables of a recipe or a model file.

        Raises:
            ConfigError: a table is wrong, or two tables do not fit together.
        """
        super().__init__()
        self.modality = build_modality(tables["modality"], tables["network"])
        kind, rest = self.modality.networks.split(tables["network"])
        self.pair: NetworkPair = imported(kind.training)
        config = build_config(imported(kind.config), rest, "network")
        if self.pair.check is not None:
            self.pair.check(config, tables)
        self.encoder, self.decoder = self.pair.encoder(config), self.pair.decoder(config)
        self.quantizer: QuantizerModule = build_quantizer_module(tables["quantizer"])
        if self.quantizer.dim != self.modality.config.dim:
            raise ConfigError(
                f"quantizer: for latents of {self.quantizer.dim} channels, "
                f"but network.dim is {self.modality.config.dim}"
            )

    def forward(
        self,
        signal: Tensor,
        rate: Tensor,
        *,
        recording: Tensor | None = None,
        relax: bool = False,
    ) -> tuple[Tensor, Quantized]:
        """Return the reconstruction of a signal and its quantized latents.

        Args:
            signal: [B, C, ...].
            rate: [B] int64, 0 … 255.
            recording: [B, 1, T] of the speaker whose voice the decoder takes; None for no voice.
            relax: whether `Quantized.relaxed` is needed, for the rate term of joint training.
        """
        rate_fraction = self.quantizer.rate_fraction(rate)
        quantized = self.quantizer(self.encoder(signal, rate_fraction), rate, relax=relax)
        corner = (0,) * self.modality.num_axes
        if recording is None:
            return self.decoder(quantized.latents, rate_fraction, corner), quantized
        voice = self.decoder.voice.encoder(recording)
        return self.decoder(quantized.latents, rate_fraction, corner, voice), quantized

    @torch.no_grad()
    def indices_of(self, signal: Tensor, rate: Tensor) -> Tensor:
        """Return the indices [B, K, ...] of signals [B, C, ...]; zeros for codebooks not in use."""
        latents = self.encoder(signal, self.quantizer.rate_fraction(rate))
        indices = self.quantizer.quantize(latents, rate)
        missing = self.quantizer.num_codebooks - indices.shape[1]
        if missing:
            zeros = indices.new_zeros(len(indices), missing, *indices.shape[2:])
            indices = torch.cat([indices, zeros], dim=1)
        return indices

    def init_from_data(self, batch: Tensor) -> None:
        """Data-dependent initialisation from a first batch [B, C, ...]."""
        deviations = self.pair.init_from_data(self.encoder, self.decoder, batch)
        self.init_quantizer(batch, deviations)

    @torch.no_grad()
    def init_quantizer(self, batch: Tensor, deviations: Tensor | None = None) -> None:
        """Data-dependent initialisation of the quantizer alone, from a first batch [B, C, ...].

        deviations [D]: change of the signal per unit of each latent, if known.
        """
        parts = torch.split(batch[:256], 32)
        latents = [self.encoder(part, part.new_ones(len(part))) for part in parts]
        self.quantizer.init_from_data(torch.cat(latents), deviations)
