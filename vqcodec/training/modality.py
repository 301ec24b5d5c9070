"""The interface of modalities in training: files, excerpts and distortions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.modalities import MODALITIES
from vqcodec.modalities.base import Modality
from vqcodec.registry import imported


class Batch(NamedTuple):
    """Excerpts for one step of training.

    Attributes:
        signal: [B, C, ...], the target of the decoder.
        source: [B, C, ...], the input of the encoder: the signal, or its disguise in some recipes.
        recording: [B, 1, T], other speech of the same speakers, for recipes with voices.
    """

    signal: Tensor
    source: Tensor
    recording: Tensor | None = None

    def to(self, device: str) -> Batch:
        """Return the same excerpts on a device."""
        recording = None if self.recording is None else self.recording.to(device)
        return Batch(self.signal.to(device), self.source.to(device), recording)


class Dataset(ABC):
    """Training excerpts of files; they depend only on a random generator, for exact resuming."""

    @abstractmethod
    def signals(self, batch_size: int, generator: np.random.Generator) -> Tensor:
        """Return random excerpts [B, C, ...]."""

    def batch(self, batch_size: int, generator: np.random.Generator) -> Batch:
        """Return random excerpts with all other inputs of the networks."""
        signal = self.signals(batch_size, generator)
        return Batch(signal, signal)


class TrainingModality(ABC):
    """The training side of a kind of signal."""

    suffixes: ClassVar[Collection[str]]  # of the files it trains on
    distortions: ClassVar[Sequence[str]] = ("default",)  # that a recipe can name

    @abstractmethod
    def loader(self, table: Mapping[str, Any]) -> Callable[[Path], NDArray[Any]]:
        """Return a function that returns what a dataset keeps of a file, for a [data] table.

        The function raises InputError if it cannot read the file.
        """

    @abstractmethod
    def dataset(self, loaded: Mapping[Path, NDArray[Any]], table: Mapping[str, Any]) -> Dataset:
        """Return training excerpts of loaded files, for the [data] table of a recipe."""

    def dataset_of(self, files: Iterable[Path], table: Mapping[str, Any]) -> Dataset:
        """Return training excerpts of files.

        Raises:
            InputError: a file cannot be read.
        """
        load = self.loader(table)
        return self.dataset({path: load(path) for path in files}, table)

    @abstractmethod
    def excerpt(self, path: Path) -> Tensor:
        """Return the middle of a held-out file as an input of the encoder, [1, C, ...].

        Raises:
            InputError: the file cannot be read.
        """

    @abstractmethod
    def distortion(
        self, reconstruction: Tensor, target: Tensor, kind: str = "default"
    ) -> dict[str, Tensor]:
        """Return the terms of the loss, each [B]; "total" is what is minimised."""

    @abstractmethod
    def rate_of_bits(self, bits: Tensor, target: Tensor) -> Tensor:
        """Return bits per pixel, or kilobits per second, [B], of signals [B, C, ...]."""


def training_side(modality: Modality[Any]) -> TrainingModality:
    """Return the training side of a modality."""
    side: TrainingModality = imported(MODALITIES[modality.name].training)(modality)
    return side
