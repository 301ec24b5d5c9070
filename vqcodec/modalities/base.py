"""The interface of modalities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.bitstream.sections import Section
from vqcodec.bitstream.stream import Stream
from vqcodec.config import build_config
from vqcodec.errors import UsageError
from vqcodec.layout import Geometry, Place, num_pieces, piece_at
from vqcodec.notes import Note
from vqcodec.registry import Registry, imported
from vqcodec.signals.files import LazySignal
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import Sound

if TYPE_CHECKING:  # pictures start without it
    from vqcodec.signals.voice_change import Voice

Facts = AudioFacts | ImageFacts
Array = NDArray[np.float32]
# Takes a place of the grid; yields places in the signal and the decoded planes [P, C, ...] there.
Decode = Callable[[Place], Iterator[tuple[Place, Array]]]


@dataclass(frozen=True, eq=False, slots=True)
class Speaker:
    """A speaker, from a recording.

    Attributes:
        features: [1, C, F], the input of the speaker encoder.
        voice: pitch and long-term spectrum, at the model's sample rate.
    """

    features: Array
    voice: Voice


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The name of the model that codes a signal unless the user names one, and the reason."""

    name: str
    note: Note | None = None  # None if there is nothing to say


class NetworkConfig(Protocol):
    """The [network] table of a recipe."""

    @property
    def dim(self) -> int:
        """D, the channels of the latents."""

    def geometry(self) -> Geometry:
        """Return the relation between signals and the grid of these networks."""


Config = TypeVar("Config", bound=NetworkConfig)


class Modality(ABC, Generic[Config]):
    """Converts signals to planes for one pair of networks, and back; immutable."""

    name: ClassVar[str]  # the name in recipes and model files
    wire_id: ClassVar[HeaderModality]  # the number in streams
    num_axes: ClassVar[int]  # of the grid of indices: 1 for sounds, 2 for pictures
    default_model: ClassVar[str]  # its name
    gaps_are: ClassVar[str]  # what `with_gaps` makes of missing segments, for people
    networks: ClassVar[Registry]  # a table without "kind" means the default

    def __init__(self, config: Config) -> None:
        self.config = config
        self.geometry = config.geometry()

    def with_window(self, window: int) -> Self:
        """Return the same modality, whose networks run on windows of so many positions."""
        other = copy(self)
        other.geometry = replace(self.geometry, window=window)
        return other

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Self:
        """Return the modality for the [network] table of a recipe or a model file.

        Raises:
            ConfigError: the kind, a key or a value is wrong.
        """
        kind, rest = cls.networks.split(table)
        return cls(build_config(imported(kind.config), rest, "network"))

    @classmethod
    def choose_model(cls, signal: LazySignal, is_installed: Callable[[str], bool]) -> ModelChoice:  # noqa: ARG003
        """Return the model for a signal; whether a model is installed is told by its name.

        Raises:
            InputError: the signal's file is damaged.
        """
        return ModelChoice(cls.default_model)

    @property
    @abstractmethod
    def position_size(self) -> float:
        """The distance between grid positions, in pixels or in seconds."""

    @property
    @abstractmethod
    def num_plane_channels(self) -> int:
        """C, the channels of a plane: 3 for pictures, 1 or 2 for sounds."""

    @abstractmethod
    def facts(self, signal: LazySignal, *, separate_channels: bool) -> Facts:
        """Return the facts of a signal, as a header holds them.

        Raises:
            UsageError: the signal is not of this modality.
            InputError: the signal is larger than the format allows.
        """

    def facts_of_one_plane(self, signal: LazySignal) -> Facts:
        """Return the facts of a signal in one plane; channels of several are mixed down.

        Raises:
            UsageError: the signal has another modality.
            InputError: the signal is larger than the format allows.
        """
        return self.facts(signal, separate_channels=False)

    @abstractmethod
    def measured(self, signal: LazySignal, *, separate_channels: bool) -> LazySignal:
        """Return a signal whose `notes` tell what a stream leaves out, once it has been read.

        Raises:
            UsageError: the signal has another modality.
        """

    @abstractmethod
    def measured_in_one_plane(self, signal: LazySignal) -> LazySignal:
        """Return a signal whose `notes` tell what one plane leaves out, once it has been read.

        Raises:
            UsageError: the signal has another modality.
        """

    @abstractmethod
    def num_planes(self, facts: Facts) -> int:
        """Return P, the number of planes: 1 for a picture, one or more for a sound.

        A plane of a sound has one coded channel, or two for models that code pairs of channels.
        """

    @abstractmethod
    def grid(self, facts: Facts) -> tuple[int, ...]:
        """Return the size of a plane's grid: (rows, columns), or (frames,)."""

    def num_segments(self, facts: Facts) -> int:
        """Return the number of segments of all planes; 0 for a sound without samples."""
        return self.num_planes(facts) * num_pieces(self.grid(facts), self.geometry.segment)

    def name_of_segment(self, facts: Facts, number: int) -> str:
        """Return where a segment lies in the signal, for people."""
        grid, size = self.grid(facts), self.geometry.segment
        plane, piece = divmod(number, num_pieces(grid, size))
        return self.name_of_place(facts, plane, piece_at(grid, size, piece))

    @abstractmethod
    def name_of_place(self, facts: Facts, plane: int, place: Place) -> str:
        """Return where a place of a plane's grid lies in the signal, for people."""

    @abstractmethod
    def name_of_plane(self, facts: Facts, plane: int) -> str:
        """Return which channels of the signal a plane has, for people."""

    @abstractmethod
    def facts_of_size(self, size: tuple[int, ...]) -> Facts:
        """Return the facts of a colour picture (height, width) or a mono sound (samples,).

        The sound has the model's sample rate.
        """

    @abstractmethod
    def facts_to_sample(self, *, duration_s: float, width: int, height: int) -> Facts:
        """Return the facts of a signal to sample, from a sound's duration or a picture's size."""

    @abstractmethod
    def reader(self, signal: LazySignal, facts: Facts) -> Callable[[Place], Array]:
        """Return a function that returns the encoder's input [P, C, ...] at a place.

        Places are in samples or pixels and come row by row. They may extend beyond the signal, to
        the end of the grid.
        """

    @abstractmethod
    def restore(self, decode: Decode, facts: Facts, side: Stream | None = None) -> LazySignal:
        """Return the decoded signal, trimmed and converted according to its facts.

        Args:
            decode: see `Decode`.
            facts: of the signal.
            side: the stream, for its side sections (see `prepare`); None has none.

        Raises:
            CorruptStreamError: a side section is damaged.
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
        """Return a part of a restored sound; a duration of None means up to the end.

        Raises:
            UsageError: the part is empty or out of range, or the signal is a picture.
        """
        raise UsageError("a start and a duration are for sounds, but this stream is a picture")

    def speaker_of(self, recording: LazySignal) -> Speaker:  # noqa: ARG002
        """Return what a decoder takes of a recording; it is read once.

        Raises:
            UsageError: the model takes no speaker, or the recording is too short or not a sound.
        """
        raise UsageError(
            "speaker: the model of this stream cannot change the voice; "
            "speech-voices and paper-audio can"
        )

    def with_voice(
        self,
        signal: LazySignal,
        voice: Voice,  # noqa: ARG002
        spoken: Decode,  # noqa: ARG002
        plain: Decode,  # noqa: ARG002
    ) -> LazySignal:
        """Return a decoded signal whose voice is changed further to that of a speaker.

        Args:
            signal: decoded with the embedding of the speaker.
            voice: of the speaker.
            spoken: decodes parts of the same, to find the change; reports no progress.
            plain: decodes parts without a speaker.
        """
        return signal


def unfit_signal(signal: object, wanted: str) -> UsageError:
    """Return the error for what is no signal of a modality, which is for `wanted` ones."""
    if not isinstance(signal, Picture | Sound):
        return UsageError(
            f"signal: {type(signal).__qualname__}, needed a Picture or an AudioClip, which "
            "vqcodec.read returns"
        )
    kind = "a picture" if isinstance(signal, Picture) else "a sound"
    return UsageError(f"the model is for {wanted}, but the input is {kind}")
