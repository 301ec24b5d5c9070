"""Short-time spectra in the frames of metrics at 48 kHz."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

WINDOW, HOP = 2048, 1024  # samples
_BATCH = 1 << 18  # samples in the windows that are transformed at once


def short_spectra(waveform: NDArray[np.float32]) -> Iterator[NDArray[np.complex128]]:
    """Yield spectra [frames, 1025] of a waveform [T], in batches.

    The window is a Hann window, scaled so that a full-scale sine on a bin has a magnitude of 1.
    The waveform is padded with half a window at both ends, so that all samples count alike.
    """
    num_frames = -(-len(waveform) // HOP) + 1
    after = (num_frames - 1) * HOP + WINDOW // 2 - len(waveform)
    frames = sliding_window_view(np.pad(waveform, (WINDOW // 2, after)), WINDOW)[::HOP]
    window = np.hanning(WINDOW + 1)[:-1] * (4 / WINDOW)
    size = _BATCH // WINDOW
    for start in range(0, num_frames, size):
        yield np.fft.rfft(frames[start : start + size] * window, axis=1)
