"""Residual units and their conditioning on the rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.modalities.audio.config import UNIT_REACH
from vqcodec.networks.activations import leaky_relu


class RateModulation(nn.Module):
    """Scales and shifts every channel by a learnt function of the rate; initially the identity.

    The function is piecewise linear over `num_knots` points, so that one network serves many rates.
    """

    def __init__(self, num_channels: int, num_knots: int = 6) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(num_knots, num_channels))
        self.shift = nn.Parameter(torch.zeros(num_knots, num_channels))

    def forward(self, features: Tensor, rate: Tensor) -> Tensor:
        """Return features [B, C, ...] modulated by rate [B or 1] in 0 … 1."""
        shape = (len(rate), -1) + (1,) * (features.dim() - 2)
        scale = interpolate_knots(self.scale, rate).reshape(shape)
        shift = interpolate_knots(self.shift, rate).reshape(shape)
        return features * (1 + scale) + shift


def interpolate_knots(table: Tensor, position: Tensor) -> Tensor:
    """Return rows [B, C] of table [J, C], interpolated between knots, at position [B] in 0 … 1."""
    knots = table.shape[0]
    place = position.clamp(0, 1) * (knots - 1)
    left = place.floor().clamp(max=knots - 2).long()
    weight = (place - left)[:, None]
    return table[left] * (1 - weight) + table[left + 1] * weight


class ResidualUnit2d(nn.Module):
    """Two dense 3x3 convolutions with a leaky rectifier between them, added to the input.

    They are dense because depthwise convolutions are memory-bound on CPUs. The second convolution
    is initialised to zero, so that a new unit is the identity.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        self.second = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Return features [B, C, h, w] plus the residual."""
        hidden: Tensor = self.first(leaky_relu(features, 0.1))
        change: Tensor = self.second(leaky_relu(hidden, 0.1))
        return features + change


class ConvNextUnit1d(nn.Module):
    """Depthwise convolution over time, then a network of two layers per frame (ConvNeXt).

    It normalises over channels only, not over time, so that windows give the result of a whole run.
    """

    def __init__(self, num_channels: int, expansion: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            num_channels,
            num_channels,
            2 * UNIT_REACH + 1,
            padding=UNIT_REACH,
            groups=num_channels,
        )
        self.norm = nn.LayerNorm(num_channels)
        self.widen = nn.Linear(num_channels, expansion * num_channels)
        self.narrow = nn.Linear(expansion * num_channels, num_channels)
        self.scale = nn.Parameter(torch.full((num_channels,), 0.2))

    def forward(self, features: Tensor) -> Tensor:
        """Return features [B, C, F] plus the residual."""
        hidden = self.norm(self.depthwise(features).transpose(1, 2))  # [B, F, C]
        hidden = self.narrow(functional.gelu(self.widen(hidden), approximate="tanh"))
        change: Tensor = (hidden * self.scale).transpose(1, 2)
        return features + change


class PaperUnit(nn.Module):
    """The residual unit of the VQ-VAE paper: two convolutions, each after a rectifier.

    The second one is 1x1 and initialised to zero, so that a new unit is the identity.
    """

    def __init__(self, first: nn.Module, second: nn.Conv1d | nn.Conv2d) -> None:
        super().__init__()
        self.first, self.second = first, second
        nn.init.zeros_(second.weight)
        nn.init.zeros_(second.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Return features [B, C, ...] plus the residual."""
        hidden: Tensor = self.first(functional.relu(features))
        change: Tensor = self.second(functional.relu(hidden))
        return features + change


class PaperUnit2d(PaperUnit):
    """The paper's unit for pictures; its first convolution is 3x3."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(
            nn.Conv2d(num_channels, num_channels, 3, padding=1),
            nn.Conv2d(num_channels, num_channels, 1),
        )


class PaperUnit1d(PaperUnit):
    """The paper's unit over time; its first convolution has three taps, `dilation` apart."""

    def __init__(self, num_channels: int, dilation: int) -> None:
        super().__init__(
            nn.Conv1d(num_channels, num_channels, 3, padding=dilation, dilation=dilation),
            nn.Conv1d(num_channels, num_channels, 1),
        )


def scale_for_rectifiers(layers: Iterable[nn.Module], gain: float = 1.0) -> None:
    """Initialise convolutions so that features keep their variance (He et al. 2015).

    Biases are zero, because random biases would be larger than a quiet signal. Layers of other
    kinds stay as they are.
    """
    for layer in layers:
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)):
            terms = layer.in_channels * math.prod(layer.kernel_size)
            if layer.transposed:
                terms //= math.prod(layer.stride)
            nn.init.normal_(layer.weight, std=gain * math.sqrt(2 / terms))
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
