"""What every quantizer offers to the codec, and what its rate byte means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import ModelFileError

Tensors = Mapping[str, NDArray[Any]]
Latents = NDArray[np.float32]  # [P, D, ...]
Indices = NDArray[np.int64]  # [P, K', ...]


class QuantizerConfig(Protocol):
    """The [quantizer] table of a recipe, and what follows from it.

    A rate is the byte of a stream that says how finely latents are quantized, 0 … 255.
    """

    @property
    def dim(self) -> int:
        """D, the channels of the latents."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each of the K codebooks."""

    def rate_of(self, quality: float) -> int:
        """Return the rate byte of a quality 1 … 10."""

    def rate_fraction(self, rate: Any) -> Any:
        """Return where rates lie between the coarsest, 0, and the finest, 1.

        Takes and returns a number, an array or a tensor of floats.
        """

    def has_rate(self, rate: int) -> bool:
        """Return whether streams may carry this rate byte."""

    def codebooks_at(self, rate: int) -> int:
        """Return K', the codebooks that a stream at this rate holds."""


class Quantizer(ABC):
    """Turns latents [P, D, ...] into indices [P, K', ...] and back, with trained tensors."""

    kind: str  # as recipes and model files name it

    def __init__(self, config: QuantizerConfig) -> None:
        self.config = config

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each of the K codebooks."""
        return self.config.codebook_sizes

    @property
    def num_codebooks(self) -> int:
        """K, the codebooks at the finest rate."""
        return len(self.config.codebook_sizes)

    @abstractmethod
    def quantize(self, latents: Latents, rate: int) -> Indices:
        """Return the indices of the nearest entries."""

    def targets(self, latents: Latents, rate: int) -> Indices | NDArray[np.float64]:
        """Return what a prior may choose indices by: real numbers [P, K', ...] in their units.

        By default they are the indices themselves, and there is nothing to choose.
        """
        return self.quantize(latents, rate)

    @abstractmethod
    def dequantize(self, indices: Indices, rate: int) -> Latents:
        """Return the latents of indices."""


def fetch(tensors: Tensors, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a tensor of 32-bit floats by name.

    Raises:
        ModelFileError: it is missing, or of another type or shape.
    """
    tensor = tensors.get(name)
    if tensor is None or tensor.shape != shape or tensor.dtype != np.float32:
        found = "missing" if tensor is None else f"{tensor.dtype} of shape {tensor.shape}"
        raise ModelFileError(f"model: tensor quantizer.{name} is {found}, not float32 of {shape}")
    return tensor
