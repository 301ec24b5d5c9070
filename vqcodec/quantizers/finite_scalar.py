"""Finite scalar quantization: each channel is rounded to a few values; no learnt codebook."""

from __future__ import annotations

import numpy as np

from vqcodec.quantizers.base import AnyIndices, Indices, Latents, Quantizer, Tensors
from vqcodec.quantizers.configs import FiniteScalarConfig


class FiniteScalarQuantizer(Quantizer):
    """Rounds each latent channel to a few values (Mentzer et al. 2023, arXiv:2309.15505).

    The channels' values are the digits of a single index (K = 1); the first channel is the lowest
    digit. There is only one rate.
    """

    kind = "finite_scalar"

    def __init__(self, config: FiniteScalarConfig, tensors: Tensors) -> None:  # noqa: ARG002
        """Take the configuration; there are no tensors."""
        super().__init__(config)
        self.levels = np.array(config.levels)  # [D]
        self.half_widths = self.levels // 2
        self.places = self.levels.cumprod() // self.levels

    def quantize(self, latents: Latents, rate: int) -> Indices:  # noqa: ARG002
        """Return indices [P, 1, ...] of latents [P, D, ...]."""
        half_widths = self.half_widths.astype(np.float32)
        bounded = np.tanh(np.moveaxis(latents, 1, -1)) * half_widths
        digits = np.rint(bounded).astype(np.int64) + self.half_widths
        indices: Indices = (digits * self.places).sum(axis=-1)[:, None]
        return indices

    def dequantize(self, indices: AnyIndices, rate: int) -> Latents:  # noqa: ARG002
        """Return latents [P, D, ...], within -1 … 1, of indices [P, 1, ...]."""
        digits = indices[:, 0, ..., None] // self.places % self.levels - self.half_widths
        latents = digits.astype(np.float32) / self.half_widths.astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(latents, -1, 1))
