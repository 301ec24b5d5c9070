"""What the codec may ask of sounds or pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.bitstream.sections import Section
from vqcodec.bitstream.stream import Stream
from vqcodec.config import build_config
from vqcodec.errors import UsageError
from vqcodec.layout import Geometry, Place
from vqcodec.notes import Note
from vqcodec.registry import Registry, imported
from vqcodec.signals.files import LazySignal

Facts = AudioFacts | ImageFacts
Array = NDArray[np.float32]
# Yields places in the signal and the planes [P, C, ...] there, for a place of the grid.
Decode = Callable[[Place], Iterator[tuple[Place, Array]]]


class NetworkConfig(Protocol):
    """The [network] table of a recipe, and what follows from it."""

    @property
    def dim(self) -> int:
        """D, the channels of the latents."""

    def geometry(self) -> Geometry:
        """Return how signals lie on the grid of these networks."""


Config = TypeVar("Config", bound=NetworkConfig)


class Modality(ABC, Generic[Config]):
    """A kind of signal, laid out for one pair of networks; immutable."""

    name: ClassVar[str]  # as recipes and model files name it
    wire_id: ClassVar[HeaderModality]  # as streams name it
    num_axes: ClassVar[int]  # of its grid of indices: 1 for sound, 2 for pictures
    default_model: ClassVar[str]  # that serves it unless another is asked for
    networks: ClassVar[Registry]  # a table without kind means its default

    def __init__(self, config: Config) -> None:
        self.config = config
        self.geometry = config.geometry()

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Self:
        """Return the modality for the [network] table of a recipe or a model file.

        Raises:
            ConfigError: there is no such kind of networks, or a key or value is wrong.
        """
        kind, rest = cls.networks.split(table)
        return cls(build_config(imported(kind.config), rest, "network"))

    @property
    @abstractmethod
    def position_size(self) -> float:
        """How far it is from one position to the next: pixels, or seconds of a sound."""

    @property
    def band_hz(self) -> float | None:
        """The highest frequency that is coded; None for pictures."""
        return None

    @abstractmethod
    def facts(self, signal: LazySignal, *, separate_channels: bool) -> Facts:
        """Return what a header says of a signal.

        Raises:
            UsageError: the signal is not of this modality.
        """

    @abstractmethod
    def num_planes(self, facts: Facts) -> int:
        """Return how many times the networks run: once for every coded channel of a sound."""

    @abstractmethod
    def grid(self, facts: Facts) -> tuple[int, ...]:
        """Return the size of a plane's grid of indices."""

    @abstractmethod
    def facts_of_size(self, size: tuple[int, ...]) -> Facts:
        """Return the facts of a colour picture (height, width) or a mono sound (samples).

        A sound has the model's own rate.
        """

    @abstractmethod
    def facts_to_sample(self, *, duration_s: float, width: int, height: int) -> Facts:
        """Return the facts of a new signal: a sound's duration or a picture's size counts."""

    @abstractmethod
    def reader(self, signal: LazySignal, facts: Facts) -> Callable[[Place], Array]:
        """Return what gives the P planes at a place, [P, C, ...], as the encoder takes them.

        Places are in samples or pixels, may reach as far as the grid, and come row by row.
        """

    @abstractmethod
    def restore(self, decode: Decode, facts: Facts, side: Stream | None = None) -> LazySignal:
        """Return the signal of what decodes, cut and converted as facts say.

        With a stream, what it holds beside the indices comes back, too.

        Raises:
            CorruptStreamError: what stands beside the indices is damaged.
        """

    @abstractmethod
    def prepare(self, signal: LazySignal, facts: Facts) -> tuple[LazySignal, Sequence[Section]]:
        """Return what is to be encoded of a signal, and what a stream holds beside its indices."""

    @abstractmethod
    def with_gaps(
        self, signal: LazySignal, missing: Collection[int], notes: Sequence[Note]
    ) -> LazySignal:
        """Return a restored signal whose segments of these numbers are missing, with its notes."""

    def part(self, signal: LazySignal, start_s: float, duration_s: float | None) -> LazySignal:  # noqa: ARG002
        """Return the part of a restored signal that begins at start_s.

        Raises:
            UsageError: there is no such part, or the signal has no duration.
        """
        raise UsageError("a picture has no start and no duration")

    def speaker_features(self, speaker: LazySignal) -> Array:  # noqa: ARG002
        """Return [1, C, F], what a network that tells speakers takes of a recording.

        Raises:
            UsageError: the model takes no speaker, or the recording is too short.
        """
        raise UsageError("this model has one way to speak: it takes no speaker")
