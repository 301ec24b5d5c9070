"""An integer lattice whose step every channel learns for every rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.networks.quantizers.base import Quantized, Quantizer
from vqcodec.networks.residual import interpolate_knots


@dataclass(frozen=True, kw_only=True, slots=True)
class LatticeConfig:
    """How many channels, and how far an index may be from zero."""

    dim: int = 192
    limit: int = 255  # indices are -limit … limit
    num_knots: int = 8  # points over the rates at which steps are learnt
    coarsest_step: float = 2.5  # step in the signal's own units at rate 0, before training
    finest_step: float = 0.16  # the same at rate 255

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= 4096:
            raise ConfigError(f"quantizer.dim: {self.dim} is not 1 … 4096")
        if not 1 <= self.limit <= 255:
            raise ConfigError(f"quantizer.limit: {self.limit} is not 1 … 255")
        if not 2 <= self.num_knots <= 256:
            raise ConfigError(f"quantizer.num_knots: {self.num_knots} is not 2 … 256")
        for name in ("coarsest_step", "finest_step"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"quantizer.{name}: {getattr(self, name)} is not more than 0")


class LatticeQuantizer(Quantizer):
    """Rounds every channel to a grid; finite scalar quantization with a step per channel and rate.

    Each channel is a codebook of 2 * limit + 1 evenly spaced entries (Mentzer et al. 2023,
    arXiv:2309.15505, without their bounding function). The spacing is a learnt piecewise linear
    function of the rate (Cui et al. 2021, "Asymmetric gained deep image compression"). Index 0
    stands for the value -limit.
    """

    kind = "lattice"
    relaxed_head = "logistic"

    def __init__(self, config: LatticeConfig) -> None:
        super().__init__()
        self.config, self.dim = config, config.dim
        self.codebook_sizes = (2 * config.limit + 1,) * config.dim
        steps = torch.linspace(
            math.log(config.coarsest_step), math.log(config.finest_step), config.num_knots
        )
        self.log_gain = nn.Parameter(-steps[:, None].repeat(1, config.dim))  # [J, D]

    def gain(self, rate: Tensor, num_dims: int) -> Tensor:
        """Return how many grid steps one unit of each channel is: [B, D, 1, ...] for num_dims."""
        gain = interpolate_knots(self.log_gain, self.position(rate)).exp()
        return gain.reshape(gain.shape + (1,) * (num_dims - 2))

    def forward(self, latents: Tensor, rate: Tensor, *, relax: bool = False) -> Quantized:
        """Quantize for training; `relaxed` carries uniform noise (Ballé et al. 2017)."""
        gain = self.gain(rate, latents.dim())
        scaled = latents * gain
        limit = self.config.limit
        rounded = scaled.detach().round().clamp(-limit, limit)
        # round() has no gradient, so the gradient passes by it (straight-through).
        straight = scaled + (rounded - scaled).detach()
        return Quantized(
            latents=straight / gain,
            indices=rounded.long() + limit,
            loss=latents.new_zeros(()),
            relaxed=scaled + torch.rand_like(scaled) - 0.5 if relax else None,
        )

    def quantize(self, latents: Tensor, rate: Tensor) -> Tensor:
        """Return indices [B, D, ...] int64 in 0 … 2 * limit."""
        limit = self.config.limit
        scaled = latents * self.gain(rate, latents.dim())
        return scaled.round().clamp(-limit, limit).long() + limit

    def targets(self, latents: Tensor, rate: Tensor) -> Tensor:
        """Return where latents lie on the grid, [B, D, ...] float64; index `limit` is zero."""
        return latents.double() * self.gain(rate, latents.dim()) + self.config.limit

    def dequantize(self, indices: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, ...] of indices [B, D, ...]."""
        return (indices - self.config.limit) / self.gain(rate, indices.dim())

    def rate_of(self, quality: float) -> int:
        """Return the rate byte, 0 … 255, of a quality 1 … 10."""
        return round((quality - 1) / 9 * 255)

    def start(self, latents: Tensor, deviations: Tensor | None) -> None:  # noqa: ARG002
        """Make every step the same in the signal's units, as is best at high rates."""
        if deviations is not None:
            with torch.no_grad():
                self.log_gain.add_(deviations.clamp(min=1e-4).log())

    def position(self, rate: Tensor) -> Tensor:
        """Return rates [B] as 0 … 1."""
        return rate.float() / 255

    def sample_rates(self, batch_size: int) -> Tensor:
        """Return rates [B] uniform over 0 … 255."""
        return torch.randint(0, 256, (batch_size,))
