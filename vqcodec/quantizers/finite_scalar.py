"""Finite scalar quantization: each channel is rounded to a few values; no learnt codebook."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.errors import ConfigError
from vqcodec.quantizers.base import Indices, Latents, Quantizer, Tensors

LARGEST_CODEBOOK = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class FiniteScalarConfig:
    """The number of values of each latent channel."""

    levels: tuple[int, ...] = (7, 5, 5, 5)  # odd, so that zero is one of the values

    def __post_init__(self) -> None:
        for level in self.levels:
            if level < 3 or level % 2 == 0:
                raise ConfigError(f"quantizer.levels: {level} is not an odd number above 2")
        if not self.levels or math.prod(self.levels) > LARGEST_CODEBOOK:
            raise ConfigError(
                f"quantizer.levels: {list(self.levels)} make {math.prod(self.levels)} "
                f"combinations, not 3 … {LARGEST_CODEBOOK}"
            )

    @property
    def dim(self) -> int:
        """D, the channels of the latents."""
        return len(self.levels)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """One codebook, with an entry for every combination of the channels' values."""
        return (math.prod(self.levels),)

    def rate_of(self, quality: float) -> int:  # noqa: ARG002
        """Return 0, the only rate."""
        return 0

    def rate_fraction(self, rate: Any) -> Any:
        """Return zeros: there is only one rate."""
        return rate * 0.0

    def has_rate(self, rate: int) -> bool:  # noqa: ARG002
        """Return True: all rate bytes mean the same."""
        return True

    def codebooks_at(self, rate: int) -> int:  # noqa: ARG002
        """Return 1."""
        return 1


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

    def dequantize(self, indices: Indices, rate: int) -> Latents:  # noqa: ARG002
        """Return latents [P, D, ...], within -1 … 1, of indices [P, 1, ...]."""
        digits = indices[:, 0, ..., None] // self.places % self.levels - self.half_widths
        latents = digits.astype(np.float32) / self.half_widths.astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(latents, -1, 1))
