"""Integer frequency tables of discretised logistic distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_SCALES = 41  # scale j is 2 ** ((j - 20) / 4): 1/32 … 32 grid steps
NUM_FRACTIONS = 16  # the mean is known to 1/16 of a grid step
LARGEST_REACH = 95  # how far from the rounded mean an index is coded without an escape
SCALE_OFFSET = 20
SCALES_PER_OCTAVE = 4
SMALLEST_LOG2_SCALE = -SCALE_OFFSET / SCALES_PER_OCTAVE
LARGEST_LOG2_SCALE = (NUM_SCALES - 1 - SCALE_OFFSET) / SCALES_PER_OCTAVE


def feature_table(codebook_size: int) -> NDArray[np.float32]:
    """Return what a predictor sees of each index, [N, 2]: compressed, and plain up to ±248.

    Exact multiples of 2 ** -10, so that the float and the integer network see the same.
    """
    limit = codebook_size // 2
    value = np.arange(-limit, limit + 1, dtype=np.float64)
    compressed = np.sign(value) * np.log2(1 + np.abs(value))
    plain = np.clip(value / 8, -31, 31)
    features = np.stack([compressed, plain], axis=1)
    return (np.floor(features * 1024 + 0.5) / 1024).astype(np.float32)


def reach_of(scale: int) -> int:
    """Return how many indices on each side of the mean the tables of a scale code directly."""
    width = 2.0 ** ((scale - SCALE_OFFSET) / SCALES_PER_OCTAVE)
    return int(min(LARGEST_REACH, max(2, np.ceil(14 * width))))


def logistic_probabilities(scale: int, fraction: int) -> NDArray[np.float64]:
    """Return the probabilities of offsets -reach … reach and, last, of an escape.

    Args:
        scale: 0 … NUM_SCALES - 1.
        fraction: 0 … NUM_FRACTIONS - 1; the mean is (fraction - NUM_FRACTIONS / 2) / NUM_FRACTIONS
            above the nearest grid point.
    """
    reach = reach_of(scale)
    mean = (fraction - NUM_FRACTIONS / 2) / NUM_FRACTIONS
    width = 2.0 ** ((scale - SCALE_OFFSET) / SCALES_PER_OCTAVE)
    edges = np.arange(-reach, reach + 2) - 0.5 - mean
    cumulative = 0.5 * (1 + np.tanh(edges / (2 * width)))
    inside = np.diff(cumulative)
    return np.append(inside, max(0.0, 1 - inside.sum()))
