"""What is digitally silent stays so, and what is quiet is coded louder than the decoder's noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.quiet import MAX_GAIN, Passage, Passages, Stretches
from vqcodec.signals.sound import Sound, Waveform, checked_blocks

_SHORTEST_S = 0.05  # silence that is worth its bytes
_RAMP_S = 0.002  # from silence to the decoded sound
_QUIET, _WANTED = 1 / 16, 1 / 2  # peaks: of a sound that is coded louder, and how loud
_NOISE = 2.0**-14  # a peak of two steps of 16 bits: no voice
_QUIET_PASSAGES = (2.0**-13, 2.0**-11, 2.0**-9, 2.0**-7)  # peaks; the last is at -42 dB
_LEAST_GAIN = 6  # of such a passage, relative to the rest of the sound
_LONGEST_PAUSE_S = 2.0  # a shorter quiet stretch is a pause, and would cost more bits than it gains
_WINDOW_S = 0.01  # in which a peak is found
_GAIN_RAMP_S = 0.05  # inside of a passage, at both ends

Mix = Callable[[Waveform], Waveform]  # channels to coded channels


@dataclass(frozen=True, slots=True)
class Quietness:
    """What one pass over a sound shows.

    Attributes:
        silences: of each coded channel, the stretches of digital silence.
        gain: the power of two by which to multiply before coding; 0 changes nothing.
        passages: that are much quieter than the rest, with their own gains beside `gain`.
    """

    silences: tuple[Stretches, ...]
    gain: int
    passages: Passages = field(default_factory=Passages)


def find_quietness(sound: Sound, num_planes: int, mix: Mix) -> Quietness:
    """Return where a sound is silent and how quiet it is; reads it once."""
    shortest = max(1, round(_SHORTEST_S * sound.sample_rate))
    ramp = round(_RAMP_S * sound.sample_rate)
    finders = [_SilenceFinder(shortest, ramp) for _ in range(num_planes)]
    passages, peak = _PassageFinder(sound.sample_rate), 0.0
    for block in checked_blocks(sound):
        mixed = mix(block)
        levels = np.abs(mixed).max(axis=0, initial=0)
        peak = max(peak, float(levels.max(initial=0)))
        passages.add(levels)
        for finder, samples in zip(finders, mixed, strict=True):
            finder.add(samples)
    quiet = _NOISE <= peak < _QUIET and sound.num_samples >= shortest
    gain = _gain_of(peak) if quiet else 0
    silences = tuple(finder.finish() for finder in finders)
    return Quietness(silences, gain, passages.finish(gain))


def _gain_of(peak: float) -> int:
    """Return the power of two that makes a peak about `_WANTED`; 0 if there is only noise."""
    return min(MAX_GAIN, math.floor(math.log2(_WANTED / peak))) if peak >= _NOISE else 0


class _QuietRuns:
    """Collects the long runs of windows whose peaks are below a threshold."""

    def __init__(self, threshold: float, shortest: int) -> None:
        self._threshold, self._shortest = threshold, shortest
        self._start, self._peak = 0, 0.0  # of the run before the next window
        self.found: list[tuple[range, float]] = []  # with their peaks

    def add(self, start: int, stop: int, peak: float) -> None:
        """Take the next window."""
        if peak >= self._threshold:
            self.end(start)
            self._start = stop
        else:
            self._peak = max(self._peak, peak)

    def end(self, stop: int) -> None:
        """End a run."""
        if stop - self._start >= self._shortest:
            self.found.append((range(self._start, stop), self._peak))
        self._peak = 0.0


class _PassageFinder:
    """Collects long quiet passages, block by block; quieter ones within others are separate."""

    def __init__(self, sample_rate: int) -> None:
        self._window = max(1, round(_WINDOW_S * sample_rate))
        self._shortest = round(_LONGEST_PAUSE_S * sample_rate)
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)  # of a window
        self._position = 0  # of the next window
        self._levels = [_QuietRuns(limit, self._shortest) for limit in _QUIET_PASSAGES]

    def add(self, levels: NDArray[np.float32]) -> None:
        """Take the largest absolute value of all channels of the next samples [n]."""
        levels = np.concatenate([self._rest, levels])
        whole = len(levels) - len(levels) % self._window
        for peak in levels[:whole].reshape(-1, self._window).max(axis=1):
            self._add_window(float(peak), self._window)
        self._rest = levels[whole:]

    def _add_window(self, peak: float, size: int) -> None:
        for runs in self._levels:
            runs.add(self._position, self._position + size, peak)
        self._position += size

    def finish(self, gain: int) -> Passages:
        """Return all passages, for a sound that is coded 2^gain times as loud."""
        if len(self._rest):
            self._add_window(float(self._rest.max()), len(self._rest))
        passages: list[Passage] = []
        for runs in self._levels:  # the quietest first
            runs.end(self._position)
            quieter = Passages(passages)
            for run, peak in runs.found:
                own = _gain_of(peak) - gain
                for piece in _without(run, quieter.within(run.start, run.stop)):
                    if own >= _LEAST_GAIN and len(piece) >= self._shortest:
                        passages.append(Passage(piece.start, piece.stop, own))
            passages.sort(key=lambda passage: passage.start)
        return Passages(passages)


def _without(run: range, passages: Iterable[Passage]) -> list[range]:
    """Return what is left of a run beside passages within it, which are in order."""
    pieces, start = [], run.start
    for passage in passages:
        pieces.append(range(start, passage.start))
        start = passage.stop
    return [*pieces, range(start, run.stop)]


class _SilenceFinder:
    """Collects the stretches of zeros, block by block.

    The decoder's ramps lie in the zeros, so the first and the last samples of a sound are as loud
    as they were.
    """

    def __init__(self, shortest: int, ramp: int) -> None:
        self._shortest, self._ramp = shortest, ramp
        self._position, self._start = 0, 0  # of the next sample; of the zeros before it
        self._found = Stretches()

    def add(self, samples: Waveform) -> None:
        """Take the next samples [n]."""
        sounding = self._position + np.flatnonzero(samples)
        if len(sounding):
            starts = np.concatenate([[self._start], sounding[:-1] + 1])
            for index in np.flatnonzero(sounding - starts >= self._shortest):
                start = int(starts[index])
                self._found.append(start and start + self._ramp, int(sounding[index]) - self._ramp)
            self._start = int(sounding[-1]) + 1
        self._position += len(samples)

    def finish(self) -> Stretches:
        """Return all stretches."""
        if self._position - self._start >= self._shortest:
            start = self._start and self._start + self._ramp
            self._found.append(start, self._position)
        return self._found


@dataclass(frozen=True, eq=False, slots=True)
class AmplifiedSound:
    """A `Sound` that is 2^gain times as loud as another, and passages of it even louder."""

    sound: Sound
    gain: int
    passages: Passages = field(default_factory=Passages)

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.sound.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels."""
        return self.sound.num_channels

    @property
    def num_samples(self) -> int:
        """Samples of each channel."""
        return self.sound.num_samples

    def blocks(self) -> Iterator[Waveform]:
        """Yield all samples in order."""
        factor, position = np.float32(2**self.gain), 0
        for block in self.sound.blocks():
            amplified = amplify(block * factor, position, self.passages, self.sample_rate, 1)
            position += block.shape[1]
            yield amplified


def amplify(
    block: Waveform, first: int, passages: Passages, sample_rate: int, sign: int
) -> Waveform:
    """Return samples [P, n] with passages 2^gain times as loud, or as quiet if `sign` is -1.

    Args:
        block: of coded channels.
        first: the number of its first sample in the sound.
        passages: the gain grows and falls inside, over 50 ms at both ends.
        sample_rate: in Hz.
        sign: 1 before coding, -1 after decoding.
    """
    ramp = round(_GAIN_RAMP_S * sample_rate)
    stop, result = first + block.shape[1], block
    for passage in passages.within(first, stop):
        begin, end = max(first, passage.start), min(stop, passage.stop)
        if result is block:
            result = block.copy()
        samples = np.arange(begin, end)
        distance = np.minimum(samples - passage.start + 1, passage.stop - samples)
        share = np.minimum(1, distance / (ramp + 1))
        factors = np.exp2(sign * passage.gain * share).astype(np.float32)
        result[:, begin - first : end - first] *= factors
    return result


def apply_silences(
    block: Waveform, first: int, silences: Sequence[Stretches], sample_rate: int
) -> Waveform:
    """Return decoded samples [P, n] that are 0 in silent stretches, with ramps around these.

    Args:
        block: of coded channels.
        first: the number of its first sample in the sound.
        silences: of each coded channel.
        sample_rate: in Hz.
    """
    ramp = round(_RAMP_S * sample_rate)
    stop = first + block.shape[1]
    result = block
    for plane, stretches in enumerate(silences):
        for stretch in stretches.within(first - ramp, stop + ramp):
            begin, end = max(first, stretch.start - ramp), min(stop, stretch.stop + ramp)
            if result is block:
                result = block.copy()
            samples = np.arange(begin, end)
            distance = np.maximum(stretch.start - samples, samples - stretch.stop + 1).clip(0)
            factors = (distance / (ramp + 1)).astype(np.float32)
            result[plane, begin - first : end - first] *= factors
    return result
