"""An integer lattice whose step every channel learns for every rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.config import check_positive, check_range
from vqcodec.quantizers.base import Indices, Latents, Quantizer, Tensors, fetch


@dataclass(frozen=True, kw_only=True, slots=True)
class LatticeConfig:
    """How many channels, and how far an index may be from zero."""

    dim: int = 192
    limit: int = 255  # indices are -limit … limit
    num_knots: int = 8  # points over the rates at which steps are learnt
    coarsest_step: float = 2.5  # step in the signal's own units at rate 0, before training
    finest_step: float = 0.16  # the same at rate 255

    def __post_init__(self) -> None:
        check_range(self, "quantizer", 1, 4096, "dim")
        check_range(self, "quantizer", 1, 255, "limit")
        check_range(self, "quantizer", 2, 256, "num_knots")
        check_positive(self, "quantizer", "coarsest_step", "finest_step")

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Each channel is a codebook of evenly spaced entries."""
        return (2 * self.limit + 1,) * self.dim

    def rate_of(self, quality: float) -> int:
        """Return the rate byte, 0 … 255, of a quality 1 … 10."""
        return round((quality - 1) / 9 * 255)

    def rate_fraction(self, rate: Any) -> Any:
        """Return rates as 0 … 1."""
        return rate / 255

    def has_rate(self, rate: int) -> bool:  # noqa: ARG002
        """Return True: every byte is a rate."""
        return True

    def codebooks_at(self, rate: int) -> int:  # noqa: ARG002
        """Return D: all channels are coded at every rate."""
        return self.dim


class LatticeQuantizer(Quantizer):
    """Rounds every channel to a grid whose spacing is piecewise linear over the rates.

    Index 0 stands for the value -limit. `networks.quantizers.lattice` says where the idea is from.
    """

    kind = "lattice"

    def __init__(self, config: LatticeConfig, tensors: Tensors) -> None:
        """Read "log_gain", [num_knots, D]."""
        super().__init__(config)
        self.limit, self.num_knots = config.limit, config.num_knots
        self.log_gain = fetch(tensors, "log_gain", (config.num_knots, config.dim))

    def gain(self, rate: int, num_axes: int) -> NDArray[np.float32]:
        """Return how many grid steps one unit of each channel is, [D, 1, ...] of so many axes."""
        place = np.float32(self.config.rate_fraction(rate)) * np.float32(self.num_knots - 1)
        left = min(int(place), self.num_knots - 2)
        share = np.float32(place - left)
        log_gain = self.log_gain[left] * (1 - share) + self.log_gain[left + 1] * share
        gain: NDArray[np.float32] = np.exp(log_gain)
        return gain.reshape(-1, *(1,) * (num_axes - 1))

    def targets(self, latents: Latents, rate: int) -> NDArray[np.float64]:
        """Return where latents lie on the grid; index `limit` is zero."""
        scaled = latents.astype(np.float64)
        scaled *= self.gain(rate, latents.ndim - 1)
        scaled += self.limit
        return scaled

    def quantize(self, latents: Latents, rate: int) -> Indices:
        """Return indices [P, D, ...] in 0 … 2 * limit."""
        nearest = np.rint(self.targets(latents, rate))
        return nearest.clip(0, 2 * self.limit).astype(np.int64)

    def dequantize(self, indices: Indices, rate: int) -> Latents:
        """Return latents [P, D, ...] of indices [P, D, ...]."""
        latents: Latents = (indices - self.limit).astype(np.float32)
        latents /= self.gain(rate, indices.ndim - 1)
        return latents
