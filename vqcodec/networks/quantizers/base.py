"""The interface of quantizers in training; `vqcodec.quantizers` has their runtime side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from vqcodec.quantizers.configs import QuantizerConfig


@dataclass(frozen=True)
class Quantized:
    """The result of quantizing in training.

    Attributes:
        latents: [B, D, ...] quantized values; their gradient goes straight through to the input.
        indices: [B, K, ...] int64.
        loss: scalar; codebook and commitment terms, with their weights.
        relaxed: differentiable stand-in for the indices, for the rate term of joint training; None
            unless asked for. For a logistic head, [B, K, ...] indices minus the middle index, with
            uniform noise instead of rounding. For a categorical head, [B, K, ..., N] probabilities
            of a soft assignment.
    """

    latents: Tensor
    indices: Tensor
    loss: Tensor
    relaxed: Tensor | None = None


class QuantizerModule(nn.Module, ABC):
    """Turns latents [B, D, ...] into indices [B, K, ...] and back.

    `rate` [B] int64, 0 … 255, is the rate byte of a stream. Each quantizer defines its meaning.
    """

    relaxed_head: Literal["logistic", "categorical"]  # of the prior that `relaxed` is made for

    def __init__(self, config: QuantizerConfig) -> None:
        super().__init__()
        self.config, self.dim = config, config.dim
        self.codebook_sizes = config.codebook_sizes

    @property
    def num_codebooks(self) -> int:
        """K, the codebooks at the finest rate."""
        return len(self.codebook_sizes)

    @abstractmethod
    def forward(self, latents: Tensor, rate: Tensor, *, relax: bool = False) -> Quantized:
        """Quantize for training: gradients, moving averages and noise take part.

        Args:
            latents: [B, D, ...].
            rate: [B].
            relax: whether `Quantized.relaxed` is needed.
        """

    @abstractmethod
    def quantize(self, latents: Tensor, rate: Tensor) -> Tensor:
        """Return indices [B, K', ...] int64; K' is the result of `codebooks_at` for the rate."""

    @abstractmethod
    def dequantize(self, indices: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, ...] of indices [B, K', ...]."""

    def rate_fraction(self, rate: Tensor) -> Tensor:
        """Return rates [B] as fractions [B] float: 0 is the coarsest rate, 1 the finest."""
        fraction: Tensor = self.config.rate_fraction(rate.float())
        return fraction

    def in_use(self, rate: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return which codebooks streams at rates [B] hold, [B, K] bool; None for all."""
        return None

    @abstractmethod
    def sample_rates(self, batch_size: int) -> Tensor:
        """Return random rates [B] for a training step, from all rates of the model."""

    @abstractmethod
    def init_from_data(self, latents: Tensor, deviations: Tensor | None) -> None:
        """Data-dependent initialisation of the codebooks from a first batch.

        Args:
            latents: [B, D, ...] of the untrained encoder.
            deviations: [D], change of the signal per unit of each latent; None if unknown.
        """
