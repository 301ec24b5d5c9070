"""Voices that sound like somebody else's and say the same, for an encoder to learn from.

An encoder that hears a voice disguised, while the decoder is to restore the voice itself, has no
reason to spend bits on what was changed (Choi et al. 2021, "Neural Analysis and Synthesis",
arXiv:2110.14513).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_FFT, HOP = 512, 128  # samples
LIFTER = 1 / 500  # seconds of the cepstrum that are the envelope: no harmonics of a voice
MOST_GAIN = 3.0  # nepers, either way
NUM_RIPPLES = 4  # of the random equaliser, cosines over frequency
RIPPLE = 0.25  # nepers, the deviation of each


def disguise(
    waveform: NDArray[np.float64],
    sample_rate: int,
    generator: np.random.Generator,
    formant_change: float,
) -> NDArray[np.float64]:
    """Return waveform [T] with formants moved and another colour; pitch and timing are kept.

    The spectral envelope is moved up or down in frequency by up to a factor of 1 + formant_change,
    and multiplied by a smooth curve.
    """
    factor = (1 + formant_change) ** generator.uniform(-1, 1)
    window = np.sqrt(np.hanning(NUM_FFT + 1)[:-1])
    padded = np.pad(waveform, (NUM_FFT, NUM_FFT + -len(waveform) % HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, NUM_FFT)[::HOP] * window
    spectra = np.fft.rfft(frames)  # [frames, bins]
    cepstra = np.fft.irfft(np.log(np.abs(spectra) + 1e-4))
    kept = round(LIFTER * sample_rate)
    cepstra[:, kept + 1 : NUM_FFT - kept] = 0
    envelopes = np.fft.rfft(cepstra).real
    bins = np.arange(envelopes.shape[1])
    source = np.minimum(bins / factor, bins[-1])
    left = np.minimum(source.astype(np.int64), bins[-1] - 1)
    share = source - left
    moved = envelopes[:, left] * (1 - share) + envelopes[:, left + 1] * share
    ripples = generator.normal(0, RIPPLE, NUM_RIPPLES)
    colour = ripples @ np.cos(np.pi * np.arange(1, NUM_RIPPLES + 1)[:, None] * bins / bins[-1])
    spectra *= np.exp(np.clip(moved - envelopes, -MOST_GAIN, MOST_GAIN) + colour)
    pieces = np.fft.irfft(spectra) * window
    result = np.zeros(len(padded))
    for start in range(NUM_FFT // HOP):  # pieces that do not overlap, added at once
        run = pieces[start :: NUM_FFT // HOP]
        first = start * HOP
        result[first : first + run.size] += run.reshape(-1)
    return result[NUM_FFT : NUM_FFT + len(waveform)] / (NUM_FFT / HOP / 2)
