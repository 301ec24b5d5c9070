"""The interface of quantizers and of their configurations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import ModelFileError
from vqcodec.quantizers.configs import QuantizerConfig

Tensors = Mapping[str, NDArray[Any]]
Latents = NDArray[np.float32]  # [P, D, ...]
Indices = NDArray[np.int64]  # [P, K', ...]
AnyIndices = NDArray[np.signedinteger[Any]]  # the same, in integers of any width


class Quantizer(ABC):
    """Turns latents [P, D, ...] into indices [P, K', ...] and back, with trained tensors."""

    kind: str  # the name in recipes and model files

    def __init__(self, config: QuantizerConfig) -> None:
        self.config = config

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The number of entries of each of the K codebooks."""
        return self.config.codebook_sizes

    @property
    def num_codebooks(self) -> int:
        """K, the number of codebooks in use at the finest rate."""
        return len(self.config.codebook_sizes)

    @abstractmethod
    def quantize(self, latents: Latents, rate: int) -> Indices:
        """Return the indices [P, K', ...] of the entries nearest to latents [P, D, ...]."""

    def targets(self, latents: Latents, rate: int) -> Indices | NDArray[np.float64]:
        """Return targets [P, K', ...] from which a prior chooses indices.

        Targets are unrounded indices, in real numbers. By default they are the indices themselves,
        which leaves the prior no choice.
        """
        return self.quantize(latents, rate)

    @abstractmethod
    def dequantize(self, indices: AnyIndices, rate: int) -> Latents:
        """Return the latents [P, D, ...] of indices [P, K', ...]."""


def fetch(tensors: Tensors, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the float32 tensor of this name.

    Raises:
        ModelFileError: the tensor is missing, or has a wrong type or shape.
    """
    tensor = tensors.get(name)
    if tensor is None or tensor.shape != shape or tensor.dtype != np.float32:
        found = "missing" if tensor is None else f"{tensor.dtype} of shape {tensor.shape}"
        raise ModelFileError(f"model: tensor quantizer.{name} is {found}, not float32 of {shape}")
    return tensor
