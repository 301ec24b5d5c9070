"""What is digitally silent stays so, and a quiet sound is coded louder than the decoder's noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vqcodec.bitstream.quiet import Stretches
from vqcodec.signals.sound import Sound, Waveform

_SHORTEST_S = 0.05  # silence that is worth its bytes
_RAMP_S = 0.002  # from silence to the decoded sound
_QUIET, _WANTED = 1 / 16, 1 / 2  # peaks: of a sound that is coded louder, and how loud
_NOISE = 2.0**-14  # a peak of two steps of 16 bits: no voice

Mix = Callable[[Waveform], Waveform]  # channels to coded channels


@dataclass(frozen=True, slots=True)
class Quietness:
    """What one pass over a sound shows.

    Attributes:
        silences: of each coded channel, the stretches of digital silence.
        gain: the power of two by which to multiply before coding; 0 changes nothing.
    """

    silences: tuple[Stretches, ...]
    gain: int


def find_quietness(sound: Sound, num_planes: int, mix: Mix) -> Quietness:
    """Return where a sound is silent and how quiet it is; reads it once."""
    shortest = max(1, round(_SHORTEST_S * sound.sample_rate))
    finders = [_SilenceFinder(shortest) for _ in range(num_planes)]
    peak = 0.0
    for block in sound.blocks():
        mixed = mix(block)
        peak = max(peak, float(np.abs(mixed).max(initial=0)))
        for finder, samples in zip(finders, mixed, strict=True):
            finder.add(samples)
    quiet = _NOISE <= peak < _QUIET and sound.num_samples >= shortest
    gain = math.floor(math.log2(_WANTED / peak)) if quiet else 0
    return Quietness(tuple(finder.finish() for finder in finders), gain)


class _SilenceFinder:
    """Collects the stretches of zeros, block by block."""

    def __init__(self, shortest: int) -> None:
        self._shortest = shortest
        self._position, self._start = 0, 0  # of the next sample; of the zeros before it
        self._found: list[range] = []

    def add(self, samples: Waveform) -> None:
        """Take the next samples [n]."""
        sounding = self._position + np.flatnonzero(samples)
        if len(sounding):
            starts = np.concatenate([[self._start], sounding[:-1] + 1])
            for index in np.flatnonzero(sounding - starts >= self._shortest):
                self._found.append(range(int(starts[index]), int(sounding[index])))
            self._start = int(sounding[-1]) + 1
        self._position += len(samples)

    def finish(self) -> Stretches:
        """Return all stretches."""
        if self._position - self._start >= self._shortest:
            self._found.append(range(self._start, self._position))
        return tuple(self._found)


@dataclass(frozen=True, eq=False, slots=True)
class AmplifiedSound:
    """A `Sound` that is 2^gain times as loud as another."""

    sound: Sound
    gain: int

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
        factor = np.float32(2**self.gain)
        for block in self.sound.blocks():
            yield block * factor


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
        for stretch in stretches:
            begin, end = max(first, stretch.start - ramp), min(stop, stretch.stop + ramp)
            if begin >= end:
                continue
            if result is block:
                result = block.copy()
            samples = np.arange(begin, end)
            distance = np.maximum(stretch.start - samples, samples - stretch.stop + 1).clip(0)
            factors = (distance / (ramp + 1)).astype(np.float32)
            result[plane, begin - first : end - first] *= factors
    return result
