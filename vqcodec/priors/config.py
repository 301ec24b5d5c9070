"""The shapes of the learnt priors, for training and for coding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vqcodec.errors import ConfigError

Head = Literal["logistic", "categorical"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GridPriorConfig:
    """In which order, and with how much context, the indices of a grid are predicted."""

    groups: tuple[int, ...]  # codebooks that are predicted together; they add up to K
    head: Head = "logistic"
    period: int = 2  # a cell of period x period positions is coded in period ** 2 phases
    kernel_size: int = 3
    width: int = 128
    embedding_dim: int = 16  # of a categorical index; a logistic one has two fixed features

    def __post_init__(self) -> None:
        if not self.groups or any(not 1 <= group <= 4096 for group in self.groups):
            raise ConfigError(f"prior.groups: {self.groups} are not sizes of 1 … 4096")
        if self.period not in (1, 2, 4, 8):
            raise ConfigError(f"prior.period: {self.period} is not 1, 2, 4 or 8")
        if self.kernel_size not in (1, 3, 5, 7, 9):
            raise ConfigError(f"prior.kernel_size: {self.kernel_size} is not 1, 3, 5, 7 or 9")
        if not 8 <= self.width <= 1024 or not 1 <= self.embedding_dim <= 256:
            raise ConfigError("prior.width is not 8 … 1024, or prior.embedding_dim not 1 … 256")


@dataclass(frozen=True, kw_only=True, slots=True)
class FramesPriorConfig:
    """How the indices of a frame are predicted from the frames before and from one another."""

    groups: tuple[int, ...]  # codebooks that are predicted together; they add up to K
    head: Head = "categorical"
    width: int = 256
    dilations: tuple[int, ...] = (1, 2, 4, 8)  # frames back that each layer over time looks
    embedding_dim: int = 16  # of a categorical index; a logistic one has two fixed features
    dropout: float = 0.0  # of features, while training

    def __post_init__(self) -> None:
        if not self.groups or any(not 1 <= group <= 4096 for group in self.groups):
            raise ConfigError(f"prior.groups: {self.groups} are not sizes of 1 … 4096")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"prior.dropout: {self.dropout} is not 0 … 1")
        if any(not 1 <= dilation <= 256 for dilation in self.dilations):
            raise ConfigError(f"prior.dilations: {self.dilations} are not 1 … 256")
        if not 8 <= self.width <= 1024 or not 1 <= self.embedding_dim <= 256:
            raise ConfigError("prior.width is not 8 … 1024, or prior.embedding_dim not 1 … 256")


def check_codebooks(
    config: GridPriorConfig | FramesPriorConfig, codebook_sizes: tuple[int, ...]
) -> None:
    """Check that a prior predicts just the codebooks that there are.

    Raises:
        ConfigError: it predicts others.
    """
    if sum(config.groups) != len(codebook_sizes):
        raise ConfigError(
            f"prior.groups: {config.groups} add up to {sum(config.groups)}, "
            f"but there are {len(codebook_sizes)} codebooks"
        )
    if config.head == "logistic" and codebook_sizes[0] % 2 == 0:
        raise ConfigError(
            f"prior.head: 'logistic' is for a lattice, not for codebooks of {codebook_sizes[0]}"
        )
