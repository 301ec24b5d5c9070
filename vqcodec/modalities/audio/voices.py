"""Features of recordings, the input of the speaker encoder."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

NUM_FFT, HOP = 1024, 320  # samples
NUM_MELS = 80
LOWEST_HZ = 50.0


def mel_energies(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Return log mel energies [1, NUM_MELS, F] of a waveform [1, T].

    The waveform is scaled to mean power 1 first, so its loudness does not matter.
    """
    power = np.square(waveform).mean(dtype=np.float32)
    padded = np.pad(waveform[0] / np.sqrt(power + np.float32(1e-8)), NUM_FFT // 2)
    window = (0.5 - 0.5 * np.cos(2 * np.pi / NUM_FFT * np.arange(NUM_FFT))).astype(np.float32)
    frames = sliding_window_view(padded, NUM_FFT)[::HOP] * window  # [F, NUM_FFT]
    spectra = np.square(np.abs(np.fft.rfft(frames, axis=1))) / NUM_FFT
    energies = mel_filters(sample_rate) @ spectra.T.astype(np.float32)
    logarithms: NDArray[np.float32] = np.log(energies + np.float32(1e-4))
    return logarithms[None]


def mel_filters(sample_rate: int) -> NDArray[np.float32]:
    """Return triangular filters [NUM_MELS, bins] on the mel scale of O'Shaughnessy (1987)."""
    frequencies = np.linspace(0, sample_rate / 2, NUM_FFT // 2 + 1)
    first, last = (2595 * math.log10(1 + hertz / 700) for hertz in (LOWEST_HZ, sample_rate / 2))
    corners = 700 * (10 ** (np.linspace(first, last, NUM_MELS + 2) / 2595) - 1)
    widths = np.diff(corners)
    rising = (frequencies - corners[:-2, None]) / widths[:-1, None]
    falling = (corners[2:, None] - frequencies) / widths[1:, None]
    filters: NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return filters
