"""An integer lattice with a learnt step for every channel and rate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vqcodec.networks.quantizers.base import Quantized, QuantizerModule
from vqcodec.networks.residual import interpolate_knots
from vqcodec.quantizers.configs import LatticeConfig


class LatticeModule(QuantizerModule):
    """Rounds every channel to a grid whose step depends on channel and rate.

    Each channel is a codebook of 2 * limit + 1 evenly spaced entries (Mentzer et al. 2023,
    arXiv:2309.15505, without their bounding function). The spacing is a learnt piecewise linear
    function of the rate (Cui et al. 2021, "Asymmetric gained deep image compression"). Index 0
    stands for the value -limit.
    """

    relaxed_head = "logistic"
    config: LatticeConfig

    def __init__(self, config: LatticeConfig) -> None:
        super().__init__(config)
        steps = initial_log_steps(config)
        self.log_gain = nn.Parameter(-steps[:, None].repeat(1, config.dim))  # [J, D]
        self._fix_integers()

    def gain(self, rate: Tensor, num_dims: int) -> Tensor:
        """Return the grid steps per unit of each channel, [B, D, 1, ...] with num_dims axes."""
        table: Tensor = self.log_gain
        if not self.config.learn_steps:
            table = table.detach()
        elif self.config.num_integers:
            fixed = table[:, : self.config.num_integers].detach()  # never learnt
            table = torch.cat([fixed, table[:, self.config.num_integers :]], dim=1)
        gain = interpolate_knots(table, self.rate_fraction(rate)).exp()
        return gain.reshape(gain.shape + (1,) * (num_dims - 2))

    def forward(self, latents: Tensor, rate: Tensor, *, relax: bool = False) -> Quantized:
        """Quantize for training; `relaxed` has uniform noise added (Ballé et al. 2017)."""
        gain = self.gain(rate, latents.dim())
        scaled = latents * gain
        limit = self.config.limit
        rounded = self._rounded(scaled.detach())
        # Straight-through gradient, because round() has none.
        straight = scaled + (rounded - scaled).detach()
        return Quantized(
            latents=straight / gain,
            indices=rounded.long() + limit,
            loss=latents.new_zeros(()),
            relaxed=scaled + torch.rand_like(scaled) - 0.5 if relax else None,
        )

    def quantize(self, latents: Tensor, rate: Tensor) -> Tensor:
        """Return indices [B, D, ...] int64 in 0 … 2 * limit."""
        scaled = latents * self.gain(rate, latents.dim())
        return self._rounded(scaled).long() + self.config.limit

    def _rounded(self, scaled: Tensor) -> Tensor:
        """Return latents in steps as integers, -limit … limit."""
        zone = self.config.rounding - 0.5
        nearer = scaled - scaled.clamp(-zone, zone)
        return nearer.round().clamp(-self.config.limit, self.config.limit)

    def dequantize(self, indices: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, ...] of indices [B, D, ...]."""
        return (indices - self.config.limit) / self.gain(rate, indices.dim())

    def init_from_data(self, latents: Tensor, deviations: Tensor | None) -> None:  # noqa: ARG002
        """Make all steps equal in units of the signal, which is optimal at high rates."""
        if deviations is not None:
            with torch.no_grad():
                self.log_gain.add_(deviations.clamp(min=1e-4).log())
        self._fix_integers()

    def _fix_integers(self) -> None:
        """Set the steps of channels that hold integers to 1."""
        with torch.no_grad():
            self.log_gain[:, : self.config.num_integers] = 0

    def with_own_steps(self, log_gain: Tensor, source: LatticeConfig) -> Tensor:
        """Return the `log_gain` of another lattice with the initial steps of this one.

        Channels keep their ratios. `source` is the other one's, of as many channels and knots.
        """
        shift = initial_log_steps(source) - initial_log_steps(self.config)  # [J]
        moved = log_gain + shift[:, None].to(log_gain)
        return torch.cat(
            [log_gain[:, : self.config.num_integers], moved[:, self.config.num_integers :]], 1
        )

    def sample_rates(self, batch_size: int) -> Tensor:
        """Return rates [B] uniform over 0 … 255."""
        return torch.randint(0, 256, (batch_size,))


def initial_log_steps(config: LatticeConfig) -> Tensor:
    """Return the logarithms [J] of the steps at the knots before training."""
    coarsest, finest = math.log(config.coarsest_step), math.log(config.finest_step)
    return torch.linspace(coarsest, finest, config.num_knots)
