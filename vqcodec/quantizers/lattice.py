"""Scalar quantization with a learnt step size for every channel and rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqcodec.quantizers.base import AnyIndices, Indices, Latents, Quantizer, Tensors, fetch
from vqcodec.quantizers.configs import LatticeConfig


class LatticeQuantizer(Quantizer):
    """Rounds every channel to multiples of a step; the log step is piecewise linear in the rate.

    Index 0 means the value -limit. `networks.quantizers.lattice` gives the source of the idea.
    """

    kind = "lattice"
    config: LatticeConfig

    def __init__(self, config: LatticeConfig, tensors: Tensors) -> None:
        """Read the tensor "log_gain", [num_knots, D]."""
        super().__init__(config)
        self.limit, self.num_knots = config.limit, config.num_knots
        self.log_gain = fetch(tensors, "log_gain", (config.num_knots, config.dim))

    def gain(self, rate: int, num_axes: int) -> NDArray[np.float32]:
        """Return the gain of each channel (1 / step size), [D, 1, ...] with `num_axes` axes."""
        place = np.float32(self.config.rate_fraction(rate)) * np.float32(self.num_knots - 1)
        left = min(int(place), self.num_knots - 2)
        share = np.float32(place - left)
        log_gain = self.log_gain[left] * (1 - share) + self.log_gain[left + 1] * share
        gain: NDArray[np.float32] = np.exp(log_gain)
        return gain.reshape(-1, *(1,) * (num_axes - 1))

    def targets(self, latents: Latents, rate: int) -> NDArray[np.float64]:
        """Return unrounded indices [P, D, ...] of latents [P, D, ...]; index `limit` means 0.

        They are nearer to zero by what `rounding` is above 0.5.
        """
        scaled = latents.astype(np.float64)
        scaled *= self.gain(rate, latents.ndim - 1)
        if self.config.rounding > 0.5:
            zone = self.config.rounding - 0.5
            scaled -= scaled.clip(-zone, zone)
        scaled += self.limit
        return scaled

    def quantize(self, latents: Latents, rate: int) -> Indices:
        """Return indices [P, D, ...] in 0 … 2 * limit."""
        nearest = np.rint(self.targets(latents, rate))
        return nearest.clip(0, 2 * self.limit).astype(np.int64)

    def dequantize(self, indices: AnyIndices, rate: int) -> Latents:
        """Return latents [P, D, ...] of indices [P, D, ...]."""
        latents: Latents = indices.astype(np.float32)
        latents -= self.limit
        latents /= self.gain(rate, indices.ndim - 1)
        return latents
