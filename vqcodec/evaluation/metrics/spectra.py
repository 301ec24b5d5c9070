"""Distances between spectra: the mel distance of several resolutions, the log-spectral distance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vqcodec.signals.resampling import to_length
from vqcodec.signals.short_spectra import WINDOW, short_spectra

_MEL_SCALES = {2048: 320, 1024: 160, 512: 80, 256: 40, 128: 20, 64: 10, 32: 5}  # window: bands
_QUIETEST = 1e-5  # lower magnitudes are raised to this
_BATCH = 1 << 18  # samples in the windows that are transformed at once
_FLOOR_DB = -100.0  # of a full-scale sine
_HIGHEST_HZ = 20_000


def mel_distance(
    reference: NDArray[np.float32], decoded: NDArray[np.float32], sample_rate: int
) -> float:
    """Return the mean absolute difference of log10 mel magnitudes over seven resolutions.

    The multi-scale mel loss of DAC (Kumar et al. 2023, arXiv:2306.06546): Hann windows of 32 to
    2048 samples, a hop of a quarter window, 5 to 320 Slaney mel bands up to half the sample rate,
    magnitudes of at least 1e-5. DAC takes the sum over the scales; this is the mean, so that 0.1
    is 2 dB. Both waveforms are [C, T]; a short waveform is padded with zeros to one window.
    """
    num_samples = max(reference.shape[1], *_MEL_SCALES)
    first, second = (to_length(waveform, num_samples) for waveform in (reference, decoded))
    distances = [
        _mel_distance(first, second, window, mel_bands(window, num_bands, sample_rate))
        for window, num_bands in _MEL_SCALES.items()
    ]
    return sum(distances) / len(distances)


def log_spectral_distance(
    reference: NDArray[np.float32], decoded: NDArray[np.float32], sample_rate: int
) -> float:
    """Return the root mean square over frequency of the difference of levels in dB, mean over time.

    Gray and Markel 1976, doi:10.1109/TASSP.1976.1162849. Frames of 2048 samples that overlap by
    half, Hann window, frequencies up to 20 kHz; levels below -100 dB of a full-scale sine are
    raised to that, which is below the threshold of hearing. Both waveforms are [C, T]; the distance
    is the mean over the channels.
    """
    num_bins = min(WINDOW // 2, _HIGHEST_HZ * WINDOW // sample_rate) + 1
    total, num_frames = 0.0, 0
    for channel, other in zip(reference, decoded, strict=True):
        for pair in zip(short_spectra(channel), short_spectra(other), strict=True):
            first, second = (_levels_db(spectra[:, :num_bins]) for spectra in pair)
            total += float(np.sqrt(np.square(first - second).mean(axis=1)).sum())
            num_frames += len(first)
    return total / num_frames


def _levels_db(spectra: NDArray[np.complex128]) -> NDArray[np.float64]:
    power = np.square(spectra.real) + np.square(spectra.imag)
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))
    return levels


def _mel_distance(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    window: int,
    bands: NDArray[np.float32],
) -> float:
    """Return `mel_distance` at one resolution; windows are processed in batches."""
    step = window // 4
    pairs = [
        sliding_window_view(_padded(channel, window), window)[::step]  # [frames, window]
        for channel in (*first, *second)
    ]
    num_frames, size = len(pairs[0]), max(1, _BATCH // window)
    total = 0.0
    for one, other in zip(pairs[: len(first)], pairs[len(first) :], strict=True):
        for start in range(0, num_frames, size):
            part = slice(start, start + size)
            difference = _log_mel(one[part], bands) - _log_mel(other[part], bands)
            total += float(np.abs(difference).sum(dtype=np.float64))
    return total / (len(first) * num_frames * len(bands[0]))


def _padded(channel: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return a channel [T], mirrored at both ends so that a window is centred on each end."""
    return np.pad(channel, window // 2, mode="reflect")


def _log_mel(frames: NDArray[np.float32], bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log10 mel magnitudes [frames, bands] of frames [frames, window]."""
    spectrum = np.fft.rfft(frames * hann_window(frames.shape[1]), axis=1)
    magnitudes = np.abs(spectrum).astype(np.float32)
    logarithms: NDArray[np.float32] = np.log10(
        np.maximum(magnitudes @ bands, np.float32(_QUIETEST))
    )
    return logarithms


def hann_window(length: int) -> NDArray[np.float32]:
    """Return a periodic Hann window."""
    return np.hanning(length + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=64)
def mel_bands(window: int, num_bands: int, sample_rate: int) -> NDArray[np.float32]:
    """Return the weights [window / 2 + 1, num_bands] of triangular bands of equal area.

    Slaney's scale: 200/3 Hz a mel up to 1 kHz, then 27 mels for a factor of 6.4.
    """
    highest = _mels_of(np.array(sample_rate / 2))
    edges = _frequencies_of(np.linspace(0, highest, num_bands + 2))
    bins = np.linspace(0, sample_rate / 2, window // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    weights = np.minimum(rising, falling).clip(min=0) * 2 / (edges[2:] - edges[:-2])
    return weights.astype(np.float32)


def _mels_of(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = frequencies * 3 / 200
    return np.where(
        linear < 15, linear, 15 + np.log(np.maximum(frequencies, 1) / 1000) * 27 / np.log(6.4)
    )


def _frequencies_of(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
