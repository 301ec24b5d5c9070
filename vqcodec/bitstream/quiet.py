"""Sections of sounds: where they are digitally silent, and how much louder they were coded."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from typing import Generic, TypeVar

from vqcodec.bitstream.fields import FieldReader, build_varint, within_section
from vqcodec.bitstream.limits import MAX_NUM_SAMPLES
from vqcodec.errors import CorruptStreamError

MAX_GAIN = 15  # a power of two

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Passage:
    """Samples start … stop - 1 of all channels, coded 2^gain times as loud as the rest."""

    start: int
    stop: int
    gain: int


class _InOrder(Generic[T]):
    """Ranges of samples in order that do not overlap; packed, since a stream can name millions."""

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts, self._stops = array("Q"), array("Q")

    def __len__(self) -> int:
        return len(self._starts)

    @abstractmethod
    def __getitem__(self, number: int) -> T: ...

    def __iter__(self) -> Iterator[T]:
        return (self[number] for number in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"

    def within(self, start: int, stop: int) -> Iterator[T]:
        """Yield those that have samples in start … stop - 1; the others cost no time."""
        first, after = bisect_right(self._stops, start), bisect_left(self._starts, stop)
        return (self[number] for number in range(first, after))


class Stretches(_InOrder[range]):
    """Stretches of samples in order, with others between them: 16 bytes each."""

    __slots__ = ()

    def __init__(self, stretches: Iterable[range] = ()) -> None:
        """Hold `stretches`, which are in order."""
        super().__init__()
        for stretch in stretches:
            self.append(stretch.start, stretch.stop)

    def __getitem__(self, number: int) -> range:
        return range(self._starts[number], self._stops[number])

    def append(self, start: int, stop: int) -> None:
        """Add a stretch after all others."""
        self._starts.append(start)
        self._stops.append(stop)

    def united(self, ranges: Iterable[range]) -> Stretches:
        """Return these and the samples of ranges in any order, which may overlap, or be empty."""
        found, start_of = Stretches(), attrgetter("start")
        for each in merge(self, sorted(filter(len, ranges), key=start_of), key=start_of):
            if found and each.start <= found._stops[-1]:
                found._stops[-1] = max(found._stops[-1], each.stop)
            else:
                found.append(each.start, each.stop)
        return found


class Passages(_InOrder[Passage]):
    """Passages in order: 17 bytes each."""

    __slots__ = ("_gains",)

    def __init__(self, passages: Iterable[Passage] = ()) -> None:
        """Hold `passages`, which are in order."""
        super().__init__()
        self._gains = array("B")
        for passage in passages:
            self.append(passage.start, passage.stop, passage.gain)

    def __getitem__(self, number: int) -> Passage:
        return Passage(self._starts[number], self._stops[number], self._gains[number])

    def append(self, start: int, stop: int, gain: int) -> None:
        """Add a passage after all others."""
        self._starts.append(start)
        self._stops.append(stop)
        self._gains.append(gain)


def build_silence(planes: Sequence[Stretches]) -> bytes:
    """Return the body with the silent stretches of each coded channel."""
    fields = []
    for stretches in planes:
        fields.append(build_varint(len(stretches)))
        position = 0
        for stretch in stretches:
            fields += [build_varint(stretch.start - position), build_varint(len(stretch))]
            position = stretch.stop
    return b"".join(fields)


def parse_silence(body: bytes, num_planes: int, num_samples: int) -> list[Stretches]:
    """Return the silent stretches of each coded channel: `build_silence` undone.

    Raises:
        CorruptStreamError: they are not within the sound, or are not as `build_silence` writes.
    """
    reader, planes = FieldReader(body), []
    with within_section():
        for _ in range(num_planes):
            stretches = Stretches()
            position = 0
            for _ in range(reader.parse_varint("silence: stretches", MAX_NUM_SAMPLES)):
                gap = reader.parse_varint("silence: gap", MAX_NUM_SAMPLES)
                length = reader.parse_varint("silence: length", MAX_NUM_SAMPLES)
                start = position + gap
                if not length or (stretches and not gap) or start + length > num_samples:
                    raise CorruptStreamError(f"silence: {length} samples from sample {start} on")
                position = start + length
                stretches.append(start, position)
            planes.append(stretches)
    if not reader.at_end:
        raise CorruptStreamError("silence: bytes after the last stretch")
    return planes


def build_gain(gain: int) -> bytes:
    """Return the body that says that samples were multiplied by 2^gain."""
    assert 1 <= gain <= MAX_GAIN
    return bytes([gain])


def parse_gain(body: bytes) -> int:
    """Return by which power of two samples were multiplied: `build_gain` undone.

    Raises:
        CorruptStreamError: it is not one byte, or out of range.
    """
    if len(body) != 1 or not 1 <= body[0] <= MAX_GAIN:
        raise CorruptStreamError(f"gain: {body[:4].hex()}, needed one byte, 1 … {MAX_GAIN}")
    return body[0]


def build_passages(passages: Iterable[Passage]) -> bytes:
    """Return the body with quiet passages, which are in order and do not overlap."""
    fields, position = [], 0
    for passage in passages:
        fields.append(build_varint(passage.start - position))
        fields.append(build_varint(passage.stop - passage.start))
        fields.append(build_gain(passage.gain))
        position = passage.stop
    return b"".join(fields)


def parse_passages(body: bytes, num_samples: int) -> Passages:
    """Return the quiet passages: `build_passages` undone.

    Raises:
        CorruptStreamError: they are not within the sound, or a gain is out of range.
    """
    reader, passages, position = FieldReader(body), Passages(), 0
    with within_section():
        while not reader.at_end:
            start = position + reader.parse_varint("passages: gap", MAX_NUM_SAMPLES)
            length = reader.parse_varint("passages: length", MAX_NUM_SAMPLES)
            gain = parse_gain(reader.parse_bytes("passages: gain", 1))
            position = start + length
            if not length or position > num_samples:
                raise CorruptStreamError(f"passages: {length} samples from sample {start} on")
            passages.append(start, position, gain)
    return passages
