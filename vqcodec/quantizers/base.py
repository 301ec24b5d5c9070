"""What every quantizer offers to networks, training and the codec."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Quantized:
    """What quantizing gives a training loop.

    Attributes:
        latents: [B, D, ...] quantized values; their gradient goes straight through to the input.
        indices: [B, K, ...] int64.
        loss: scalar; codebook and commitment terms, with their weights.
        relaxed: [B, D, ...] in units of indices, with noise in place of rounding; None where the
            quantizer has no such form. The rate of joint training is measured on it.
    """

    latents: Tensor
    indices: Tensor
    loss: Tensor
    relaxed: Tensor | None = None


class Quantizer(nn.Module, ABC):
    """Turns latents [B, D, ...] into indices [B, K, ...] and back.

    `rate` is the byte of a stream that says how finely: an int64 tensor [B], 0 … 255. What it
    means is the quantizer's own affair.
    """

    kind: str  # as recipes and model files name it
    codebook_sizes: tuple[int, ...]  # entries of each of the K codebooks

    @property
    def num_codebooks(self) -> int:
        """K, the codebooks at the finest rate."""
        return len(self.codebook_sizes)

    @abstractmethod
    def forward(self, latents: Tensor, rate: Tensor) -> Quantized:
        """Quantize for training: gradients, moving averages and noise take part."""

    @abstractmethod
    def quantize(self, latents: Tensor, rate: Tensor) -> Tensor:
        """Return indices [B, K', ...] int64; K' is what `codebooks_at` gives for the rate."""

    @abstractmethod
    def dequantize(self, indices: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, ...] of indices [B, K', ...]."""

    @abstractmethod
    def rate_of(self, quality: float) -> int:
        """Return the rate byte of a quality 1 … 10."""

    @abstractmethod
    def position(self, rate: Tensor) -> Tensor:
        """Return where rates [B] lie between the coarsest and the finest, [B] float in 0 … 1."""

    def in_use(self, rate: Tensor) -> Tensor | None:  # noqa: ARG002
        """Return which codebooks streams at rates [B] hold, [B, K] bool; None for all."""
        return None

    def codebooks_at(self, rate: int) -> int:  # noqa: ARG002
        """Return K', the codebooks that a stream at this rate holds."""
        return self.num_codebooks

    @abstractmethod
    def sample_rates(self, batch_size: int) -> Tensor:
        """Return random rates [B] to train with, over all the rates that a model serves."""

    @abstractmethod
    def start(self, latents: Tensor, deviations: Tensor | None) -> None:
        """Take a first batch as the start of the codebooks.

        Args:
            latents: [B, D, ...] as the encoder makes them before training.
            deviations: [D], how far one unit of each latent moves the signal, if it is known.
        """
