"""Sounds: in memory, or read from their start on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vqcodec.bitstream.tags import Tags
from vqcodec.errors import UsageError
from vqcodec.notes import Note

Waveform = NDArray[np.float32]  # [C, T] in -1 … 1
BLOCK = 1 << 16  # samples
ROUNDING = 1e-4  # samples may lie beyond -1 … 1 by this much


@runtime_checkable
class Sound(Protocol):
    """The facts of a sound, and its samples in order: it need not be in memory.

    It is read several times, so `blocks` returns a new iterator each time.
    """

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def num_channels(self) -> int:
        """Channels."""

    @property
    def num_samples(self) -> int:
        """Samples of each channel."""

    def blocks(self) -> Iterator[Waveform]:
        """Yield all samples from the first on, as float32 parts [C, n] of any length, -1 … 1."""


@dataclass(frozen=True, eq=False, slots=True)
class AudioClip:
    """Samples in memory, and their rate.

    Attributes:
        waveform: [C, T] in -1 … 1; T may be 0.
        sample_rate: in Hz.
        notes: on parts that its reader left out or changed.
        tags: names in upper case and values, as ("TITLE", "Song"), if its reader kept them.
    """

    waveform: Waveform
    sample_rate: int
    notes: tuple[Note, ...] = ()
    tags: Tags = ()

    def __post_init__(self) -> None:
        """Raise a UsageError if a type or shape is wrong; samples are checked when read."""
        if not isinstance(self.waveform, np.ndarray):
            raise UsageError(f"waveform: {type(self.waveform).__qualname__}, needed an array")
        shape, kind = self.waveform.shape, self.waveform.dtype
        if len(shape) != 2 or not shape[0] or kind != np.float32:
            raise UsageError(
                f"waveform: {kind} of shape {shape}, needed float32 of [C, T]; "
                "vqcodec.compress takes arrays of other types, with sample_rate"
            )
        if not isinstance(self.sample_rate, int | np.integer) or self.sample_rate < 1:
            raise UsageError(f"sample_rate: {self.sample_rate!r} is not a whole number of Hz")

    @property
    def num_channels(self) -> int:
        """Channels."""
        return int(self.waveform.shape[0])

    @property
    def num_samples(self) -> int:
        """Samples of each channel."""
        return int(self.waveform.shape[1])

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.num_samples / self.sample_rate

    def blocks(self) -> Iterator[Waveform]:
        """Yield all samples in order."""
        return blocks_of(self.waveform)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the samples [C, T], for `numpy.asarray(clip)`."""
        return np.array(self.waveform, dtype, copy=copy)

    @classmethod
    def of_sound(cls, sound: Sound) -> AudioClip:
        """Return a sound with all its samples in memory.

        Raises:
            MemoryError: they do not fit.
        """
        waveform = np.empty((sound.num_channels, sound.num_samples), np.float32)
        start = 0
        for block in sound.blocks():
            waveform[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        assert start == sound.num_samples, "blocks of another length than the sound"
        notes = tuple(getattr(sound, "notes", ()))
        return cls(waveform, sound.sample_rate, notes, tags_of(sound))


def tags_of(sound: Sound) -> Tags:
    """Return the tags of a sound; none if it cannot have any."""
    return tuple(getattr(sound, "tags", ()))


def blocks_of(waveform: Waveform) -> Iterator[Waveform]:
    """Yield the parts of a waveform [C, T] in order."""
    for start in range(0, waveform.shape[1], BLOCK):
        yield waveform[:, start : start + BLOCK]


def checked_blocks(sound: Sound) -> Iterator[Waveform]:
    """Yield the blocks of a sound that anybody may have made.

    Raises:
        UsageError: a block has another type or shape or samples that are not numbers, or all of
            them together are shorter than the sound.
    """
    num_samples = 0
    for block in sound.blocks():
        if not isinstance(block, np.ndarray):
            raise UsageError(f"a sound with a block of {type(block).__name__}, needed an array")
        if block.dtype != np.float32 or block.ndim != 2 or len(block) != sound.num_channels:
            raise UsageError(
                f"a sound of {sound.num_channels} channels with a block of {block.dtype} of shape "
                f"{block.shape}, needed float32 of [C, n]"
            )
        if not np.isfinite(block).all():
            raise UsageError("a sound has samples that are not finite numbers")
        num_samples += block.shape[1]
        yield block
    if num_samples < sound.num_samples:
        raise UsageError(
            f"a sound of {sound.num_samples} samples with blocks of {num_samples}; it is read "
            "several times, so blocks() has to return a new iterator each time"
        )


Reader = Callable[[int, int], Waveform]  # (start, stop) -> samples [C, stop - start]


class ForwardReader:
    """A `Reader` of blocks that come in order, with silence before the first and after the last.

    It keeps only samples that can still be read: no read may start before the previous one.
    """

    def __init__(self, blocks: Iterator[Waveform], num_channels: int, start: int = 0) -> None:
        """Take blocks [C, n]; the number of their first sample is `start`."""
        self._blocks = blocks
        self._held = np.zeros((num_channels, 0), np.float32)
        self._start = start  # of the samples that are kept

    def __call__(self, start: int, stop: int) -> Waveform:
        """Return samples start … stop; both may lie outside the blocks."""
        parts, end = [self._held], self._start + self._held.shape[1]
        while end < stop and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            end += block.shape[1]
        held = np.concatenate(parts, axis=1) if len(parts) > 1 else self._held
        passed = min(max(0, start - self._start), held.shape[1])
        self._held, self._start = held[:, passed:], self._start + passed
        found = self._held[:, : max(0, stop - self._start)]
        before = min(max(0, self._start - start), stop - start)
        return np.pad(found, ((0, 0), (before, stop - start - before - found.shape[1])))
