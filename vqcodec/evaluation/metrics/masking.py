"""Noise-to-mask ratio: how far the coding error is above the threshold of masking."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vqcodec.signals.masking import Mask, masking_bands
from vqcodec.signals.short_spectra import short_spectra

SAMPLE_RATE = 48_000  # Hz
RANGES_HZ = {
    "nmr_to_1_khz_db": (0, 1000),
    "nmr_to_4_khz_db": (1000, 4000),
    "nmr_to_10_khz_db": (4000, 10_000),
    "nmr_to_18_khz_db": (10_000, 18_000),
}


def noise_to_mask(
    reference: NDArray[np.float32], decoded: NDArray[np.float32]
) -> dict[str, float | None]:
    """Return the total noise-to-mask ratio in dB, and those of four ranges of frequency.

    The model of the ear is that of PEAQ's basic version (ITU-R BS.1387-1, in the form of Kabal
    2002): quarter-Bark bands, spreading that depends on level, forward masking, threshold in quiet
    at 92 dB for a full-scale sine. The noise is the difference of magnitudes, as in PEAQ, so that
    another phase alone is no error. It is not verified against the data of the standard. Ratios are
    means over bands, frames and channels. Above 0 dB, the error is likely to be heard.

    Args:
        reference: [C, T] at 48 kHz.
        decoded: of the same shape.

    Returns:
        nmr_db and the names of `RANGES_HZ`. None if there is no difference at all.
    """
    bands = masking_bands(SAMPLE_RATE)
    total = np.zeros(len(bands.centres_hz))
    num_frames = 0
    for channel, other in zip(reference, decoded, strict=True):
        mask = Mask(bands)
        for first, second in zip(short_spectra(channel), short_spectra(other), strict=True):
            magnitudes = [np.abs(spectra) * bands.ear for spectra in (first, second)]
            noise = np.square(magnitudes[0] - magnitudes[1]) @ bands.weights
            total += (noise / mask.thresholds(np.square(magnitudes[0]))).sum(axis=0)
            num_frames += len(first)
    ratios = total / num_frames
    centres = bands.centres_hz
    scores = {"nmr_db": _decibels(ratios.mean())}
    for name, (low, high) in RANGES_HZ.items():
        scores[name] = _decibels(ratios[(low <= centres) & (centres < high)].mean())
    return scores


def _decibels(ratio: float) -> float | None:
    return 10 * math.log10(ratio) if ratio > 0 else None
