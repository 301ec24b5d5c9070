"""Integer frequency tables of discretised logistic distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOG2_SCALE_LIMIT = 5  # scales are 1/32 … 32 grid steps
SCALES_PER_OCTAVE = 8  # of new tables; quarters of an octave cost a quarter per cent more bits
NUM_FRACTIONS = 16  # the mean is known to 1/16 of a grid step
LARGEST_REACH = 95  # how far from the rounded mean an index is coded without an escape


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


def num_scales(per_octave: int) -> int:
    """Return how many scales there are, the smallest and the largest included."""
    return 2 * LOG2_SCALE_LIMIT * per_octave + 1


def scale_of(number: int, per_octave: int) -> float:
    """Return the scale with a number, 0 … num_scales - 1, in grid steps."""
    scale: float = 2.0 ** (number / per_octave - LOG2_SCALE_LIMIT)
    return scale


def reach_of(scale: float) -> int:
    """Return how many indices on each side of the mean the tables of a scale code directly."""
    return int(min(LARGEST_REACH, max(2, np.ceil(14 * scale))))


def logistic_probabilities(scale: float, fraction: int) -> NDArray[np.float64]:
    """Return the probabilities of offsets -reach … reach and, last, of an escape.

    Args:
        scale: in grid steps.
        fraction: 0 … NUM_FRACTIONS - 1; the mean is (fraction - NUM_FRACTIONS / 2) / NUM_FRACTIONS
            above the nearest grid point.
    """
    reach = reach_of(scale)
    mean = (fraction - NUM_FRACTIONS / 2) / NUM_FRACTIONS
    edges = np.arange(-reach, reach + 2) - 0.5 - mean
    cumulative = 0.5 * (1 + np.tanh(edges / (2 * scale)))
    inside = np.diff(cumulative)
    return np.append(inside, max(0.0, 1 - inside.sum()))
