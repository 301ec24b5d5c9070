"""Change of a voice to another one: its pitch and its long-term average spectrum."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vqcodec.signals.sound import Waveform
from vqcodec.signals.speech_measures import median_pitch

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

WINDOW_S = 0.032  # of a frame of the transform
OVERLAP = 4  # frames that cover a sample
PADDING = 2  # of a frame before its transform
LIFTER_S = 1 / 500  # the cepstrum up to here is the envelope, without harmonics of a voice
LEAST_LEVEL = 1e-5  # of a spectral line; smaller ones are noise
LEAST_POWER = 1e-9  # of a bin, relative to the sum of all
PAUSE = 0.05  # of the mean power; quieter frames do not count in a long-term spectrum
MOST_GAIN = 3.0  # nepers, up or down
LARGEST_FACTOR = 2.0  # of the pitch, up or down


@dataclass(frozen=True, eq=False, slots=True)
class Voice:
    """What is known of a voice from some seconds of it.

    Attributes:
        spectrum: [bins], log of the mean power of frames that are no pauses; the powers add up
            to 1.
        pitch_hz: the median; None if nothing is voiced.
    """

    spectrum: Floats
    pitch_hz: float | None

    @classmethod
    def of(cls, waveform: Waveform, sample_rate: int) -> Voice:
        """Return the voice in a waveform [C, T]."""
        size = window_size(sample_rate)
        power = np.zeros((0, size // 2 + 1))
        for channel in waveform.astype(np.float64):
            padded = np.pad(channel, (0, max(0, size - len(channel))))
            frames = sliding_window_view(padded, size)[:: size // OVERLAP] * np.hanning(size)
            power = np.concatenate([power, np.square(np.abs(np.fft.rfft(frames)))])
        totals = power.sum(axis=1)
        mean = power[totals >= PAUSE * totals.mean()].mean(axis=0)
        spectrum = np.log(mean / (mean.sum() or 1) + LEAST_POWER)
        return cls(spectrum, median_pitch(waveform, sample_rate))


@dataclass(frozen=True, eq=False, slots=True)
class VoiceChange:
    """A change of pitch and spectrum, in frames of the short-time Fourier transform.

    Spectral peaks are moved in frequency, each with the bins around it and a phase that advances
    with the change of frequency (Laroche and Dolson 1999, "New phase-vocoder techniques for
    pitch-shifting, harmonizing and other exotic effects"). Spectral envelopes stay in place, so
    formants do.

    Attributes:
        factor: of all frequencies of peaks.
        gains: [bins], of every frame.
        size: samples of a frame.
    """

    factor: float
    gains: Floats
    size: int

    @property
    def step(self) -> int:
        """Samples from one frame to the next."""
        return self.size // OVERLAP

    @classmethod
    def between(cls, source: Waveform, target: Voice, sample_rate: int) -> VoiceChange:
        """Return the change of a waveform [C, T] to the pitch and the spectrum of a voice.

        The power of the waveform stays the same.
        """
        size = window_size(sample_rate)
        pitch_hz = median_pitch(source, sample_rate)
        factor = 1.0
        if pitch_hz and target.pitch_hz:
            factor = float(np.clip(target.pitch_hz / pitch_hz, 1 / LARGEST_FACTOR, LARGEST_FACTOR))
        bins = PADDING * size // 2 + 1
        moved = cls(factor, np.ones(bins), size)
        parts = list(moved.apply(iter([source])))
        spectrum = Voice.of(np.concatenate(parts, axis=1), sample_rate).spectrum
        gains = np.exp(np.clip((target.spectrum - spectrum) / 2, -MOST_GAIN, MOST_GAIN))
        power = np.exp(spectrum)
        gains *= np.sqrt(power.sum() / (power * np.square(gains)).sum())
        places = np.arange(bins) / PADDING
        return cls(factor, np.interp(places, np.arange(len(gains)), gains), size)

    def apply(self, blocks: Iterator[Waveform]) -> Iterator[Waveform]:
        """Yield all samples of blocks [C, n] in order, changed; the blocks are other ones."""
        size, step = self.size, self.step
        window = np.sqrt(np.hanning(size + 1)[:-1])
        first = next(blocks, None)
        if first is None:
            return
        phases = np.zeros((len(first), len(self.gains)))
        held = np.zeros((len(first), size))  # silence before the first sample, and samples so far
        added = np.zeros((len(first), size))  # frames that are not complete yet
        left, skipped = 0, size
        end = np.zeros((len(first), 2 * size), np.float32)
        for block in itertools.chain([first], blocks, [end]):
            left += block.shape[1] if block is not end else 0
            held = np.concatenate([held, block], axis=1)
            count = (held.shape[1] - size) // step + 1
            if count < 1:
                continue
            frames = sliding_window_view(held, size, axis=1)[:, ::step][:, :count] * window
            held = held[:, count * step :]
            ready = np.zeros((len(first), count * step + size))
            ready[:, :size] = added
            for channel, own in enumerate(frames):
                pieces = self._changed(own, phases[channel]) * window
                for number, piece in enumerate(pieces):
                    ready[channel, number * step : number * step + size] += piece
            added, ready = ready[:, count * step :], ready[:, : count * step]
            passed = min(skipped, ready.shape[1])
            skipped -= passed
            found = ready[:, passed:][:, :left] / (OVERLAP / 2)
            left -= found.shape[1]
            if found.shape[1]:
                yield found.astype(np.float32)

    def _changed(self, frames: Floats, phases: Floats) -> Floats:
        """Return changed frames [F, size]; `phases` [bins] of the last one are kept up to date."""
        half = self.size // 2
        padded = np.pad(frames, ((0, 0), (0, (PADDING - 1) * self.size)))
        # With its centre at 0, a peak has the same phase in all its bins.
        spectra = np.fft.rfft(np.roll(padded, -half, axis=1))
        if self.factor != 1:
            envelopes = self._envelopes(np.abs(spectra))
            spectra = self._moved(spectra / envelopes, phases) * envelopes
        changed = np.fft.irfft(spectra * self.gains)
        result: Floats = np.roll(changed, half, axis=1)[:, : self.size]
        return result

    def _envelopes(self, levels: Floats) -> Floats:
        """Return smooth envelopes [F, bins] of levels."""
        cepstra = np.fft.irfft(np.log(levels + LEAST_LEVEL))
        kept = round(LIFTER_S / WINDOW_S * self.size)
        cepstra[:, kept + 1 : cepstra.shape[1] - kept] = 0
        envelopes: Floats = np.exp(np.fft.rfft(cepstra).real)
        return envelopes

    def _moved(self, spectra: Complex, phases: Floats) -> Complex:
        """Return flat spectra [F, bins] with all peaks moved; updates phases [bins]."""
        levels = np.abs(spectra)
        num_bins, bins = levels.shape[1], np.arange(levels.shape[1])
        is_peak = _peaks(levels)
        logs = np.log(levels + LEAST_POWER)
        advance = np.pi * (self.factor - 1) * self.step / (num_bins - 1)
        moved = np.zeros_like(spectra)
        for frame, spectrum, log, peak in zip(moved, spectra, logs, is_peak, strict=True):
            peaks = np.flatnonzero(peak)
            if not len(peaks):
                continue
            before, at, after = (log[peaks + shift] for shift in (-1, 0, 1))
            bend = np.minimum(before - 2 * at + after, -LEAST_POWER)
            places = peaks + np.clip((before - after) / (2 * bend), -0.5, 0.5)
            region = np.searchsorted((peaks[1:] + peaks[:-1]) / 2, bins)  # of each bin
            turned = phases[peaks] + advance * places
            goals = bins + np.rint(places * (self.factor - 1)).astype(np.int64)[region]
            inside = (goals >= 0) & (goals < num_bins)
            values = (spectrum * np.exp(1j * turned)[region])[inside]
            frame.real = np.bincount(goals[inside], values.real, num_bins)
            frame.imag = np.bincount(goals[inside], values.imag, num_bins)
            phases[:] = turned[region] % (2 * np.pi)
        return moved


def window_size(sample_rate: int) -> int:
    """Return the samples of a frame, a multiple of `OVERLAP`."""
    return OVERLAP * round(WINDOW_S * sample_rate / OVERLAP)


def _peaks(levels: Floats) -> NDArray[np.bool_]:
    """Return which levels [F, bins] are the largest within half a main lobe on both sides."""
    inner = levels[:, PADDING:-PADDING]
    found = np.zeros(levels.shape, np.bool_)
    largest = np.ones(inner.shape, np.bool_)
    for shift in range(1, PADDING + 1):
        largest &= inner >= levels[:, PADDING - shift : levels.shape[1] - PADDING - shift]
        end = levels.shape[1] - PADDING + shift
        largest &= inner > levels[:, PADDING + shift : end]
    found[:, PADDING:-PADDING] = largest
    return found
