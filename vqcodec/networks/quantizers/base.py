"""What every quantizer offers while it trains; `quantizers` codes with what it has learnt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from vqcodec.quantizers.base import QuantizerConfig


@dataclass(frozen=True)
class Quantized:
    """What quantizing gives a training loop.

    Attributes:
        latents: [B, D, ...] quantized values; their gradient goes straight through to the input.
        indices: [B, K, ...] int64.
        loss: scalar; codebook and commitment terms, with their weights.
        relaxed: what joint training measures the encoder's rate on, where it was asked for. For a
            logistic head [B, K, ...], in units of indices about the middle one, with noise in
            place of rounding; for a categorical head [B, K, ..., N], the shares of a soft choice.
    """

    latents: Tensor
    indices: Tensor
    loss: Tensor
    relaxed: Tensor | None = None


class QuantizerModule(nn.Module, ABC):
    """Turns latents [B, D, ...] into indices [B, K, ...] and back.

    `rate` is the byte of a stream that says how finely: an int64 tensor [B], 0 … 255. What it
    means is the quantizer's own affair.
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
        """Return indices [B, K', ...] int64; K' is what `codebooks_at` gives for the rate."""

    @abstractmethod
    def dequantize(self, indices: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, ...] of indices [B, K', ...]."""

    def rate_fraction(self, rate: Tensor) -> Tensor:
        """Return where rates [B] lie between the coarsest and the finest, [B] float in 0 … 1."""
        fraction: Tensor = self.config.rate_fraction(rate.float())
        return fraction

    def in_use(self, rate: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return which codebooks streams at rates [B] hold, [B, K] bool; None for all."""
        return None

    @abstractmethod
    def sample_rates(self, batch_size: int) -> Tensor:
        """Return random rates [B] to train with, over all the rates that a model serves."""

    @abstractmethod
    def init_from_data(self, latents: Tensor, deviations: Tensor | None) -> None:
        """Take a first batch as the start of the codebooks.

        Args:
            latents: [B, D, ...] as the encoder makes them before training.
            deviations: [D], how far one unit of each latent moves the signal, if it is known.
        """
