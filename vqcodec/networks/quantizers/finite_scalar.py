"""Finite scalar quantization: a few fixed levels for each channel, and no learnt codebook."""

from __future__ import annotations

import torch
from torch import Tensor

from vqcodec.networks.quantizers.base import Quantized, QuantizerModule
from vqcodec.networks.quantizers.codebook import soft_choices
from vqcodec.quantizers.configs import FiniteScalarConfig

LARGEST_CODEBOOK = 4096


class FiniteScalarModule(QuantizerModule):
    """Rounds each latent channel to a few levels (Mentzer et al. 2023, arXiv:2309.15505).

    The levels of all channels at a position are the digits of one index (K = 1); the first channel
    is the lowest digit. There is only one rate.
    """

    relaxed_head = "categorical"
    config: FiniteScalarConfig

    levels: Tensor
    half_widths: Tensor
    places: Tensor

    def __init__(self, config: FiniteScalarConfig) -> None:
        super().__init__(config)
        levels = torch.tensor(config.levels)
        self.register_buffer("levels", levels, persistent=False)  # [D]
        self.register_buffer("half_widths", levels // 2, persistent=False)
        self.register_buffer("places", levels.cumprod(0) // levels, persistent=False)

    def forward(self, latents: Tensor, rate: Tensor, *, relax: bool = False) -> Quantized:  # noqa: ARG002
        """Quantize for training; the loss is 0, because nothing is learnt."""
        bounded = self._bound(latents)  # [B, ..., D]
        # Straight-through gradient, because round() has none.
        rounded = bounded + (bounded.round() - bounded).detach()
        relaxed = None
        if relax:
            entries = self._digits(torch.arange(*self.codebook_sizes, device=latents.device))
            # Rounding errors are about uniform in ±1/2, so each has a mean square of 1/12.
            shares = soft_choices(bounded.flatten(0, -2), entries.to(bounded.dtype), self.dim / 12)
            relaxed = shares.reshape(*bounded.shape[:-1], -1)[:, None]  # [B, 1, ..., N]
        return Quantized(
            latents=(rounded / self.half_widths).movedim(-1, 1),
            indices=self._indices(bounded),
            loss=latents.new_zeros(()),
            relaxed=relaxed,
        )

    def quantize(self, latents: Tensor, rate: Tensor) -> Tensor:  # noqa: ARG002
        """Return indices [B, 1, ...] of latents [B, D, ...]."""
        return self._indices(self._bound(latents))

    def dequantize(self, indices: Tensor, rate: Tensor) -> Tensor:  # noqa: ARG002
        """Return latents [B, D, ...], within -1 … 1, of indices [B, 1, ...]."""
        return (self._digits(indices[:, 0]) / self.half_widths).movedim(-1, 1)

    def _bound(self, latents: Tensor) -> Tensor:
        """Return latents [B, D, ...] as [B, ..., D] in units of levels; 0 is the middle level."""
        return torch.tanh(latents.movedim(1, -1)) * self.half_widths

    def _indices(self, bounded: Tensor) -> Tensor:
        """Return the indices [B, 1, ...] of bounded latents [B, ..., D]."""
        digits = bounded.detach().round().long() + self.half_widths
        return (digits * self.places).sum(-1)[:, None]

    def _digits(self, indices: Tensor) -> Tensor:
        """Return the levels [..., D] of indices [...]; 0 is the middle level."""
        return indices[..., None] // self.places % self.levels - self.half_widths

    def sample_rates(self, batch_size: int) -> Tensor:
        """Return zeros [B]."""
        return torch.zeros(batch_size, dtype=torch.int64)

    def init_from_data(self, latents: Tensor, deviations: Tensor | None) -> None:
        """Do nothing: the levels are fixed."""
