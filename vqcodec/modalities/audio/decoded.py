"""A lazily decoded sound, which is never in memory as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.quiet import Passages, Stretches
from vqcodec.bitstream.tags import Tags
from vqcodec.layout import Place
from vqcodec.modalities.audio.quiet import amplify, apply_silences
from vqcodec.notes import Note
from vqcodec.signals.resampling import reach_of, resample_blocks
from vqcodec.signals.sound import Waveform
from vqcodec.signals.voice_change import VoiceChange

if TYPE_CHECKING:
    from vqcodec.modalities.audio.modality import AudioModality


VOICE_S = 30.0  # of a recording tell its voice
PIECE_S = 0.25  # of a sound counts or does not
QUIET = 10 ** (-50 / 20)  # effective value of a piece that tells nothing of a voice


@dataclass(frozen=True, eq=False, slots=True)
class DecodedSound:
    """A `Sound`, or a part of one, that is decoded when its blocks are read.

    Attributes:
        modality: of the model.
        decode: takes a place of the grid of frames; yields the decoded planes [P, 1 or 2, n], in
            order.
        facts: of the whole sound.
        samples: the part, in samples at the sound's own rate.
        gain: the power of two by which the sound was louder when it was coded.
        passages: parts of the sound that were coded louder still, each with its own gain.
        notes: what is missing of it.
        tags: names and values that its stream holds.
        silences: of each coded channel, the stretches that are digitally silent; none if empty.
        find_change: returns the change of its voice; None leaves the voice as it is.
    """

    modality: AudioModality
    decode: Callable[[Place], Iterator[tuple[Place, NDArray[np.float32]]]]
    facts: AudioFacts
    samples: range
    gain: int = 0
    passages: Passages = field(default_factory=Passages)
    silences: tuple[Stretches, ...] = ()
    notes: tuple[Note, ...] = ()
    tags: Tags = ()
    find_change: Callable[[], VoiceChange] | None = None

    @property
    def sample_rate(self) -> int:
        """The sample rate in Hz."""
        return self.facts.sample_rate

    @property
    def num_channels(self) -> int:
        """The number of channels."""
        return self.facts.num_channels

    @property
    def num_samples(self) -> int:
        """The number of samples of the part, per channel."""
        return len(self.samples)

    def part(self, samples: range) -> DecodedSound:
        """Return another part of the whole sound."""
        return replace(self, samples=samples)

    def blocks(self) -> Iterator[Waveform]:
        """Yield blocks [C, n] of the part in order; only the needed frames are decoded.

        Raises:
            CorruptStreamError: no encoder writes such a segment.
        """
        if not self.samples:
            return
        own_rate, rate = self.facts.sample_rate, self.modality.config.sample_rate
        reach, step = reach_of(rate, own_rate), self.modality.geometry.step
        change = self.find_change() if self.find_change is not None else None
        unit = 1
        if change is not None:  # its frames begin where those of the whole sound do
            reach += change.size
            unit = change.step // math.gcd(change.step, step)
        (num_frames,) = self.modality.grid(self.facts)
        first = max(0, self.samples.start * rate // own_rate - reach) // step // unit * unit
        last = -(-(-(-self.samples.stop * rate // own_rate) + reach) // step)
        frames = slice(first, min(num_frames, last))
        num_coded = sum(map(len, self.modality.channels_of_planes(self.facts)))
        decoded = self._decoded(frames)
        if change is not None:
            decoded = (block.clip(-1, 1) for block in change.apply(decoded))
        position, factor = self.samples.start, np.float32(2.0**-self.gain)
        for block in resample_blocks(
            decoded, num_coded, rate, own_rate, self.samples, first * step
        ):
            scaled = block * factor if self.gain else block
            scaled = amplify(scaled, position, self.passages, own_rate, -1)
            quiet = apply_silences(scaled, position, self.silences, own_rate)
            position += block.shape[1]
            yield np.repeat(quiet, self.num_channels // num_coded, axis=0)

    def start_of_speech(self) -> Waveform:
        """Return the first `VOICE_S` seconds [C, T] that are not quiet, at the model's sample rate.

        A sound that was coded louder is as loud as it was coded.
        """
        samples = range(self.facts.num_samples)
        whole = replace(self, samples=samples, gain=0, find_change=None)
        own_rate, rate = self.facts.sample_rate, self.modality.config.sample_rate
        wanted = range(self.modality.model_samples(self.facts))
        length, left = round(PIECE_S * rate), round(VOICE_S * rate)
        pieces = [np.zeros((self.num_channels, 0), np.float32)]
        blocks = resample_blocks(whole.blocks(), self.num_channels, own_rate, rate, wanted)
        for block in blocks:
            for start in range(0, block.shape[1], length):
                piece = block[:, start : start + length]
                if left > 0 and np.square(piece, dtype=np.float64).mean() > QUIET**2:
                    pieces.append(piece)
                    left -= piece.shape[1]
            if left <= 0:
                break
        return np.concatenate(pieces, axis=1)

    def _decoded(self, frames: slice) -> Iterator[Waveform]:
        """Yield coded channels [C, n] at the model's sample rate, without the final padding."""
        num_samples = self.modality.model_samples(self.facts)
        channels = self.modality.channels_of_planes(self.facts)
        for (place,), planes in self.decode((frames,)):
            length = max(0, min(place.stop, num_samples) - place.start)
            yield split_planes(planes[:, :, :length], channels).clip(-1, 1)


def split_planes(
    planes: NDArray[np.float32], channels: tuple[tuple[int, ...], ...]
) -> NDArray[np.float32]:
    """Return the channels [C, n] of planes [P, 1 or 2, n]; a single one is the mean of its plane.

    Args:
        planes: as decoded.
        channels: the numbers of the channels of each plane.
    """
    result = np.empty((sum(map(len, channels)), planes.shape[2]), np.float32)
    for plane, own in zip(planes, channels, strict=True):
        result[list(own)] = plane if len(own) == len(plane) else plane.mean(axis=0)
    return result
