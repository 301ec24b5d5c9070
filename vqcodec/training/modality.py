"""The interface of modalities in training: files, excerpts and distortions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from torch import Tensor

from vqcodec.errors import InputError
from vqcodec.modalities import MODALITIES
from vqcodec.modalities.base import Modality
from vqcodec.notes import printable
from vqcodec.registry import imported
from vqcodec.stderr import tell
from vqcodec.training.cache import DEFAULT_BYTES
from vqcodec.training.inputs import InputReader, require_some

Loaded = TypeVar("Loaded")

_ALL = slice(None)  # the whole batch
_MOST_DRAWS = 100  # of batches none of whose files can be read


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


class NoneReadableError(InputError):
    """None of the files of a batch can be read."""


class Dataset(ABC):
    """Training excerpts of files; they depend only on a random generator, for exact resuming.

    Drawing is separate from loading: all processes of a training draw the same excerpts of a step,
    and each loads its own part of them. Threads may load at the same time.

    Attributes:
        files: names of those that can be drawn.
        skip_bad: whether an excerpt of a file that cannot be read is replaced by another one of
            the batch, with a message on stderr. Otherwise it is an InputError.
    """

    files: Sequence[str]
    skip_bad = False

    def __init__(self) -> None:
        self._bad: set[str] = set()

    def load_each(self, excerpts: Sequence[Any], load: Callable[[Any], Loaded]) -> list[Loaded]:
        """Return the results of a function for excerpts; see `skip_bad`.

        Raises:
            InputError: a file cannot be read and is not skipped.
            NoneReadableError: none can be read, and all are skipped.
        """
        found: list[Loaded | None] = []
        for excerpt in excerpts:
            try:
                found.append(load(excerpt))
            except InputError as error:
                if not self.skip_bad:
                    raise
                found.append(None)
                if str(error) not in self._bad:
                    self._bad.add(str(error))
                    tell(printable(f"vqcodec: {error}"))
        good = [result for result in found if result is not None]
        if not good:
            raise NoneReadableError("none of the files of a batch can be read")
        return [
            good[number % len(good)] if result is None else result
            for number, result in enumerate(found)
        ]

    @abstractmethod
    def draw(self, batch_size: int, generator: np.random.Generator) -> Sequence[Any]:
        """Return random excerpts as what `load` takes; no file is read."""

    @abstractmethod
    def load_signals(self, excerpts: Sequence[Any]) -> Tensor:
        """Return drawn excerpts [B, C, ...].

        Raises:
            InputError: a file cannot be read.
        """

    def load(self, excerpts: Sequence[Any]) -> Batch:
        """Return drawn excerpts with all other inputs of the networks; see `load_signals`."""
        signal = self.load_signals(excerpts)
        return Batch(signal, signal)

    @abstractmethod
    def describe(self) -> str:
        """Return what is read, and how much of it is in memory, for the log."""

    def signals(
        self, batch_size: int, generator: np.random.Generator, part: slice = _ALL
    ) -> Tensor:
        """Return random excerpts [B, C, ...], or a part of them."""
        return self._load_drawn(self.load_signals, batch_size, generator, part)

    def batch(self, batch_size: int, generator: np.random.Generator, part: slice = _ALL) -> Batch:
        """Return random excerpts with all other inputs of the networks, or a part of them."""
        return self._load_drawn(self.load, batch_size, generator, part)

    def _load_drawn(
        self,
        load: Callable[[Sequence[Any]], Loaded],
        batch_size: int,
        generator: np.random.Generator,
        part: slice,
    ) -> Loaded:
        """Load random excerpts; others are drawn if none of them can be read."""
        for _ in range(_MOST_DRAWS - 1):
            with suppress(NoneReadableError):
                return load(self.draw(batch_size, generator)[part])
        return load(self.draw(batch_size, generator)[part])


class TrainingModality(ABC):
    """The training side of a kind of signal."""

    suffixes: ClassVar[Collection[str]]  # of the files it trains on
    distortions: ClassVar[Sequence[str]] = ("default",)  # that a recipe can name

    def dataset(
        self,
        files: Sequence[str | Path],
        table: Mapping[str, Any],
        memory_bytes: int = DEFAULT_BYTES,
        reader: InputReader | None = None,
    ) -> Dataset:
        """Return training excerpts of files, for the [data] table of a recipe.

        Args:
            files: names, see `sources`.
            table: of the recipe.
            memory_bytes: decoded files are kept in memory up to this size. If all of them fit,
                they are read now; otherwise now their headers, and they when they are needed. The
                excerpts are the same.
            reader: keeps the names of files that cannot be read now; the dataset leaves them out.

        Raises:
            InputError: no file can be read; or, without a reader, not every file can be read.
        """
        own = reader or InputReader()
        dataset = self._dataset(list(map(str, files)), table, memory_bytes, own)
        if reader is None:
            own.conclude(skip_bad=False)
        require_some(dataset.files, "training files")
        return dataset

    @abstractmethod
    def _dataset(
        self,
        files: Sequence[str],
        table: Mapping[str, Any],
        memory_bytes: int,
        reader: InputReader,
    ) -> Dataset:
        """Return the dataset of all files that the reader can read, for `dataset`."""

    @abstractmethod
    def excerpt(self, name: str | Path) -> Tensor:
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
