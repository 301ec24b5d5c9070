"""What is lost of a sound before it is coded, measured block by block: mix-down and band."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.tags import Tags
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.sound import Sound, Waveform, checked_blocks, tags_of

_CANCELS_BELOW = 0.01  # of the channels' energy: -20 dB
_MUCH_ABOVE = 0.25  # of the energy
_WINDOW = 2048  # samples of a spectrum
_EVERY = 8192  # samples from one spectrum to the next
_SILENCE = 1e-10  # mean square: -100 dBFS


class MeasuredSound:
    """A `Sound` that is measured as it is read, and says what its reader and the measure found."""

    def __init__(self, sound: Sound, *, band_hz: float | None, mixed_down: bool) -> None:
        """Take a sound, and what `SoundMeasure` takes."""
        self._sound, self._band_hz, self._mixed_down = sound, band_hz, mixed_down
        self._measure: SoundMeasure | None = None  # of the last reading

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self._sound.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels."""
        return self._sound.num_channels

    @property
    def num_samples(self) -> int:
        """Samples of each channel."""
        return self._sound.num_samples

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out or changed; complete once all blocks have been read."""
        measured = [] if self._measure is None else self._measure.notes()
        return (*getattr(self._sound, "notes", ()), *measured)

    @property
    def tags(self) -> Tags:
        """Names and values that its reader kept."""
        return tags_of(self._sound)

    def blocks(self) -> Iterator[Waveform]:
        """Yield all samples in order."""
        measure = SoundMeasure(self.sample_rate, band_hz=self._band_hz, mixed_down=self._mixed_down)
        self._measure = measure
        for block in checked_blocks(self._sound):
            measure.add(block)
            yield block


class SoundMeasure:
    """Energies of a sound whose blocks pass by; needs memory for one block."""

    def __init__(self, sample_rate: int, *, band_hz: float | None, mixed_down: bool) -> None:
        """Measure a sound.

        Args:
            sample_rate: of the blocks, in Hz.
            band_hz: the highest frequency that the model codes; None for no such note.
            mixed_down: whether the channels' mean is coded, not each channel.
        """
        self._rate, self._band_hz, self._mixed_down = sample_rate, band_hz, mixed_down
        self._num_samples, self._num_channels, self._differ = 0, 1, False
        self._channels, self._mix = 0.0, 0.0  # sums of squares
        self._spectrum = np.zeros(_WINDOW // 2 + 1)
        self._skip = 0  # samples up to the next spectrum
        self._hann: NDArray[np.float64] = np.hanning(_WINDOW)

    def add(self, block: Waveform) -> None:
        """Take the next samples [C, n]."""
        self._num_samples += block.shape[1]
        self._num_channels = len(block)
        self._differ = self._differ or bool((block != block[:1]).any())
        mix = block.mean(axis=0) if len(block) > 1 else block[0]
        self._channels += float(np.mean(np.square(block, dtype=np.float64), axis=0).sum())
        self._mix += float(np.square(mix, dtype=np.float64).sum())
        if self._band_hz is not None and self._band_hz < self._rate / 2:
            self._add_spectra(mix if self._mixed_down else block)

    def _add_spectra(self, samples: Waveform) -> None:
        at, length = self._skip, samples.shape[-1]
        while at + _WINDOW <= length:
            bins = np.fft.rfft(samples[..., at : at + _WINDOW] * self._hann)
            self._spectrum += np.square(np.abs(bins)).reshape(-1, len(self._spectrum)).sum(axis=0)
            at += _EVERY
        self._skip = max(0, at - length)

    def notes(self) -> list[Note]:
        """Return what a user should know of the samples so far."""
        notes = []
        if self._mixed_down and self._differ:
            text = f"its {self._num_channels} channels are mixed down to one"
            notes.append(Note(NoteCode.MIXED_DOWN, text))
        if self._mixed_down and self._channels > _SILENCE * max(1, self._num_samples):
            share = self._mix / self._channels
            if share < _CANCELS_BELOW:
                much = "nothing is left" if share < 1e-9 else f"{-10 * math.log10(share):.0f} dB"
                below = much if share < 1e-9 else f"what is left is {much} below them"
                text = f"its channels cancel when they are mixed down: {below}"
                notes.append(Note(NoteCode.CANCELS, text))
        share = self.share_above_band()
        if share > _MUCH_ABOVE:
            text = (
                f"{share:.0%} of its energy lies above {self._band_hz:.0f} Hz, which is not coded"
            )
            notes.append(Note(NoteCode.ABOVE_BAND, text))
        return notes

    def share_above_band(self) -> float:
        """Return which part of the energy lies above the band, 0 … 1."""
        total = float(self._spectrum.sum())
        if self._band_hz is None or not total:
            return 0.0
        first = math.ceil(self._band_hz / self._rate * _WINDOW)
        return float(self._spectrum[first:].sum()) / total
