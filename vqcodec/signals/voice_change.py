"""Change of a voice to another one: its pitch and its long-term average spectrum."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vqcodec.signals.sound import BLOCK, Waveform, blocks_of
from vqcodec.signals.speech_measures import median_pitch

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

WINDOW_S = 0.032  # of a frame of the transform
OVERLAP = 4  # frames that cover a sample
PADDING = 2  # of a frame before its transform
LIFTER_S = 1 / 500  # the cepstrum up to here is the envelope, without harmonics of a voice
LEAST_LEVEL = 1e-5  # of a spectral line; smaller ones are noise
LEAST_POWER = 1e-7  # of a bin, relative to the sum of all
PAUSE = 0.05  # of the mean power; quieter frames do not count in a long-term spectrum
MOST_GAIN = 3.0  # nepers, up or down
LARGEST_FACTOR = 2.0  # of the pitch, up or down
TONAL_HZ, FADE_HZ = 4_000.0, 500.0  # harmonics are below, and move; above is mostly noise


@dataclass(frozen=True, eq=False, slots=True)
class Voice:
    """What is known of a voice from some seconds of it.

    Attributes:
        power: [bins], the mean power of frames that are no pauses.
        pitch_hz: the median; None if too little is voiced.
    """

    power: Floats
    pitch_hz: float | None

    @classmethod
    def of(cls, waveform: Waveform, sample_rate: int) -> Voice:
        """Return the voice in a waveform [C, T]."""
        return cls(long_term_power(waveform, sample_rate), median_pitch(waveform, sample_rate))


def long_term_power(waveform: Waveform, sample_rate: int) -> Floats:
    """Return the mean power [bins] of those frames of a waveform [C, T] that are no pauses."""
    size = window_size(sample_rate)
    window = np.hanning(size)
    padded = np.pad(waveform, ((0, 0), (0, max(0, size - waveform.shape[1]))))
    frames = sliding_window_view(padded, size, axis=1)[:, :: size // OVERLAP].reshape(-1, size)
    energies = np.square(frames, dtype=np.float64).mean(axis=1)
    heard = np.flatnonzero(energies >= PAUSE * energies.mean())
    total = np.zeros(size // 2 + 1)
    for start in range(0, len(heard), BLOCK // size):
        some = frames[heard[start : start + BLOCK // size]] * window
        total += np.square(np.abs(np.fft.rfft(some))).sum(axis=0)
    return total / max(1, len(heard)) / size


@dataclass(frozen=True, eq=False, slots=True)
class VoiceChange:
    """A change of pitch and spectrum, in frames of the short-time Fourier transform.

    Spectral peaks are moved in frequency, each with the bins around it and a phase that advances
    with the change of frequency (Laroche and Dolson 1999, "New phase-vocoder techniques for
    pitch-shifting, harmonizing and other exotic effects"). Spectral envelopes stay in place, so
    formants do. All channels move alike. Phases begin with the first block.

    Attributes:
        factor: of the frequencies of peaks below `TONAL_HZ`.
        gains: [bins], of every frame.
        sample_rate: in Hz.
    """

    factor: float
    gains: Floats
    sample_rate: int

    @classmethod
    def none(cls, sample_rate: int, factor: float = 1.0) -> VoiceChange:
        """Return the change of pitch alone, by default of nothing."""
        return cls(factor, np.ones(PADDING * window_size(sample_rate) // 2 + 1), sample_rate)

    @classmethod
    def between(cls, own: Voice, source: Waveform, target: Voice, sample_rate: int) -> VoiceChange:
        """Return the change to the pitch and the spectrum of a voice.

        Args:
            own: the voice that is changed, decoded without a speaker: gives pitch and power.
            source: [C, T], a waveform to change, of the same words.
            target: the voice that it gets.
            sample_rate: in Hz.
        """
        factor = 1.0
        if own.pitch_hz and target.pitch_hz:
            ratio = target.pitch_hz / own.pitch_hz
            factor = float(np.clip(ratio, 1 / LARGEST_FACTOR, LARGEST_FACTOR))
        change = cls.none(sample_rate, factor)
        if not source.any() or not target.power.any() or not own.power.any():
            return change
        moved = np.concatenate(list(change.apply(blocks_of(source))), axis=1)
        power = long_term_power(moved, sample_rate)
        distance = _logarithms(target.power) - _logarithms(power)
        gains = np.exp(np.clip(distance / 2, -MOST_GAIN, MOST_GAIN))
        gains *= np.sqrt(own.power.sum() / (power * np.square(gains)).sum())
        places = np.arange(len(change.gains)) / PADDING
        return cls(factor, np.interp(places, np.arange(len(gains)), gains), sample_rate)

    @property
    def size(self) -> int:
        """Samples of a frame."""
        return window_size(self.sample_rate)

    @property
    def step(self) -> int:
        """Samples from one frame to the next."""
        return self.size // OVERLAP

    def apply(self, blocks: Iterator[Waveform]) -> Iterator[Waveform]:
        """Yield all samples of blocks [C, n] in order, changed; the blocks are other ones."""
        size, step = self.size, self.step
        first = next(blocks, None)
        if first is None:
            return
        window = np.sqrt(np.hanning(size + 1)[:-1])
        phases = np.zeros(len(self.gains))
        held = np.zeros((len(first), size))  # silence before the first sample, and samples so far
        added = np.zeros((len(first), size))  # frames that are not complete yet
        left, skipped = 0, size
        end = np.zeros((len(first), 2 * size), np.float32)
        sound = ((piece, piece.shape[1]) for piece in _in_pieces(itertools.chain([first], blocks)))
        for block, length in itertools.chain(sound, [(end, 0)]):
            left += length
            held = np.concatenate([held, block], axis=1)
            count = (held.shape[1] - size) // step + 1
            if count < 1:
                continue
            frames = sliding_window_view(held, size, axis=1)[:, ::step][:, :count] * window
            held = held[:, count * step :]
            ready = np.zeros((len(first), count * step + size))
            ready[:, :size] = added
            pieces = self._changed(frames, phases) * window
            for number in range(count):
                ready[:, number * step : number * step + size] += pieces[:, number]
            added, ready = ready[:, count * step :], ready[:, : count * step]
            passed = min(skipped, ready.shape[1])
            skipped -= passed
            found = ready[:, passed:][:, :left] / (OVERLAP / 2)
            left -= found.shape[1]
            if found.shape[1]:
                yield found.astype(np.float32)

    def _changed(self, frames: Floats, phases: Floats) -> Floats:
        """Return changed frames [C, F, size]; updates the last `phases` [bins]."""
        half = self.size // 2
        padded = np.pad(frames, ((0, 0), (0, 0), (0, (PADDING - 1) * self.size)))
        # With its centre at 0, a peak has the same phase in all its bins.
        spectra = np.fft.rfft(np.roll(padded, -half, axis=2))
        if self.factor != 1:
            levels = np.log(np.abs(spectra) + LEAST_LEVEL)
            envelopes = np.exp(log_envelopes(levels, self.sample_rate))
            moved = self._moved(spectra / envelopes, phases) * envelopes
            hertz = np.linspace(0, self.sample_rate / 2, len(self.gains))
            highest = TONAL_HZ * min(1.0, self.factor)  # of what has moved
            share = ((highest - hertz) / FADE_HZ).clip(0, 1)
            spectra = share * moved + (1 - share) * spectra
        changed = np.fft.irfft(spectra * self.gains)
        result: Floats = np.roll(changed, half, axis=2)[:, :, : self.size]
        return result

    def _moved(self, spectra: Complex, phases: Floats) -> Complex:
        """Return flat spectra [C, F, bins] with all peaks moved; updates phases [bins]."""
        levels = np.abs(spectra).mean(axis=0)
        num_bins, bins = levels.shape[1], np.arange(levels.shape[1])
        is_peak = _peaks(levels)
        logs = np.log(levels + LEAST_POWER)
        advance = np.pi * (self.factor - 1) * self.step / (num_bins - 1)
        moved = np.zeros_like(spectra)
        for number, (log, peak) in enumerate(zip(logs, is_peak, strict=True)):
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
            turn = np.exp(1j * turned)[region]
            for channel, spectrum in enumerate(spectra[:, number]):
                values = (spectrum * turn)[inside]
                moved[channel, number].real = np.bincount(goals[inside], values.real, num_bins)
                moved[channel, number].imag = np.bincount(goals[inside], values.imag, num_bins)
            phases[:] = turned[region] % (2 * np.pi)
        return moved


def log_envelopes(levels: Floats, sample_rate: int) -> Floats:
    """Return smooth envelopes [..., bins] of logarithms of levels [..., bins], by the cepstrum."""
    cepstra = np.fft.irfft(levels)
    kept = round(LIFTER_S * sample_rate)
    cepstra[..., kept + 1 : cepstra.shape[-1] - kept] = 0
    envelopes: Floats = np.fft.rfft(cepstra).real
    return envelopes


def window_size(sample_rate: int) -> int:
    """Return the samples of a frame, a multiple of `OVERLAP`."""
    return OVERLAP * round(WINDOW_S * sample_rate / OVERLAP)


def _in_pieces(blocks: Iterator[Waveform]) -> Iterator[Waveform]:
    """Yield views of blocks, of `BLOCK` samples at most: frames take many times their memory."""
    for block in blocks:
        yield from blocks_of(block)


def _logarithms(power: Floats) -> Floats:
    """Return logarithms of the shares [bins] that bins have of the sum."""
    logarithms: Floats = np.log(power / power.sum() + LEAST_POWER)
    return logarithms


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
