"""Measures of an excerpt of sound that tell speech from music, singing and noises.

Each is the same for loud and quiet sounds, and is found in the band up to 8 kHz.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import Waveform

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

RATE = 16_000  # Hz
SHORTEST_S = 0.5  # of an excerpt that tells anything
_SILENCE = 1e-3  # peak of an excerpt without content
_LEAST_ENERGY = 1e-12  # of a mean, or of a frame
_UNUSED = 1e-3  # a channel with so much less energy than the loudest is not used

_FRAME, _LONG_FRAME, _HOP = 512, 1024, 256  # samples
_HOP_S = _HOP / RATE
_BANDS_HZ = np.geomspace(100, 7500, 13)
_BASS_HZ = 100
_BAND_RANGE = 1e-6  # of the loudest value: 60 dB
_SYLLABLES_HZ, _FASTER_HZ = (2.0, 9.0), 12.0  # rates of modulation
_SLOWEST_HZ = 0.4
_BEATS_S = (0.2, 2.0)  # time between beats
_CHANGE = 3, 12  # frames between two spectra, 50 and 190 ms

_LOWEST_HZ, _PITCH_HZ = 60, (65, 500)
_PITCH_RATE = 8000  # Hz; so harmonics up to 4 kHz count
_PERIODIC = 0.6  # autocorrelation of a voiced frame
_HARDLY_PERIODIC = 0.45  # the same, of speech at low rates
_VOICE_HZ = 72, 400  # beyond, most pitches that are found in speech are errors
_FEWEST_VOICED, _LEAST_VOICED = 6, 0.25  # frames, and share of active ones, of a median pitch
_OCTAVE_COST = 0.04  # of autocorrelation (Boersma 1993, Proc. IFA 17)
_JUMP = 4.0  # semitones; a larger change of pitch is an error, or another note
_SAME = 0.1  # semitones from frame to frame
_NOTE = 12  # frames, 0.2 s, a period of vibrato
_ON_NOTE = 0.4  # semitones that the mean pitch of a held note moves in that time
_LASTING = 12  # frames, 0.2 s
_ACTIVE_DB = 20.0  # below the loudest frames; what is quieter may be hum, whose pitch is steady
_PAUSE_DB = 30.0
_PEAK_DB = 30.0


def measures_of(excerpt: tuple[Waveform, int]) -> dict[str, float] | None:
    """Return the measures of an excerpt [C, n] at a sample rate; None if it tells nothing.

    `width` is the mean energy of what the channels are beside their mean, over the energy of the
    mean; the others are of the mean, or of one channel if the mean is silence. Only channels that
    are used count.
    """
    waveform, rate = excerpt
    if waveform.shape[1] < SHORTEST_S * rate:
        return None
    energies = np.square(waveform, dtype=np.float64).sum(axis=1)
    waveform = waveform[energies > _UNUSED * energies.max(initial=0)]
    if not len(waveform):
        return None
    mono = waveform.mean(axis=0, keepdims=True, dtype=np.float32)
    heard = mono if np.abs(mono).max() >= _SILENCE else waveform[:1]  # opposite phases cancel out
    if np.abs(heard - heard.mean()).max() < _SILENCE:
        return None
    samples = _normalised(heard, rate)
    found = _of_spectra(_power(samples, _FRAME))
    found |= _of_pitch(_power(samples, _LONG_FRAME, 2 * _LONG_FRAME))
    found["width"] = 0.0
    if len(waveform) > 1:
        side = np.square(waveform - mono, dtype=np.float64).mean()
        found["width"] = float(side / max(np.square(mono, dtype=np.float64).mean(), _LEAST_ENERGY))
    return found


def median_pitch(waveform: Waveform, rate: int) -> float | None:
    """Return the median pitch in Hz of a voice [C, n]; None if too little is voiced."""
    if not waveform.any():
        return None
    mono = waveform.mean(axis=0, keepdims=True, dtype=np.float32)
    power = _power(_normalised(mono, rate), _LONG_FRAME, 2 * _LONG_FRAME)
    pitches, strengths = _pitches(_tonal_part(power))
    hertz, active = _PITCH_RATE * 2 ** (pitches / 12), _active(power)
    low, high = _VOICE_HZ
    voiced = (strengths > _HARDLY_PERIODIC) & active & (low < hertz) & (hertz < high)
    if voiced.sum() < max(_FEWEST_VOICED, _LEAST_VOICED * active.sum()):
        return None
    return float(np.median(hertz[voiced]))


def _normalised(mono: Waveform, rate: int) -> Floats:
    """Return the samples [n] of a waveform [1, m] at `RATE`, with mean 0 and power 1."""
    samples = resample(mono, rate, RATE)[0]
    samples = samples - samples.mean()
    samples /= np.sqrt(np.square(samples, dtype=np.float64).mean()) or 1
    normalised: Floats = samples.astype(np.float32)
    return normalised


def _of_spectra(power: Floats) -> dict[str, float]:
    """Return the measures of loudness and timbre, from power spectra [F, bins] of short frames."""
    bins_hz = np.arange(power.shape[1]) * RATE / _FRAME
    edges = np.searchsorted(bins_hz, _BANDS_HZ)
    bands = np.stack([power[:, low:high].sum(axis=1) for low, high in pairwise(edges)], axis=1)
    total = power.sum(axis=1)
    loudest = np.quantile(total, 0.95) + 1e-9
    active = total > loudest * 10 ** (-_ACTIVE_DB / 10)
    levels = 10 * np.log10(np.maximum(bands, bands.max() * _BAND_RANGE) + 1e-9)
    found = _modulations(levels)
    loudness = np.sqrt(total)
    found["pauses"] = float((total < loudest * 10 ** (-_PAUSE_DB / 10)).mean())
    found["dips"] = float((loudness < loudness.mean() / 2).mean())
    bass = power[:, bins_hz < _BASS_HZ].sum() / power.sum()
    found["bass"] = float(10 * np.log10(bass + 1e-4))
    in_bands = np.maximum(bands.sum(axis=1), _LEAST_ENERGY)
    centroids = np.log2((bands * np.arange(bands.shape[1])).sum(axis=1) / in_bands + 1)
    found["hisses"] = float(centroids[active].std()) if active.any() else 0.0
    found["beat"] = _beat(levels)
    shape = levels - levels.mean(axis=1, keepdims=True)
    for name, lag in zip(("change", "drift"), _CHANGE, strict=True):
        both = active[lag:] & active[:-lag]
        changes = np.abs(shape[lag:] - shape[:-lag]).mean(axis=1)[both]
        found[name] = float(changes.mean()) if len(changes) else 0.0
    return found


def _modulations(levels: Floats) -> dict[str, float]:
    """Return which share of the changes of level in 12 bands is at syllable rate, and faster.

    Speech has most of it at 2 to 9 Hz (Houtgast and Steeneken 1985, doi:10.1121/1.392224).
    """
    size = 1 << max(6, (len(levels) - 1).bit_length())
    window = np.hanning(len(levels)).astype(np.float32)[:, None]
    moving = (levels - levels.mean(axis=0)) * window
    spectrum = np.square(np.abs(np.fft.rfft(moving, size, axis=0))).mean(axis=1)
    rates_hz = np.arange(len(spectrum)) / _HOP_S / size
    total = spectrum[rates_hz > _SLOWEST_HZ].sum() + 1e-9
    low, high = _SYLLABLES_HZ
    return {
        "syllables": float(spectrum[(low <= rates_hz) & (rates_hz < high)].sum() / total),
        "roughness": float(spectrum[rates_hz >= _FASTER_HZ].sum() / total),
    }


def _beat(levels: Floats) -> float:
    """Return how alike rises of loudness are after the best time between 0.2 and 2 s: 0 to 1."""
    rises = np.maximum(np.diff(levels, axis=0), 0).mean(axis=1)
    rises = rises - rises.mean()
    size = 1 << (2 * len(rises)).bit_length()
    correlation = np.fft.irfft(np.square(np.abs(np.fft.rfft(rises, size))))
    first, last = (round(time_s / _HOP_S) for time_s in _BEATS_S)
    last = min(last, len(rises) // 2)
    if last <= first or correlation[0] <= 0:
        return 0.0
    lags = np.arange(first, last)
    alike = correlation[first:last] / correlation[0] * len(rises) / (len(rises) - lags)
    return float(max(0.0, alike.max()))


def _of_pitch(power: Floats) -> dict[str, float]:
    """Return the measures of pitch and of tones, from padded power spectra of long frames."""
    low = _tonal_part(power)
    pitches, strengths = _pitches(low)
    active = _active(power)
    voiced = (strengths > _PERIODIC) & active
    changes = np.abs(np.diff(pitches))
    following = voiced[1:] & voiced[:-1] & (changes < _JUMP)
    runs = _lengths(voiced)
    found = {
        "voiced": float(voiced.sum() / max(1, active.sum())),
        "purity": float(strengths[voiced].mean()) if voiced.any() else _PERIODIC,
        "steadiness": float((changes[following] < _SAME).mean()) if following.sum() > 3 else 1.0,
        "breath": float(np.log2(runs.mean() * _HOP_S / 0.2)) if len(runs) else -4.0,
        "range": float(min(12.0, pitches[voiced].std())) if voiced.sum() > 3 else 0.0,
    }
    return found | _notes(pitches, voiced) | {"tones": _lasting_share(low, active)}


def _active(power: Floats) -> Flags:
    """Return which frames of power spectra [F, bins] are not much quieter than the loudest."""
    levels = power.sum(axis=1)
    active: Flags = levels > (np.quantile(levels, 0.95) + 1e-9) * 10 ** (-_ACTIVE_DB / 10)
    return active


def _tonal_part(power: Floats) -> Floats:
    """Return padded power spectra of long frames up to 4 kHz, without the lowest frequencies."""
    bin_hz = RATE / (2 * _LONG_FRAME)
    low = power[:, : int(_PITCH_RATE / 2 / bin_hz) + 1].copy()
    low[:, : int(_LOWEST_HZ / bin_hz)] = 0
    return low


def _pitches(power: Floats) -> tuple[Floats, Floats]:
    """Return the pitch [F] of each frame in semitones, and how periodic it is [F], up to 1."""
    window = np.square(np.abs(np.fft.rfft(np.hanning(_LONG_FRAME), 2 * _LONG_FRAME)))
    of_window = np.fft.irfft(window[: power.shape[1]])
    correlation = np.fft.irfft(power, axis=1)
    first, last = (_PITCH_RATE // pitch_hz for pitch_hz in reversed(_PITCH_HZ))
    wanted = slice(first - 1, last + 1)  # one more on both sides
    strengths = correlation[:, wanted] / (correlation[:, :1] + 1e-9)
    strengths /= of_window[wanted] / of_window[0]
    middle = strengths[:, 1:-1]
    peaks = (middle >= strengths[:, :-2]) & (middle >= strengths[:, 2:])
    cost = _OCTAVE_COST * np.log2(np.arange(first, last))  # a period's multiples are as likely
    best = np.where(peaks, middle - cost, -9).argmax(axis=1) + 1
    rows = np.arange(len(best))
    before, at, after = (strengths[rows, best + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < -1e-6, (before - after) / (2 * np.minimum(bend, -1e-6)), 0)
    periods = best + first - 1 + np.clip(shift, -0.5, 0.5)
    return -12 * np.log2(periods).astype(np.float32), at.astype(np.float32)


def _notes(pitches: Floats, voiced: Flags) -> dict[str, float]:
    """Return how much of a voiced sound holds a note, and how well notes lie on one scale.

    Pitch is averaged over a period of vibrato, so that notes of singers count as held.
    """
    if len(pitches) < 2 * _NOTE:
        return {"notes": 0.3, "scale": 0.0}
    ones = np.ones(_NOTE)
    whole = np.convolve(voiced, ones, "valid") > _NOTE - 0.5
    means = np.convolve(np.where(voiced, pitches, 0), ones, "valid") / _NOTE
    half = _NOTE // 2
    both = whole[half:] & whole[:-half]
    held = both & (np.abs(means[half:] - means[:-half]) < _ON_NOTE)
    on_scale = np.abs(np.exp(2j * np.pi * means[half:][held]).mean()) if held.sum() > 3 else 0.0
    return {"notes": float(held.sum() / max(1, voiced.sum())), "scale": float(on_scale)}


def _lengths(flags: Flags) -> NDArray[np.int64]:
    """Return the lengths of runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return edges[1::2] - edges[::2]


def _lasting_share(power: Floats, active: Flags) -> float:
    """Return the share of spectral peaks that were there in all frames of the last 0.2 s."""
    peaks = (power[:, 1:-1] > power[:, :-2]) & (power[:, 1:-1] > power[:, 2:])
    peaks &= power[:, 1:-1] > power.max(axis=1, keepdims=True) * 10 ** (-_PEAK_DB / 10)
    if len(peaks) <= _LASTING:
        return 0.3
    near = peaks.copy()  # a peak may move by a bin
    near[:, 1:] |= peaks[:, :-1]
    near[:, :-1] |= peaks[:, 1:]
    now, in_sound = peaks[_LASTING:], active[_LASTING:]
    lasting = now.copy()
    for age in range(1, _LASTING + 1):
        lasting &= near[_LASTING - age : len(near) - age]
    return float(lasting[in_sound].sum() / max(1, now[in_sound].sum()))


def _power(samples: Floats, size: int, num_bins: int | None = None) -> Floats:
    """Return power spectra [F, bins] of frames of `size` samples."""
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    frames = sliding_window_view(padded, size)[::_HOP] * np.hanning(size).astype(np.float32)
    spectra = np.fft.rfft(frames, num_bins, axis=1)
    power: Floats = np.square(spectra.real) + np.square(spectra.imag)
    return power
