"""Disguised voices: the same words with other formants and colour, as inputs of an encoder.

If the encoder gets a disguised voice and the decoder has to restore the original, the encoder
learns to spend no bits on formants and colour (Choi et al. 2021, "Neural Analysis and Synthesis",
arXiv:2110.14513).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqcodec.signals.voice_change import log_envelopes

NUM_FFT, HOP = 512, 128  # samples
MOST_GAIN = 3.0  # nepers, up or down
NUM_RIPPLES = 4  # cosines over frequency, of the random equaliser
RIPPLE = 0.25  # nepers, standard deviation of each


def disguise(
    waveform: NDArray[np.float64],
    sample_rate: int,
    generator: np.random.Generator,
    formant_change: float,
) -> NDArray[np.float64]:
    """Return waveform [T] with moved formants and another colour, but the same pitch and timing.

    The spectral envelope is moved up or down in frequency by up to a factor of 1 + formant_change,
    and multiplied by a smooth curve.
    """
    factor = (1 + formant_change) ** generator.uniform(-1, 1)
    window = np.sqrt(np.hanning(NUM_FFT + 1)[:-1])
    padded = np.pad(waveform, (NUM_FFT, NUM_FFT + -len(waveform) % HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, NUM_FFT)[::HOP] * window
    spectra = np.fft.rfft(frames)  # [frames, bins]
    envelopes = log_envelopes(np.log(np.abs(spectra) + 1e-4), sample_rate)
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
    for start in range(NUM_FFT // HOP):  # frames that do not overlap are added at once
        run = pieces[start :: NUM_FFT // HOP]
        first = start * HOP
        result[first : first + run.size] += run.reshape(-1)
    return result[NUM_FFT : NUM_FFT + len(waveform)] / (NUM_FFT / HOP / 2)
