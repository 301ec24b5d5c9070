"""Integer frequency tables of discretised logistic distributions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs, freqs_from_probabilities
from vqcodec.errors import ModelFileError

LOG2_SCALE_LIMIT = 5  # scales are 1/32 … 32 grid steps
SCALES_PER_OCTAVE = 8  # quarters of an octave cost a quarter per cent more bits
FRACTION_BITS = 6  # the mean is known to 1/64 of a grid step
TOTAL_BITS = 20  # of the sum of a row: a certain index costs next to nothing
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


def logistic_probabilities(scale: float, offset: float) -> NDArray[np.float64]:
    """Return the probabilities of offsets -reach … reach and, last, of an escape.

    Args:
        scale: in grid steps.
        offset: -1/2 … 1/2, how far the mean is above the nearest grid point.
    """
    reach = reach_of(scale)
    edges = np.arange(-reach, reach + 2) - 0.5 - offset
    cumulative = 0.5 * (1 + np.tanh(edges / (2 * scale)))
    inside = np.diff(cumulative)
    return np.append(inside, max(0.0, 1 - inside.sum()))


def make_logistic_tables() -> Freqs:
    """Return the frequencies of every scale and fraction of the mean, row after row, as one axis.

    Every row sums to 2**TOTAL_BITS, which is how a reader finds its end.
    """
    num_fractions = 1 << FRACTION_BITS
    rows = []
    for number in range(num_scales(SCALES_PER_OCTAVE)):
        scale = scale_of(number, SCALES_PER_OCTAVE)
        offsets = np.arange(num_fractions) / num_fractions - 0.5
        probabilities = np.stack([logistic_probabilities(scale, offset) for offset in offsets])
        rows.append(freqs_from_probabilities(probabilities, 1 << TOTAL_BITS).reshape(-1))
    return np.concatenate(rows)


@dataclass(frozen=True)
class LogisticTables:
    """Stored tables, row by row, and what their number says.

    Attributes:
        freqs: [scales * fractions, N]; every row sums to 2**TOTAL_BITS, and one that is shorter
            than N ends in zeros.
        fraction_bits: log2 of the number of fractions.
        per_octave: scales of an octave.
    """

    freqs: Freqs
    fraction_bits: int
    per_octave: int


def read_logistic_tables(stored: Freqs) -> LogisticTables:
    """Return tables that `make_logistic_tables` wrote; there may be fewer scales or fractions.

    Raises:
        ModelFileError: they are not such tables.
    """
    if stored.ndim != 1 or not stored.size:
        raise ModelFileError(f"prior: logistic tables of shape {stored.shape}")
    freqs = _rows_of(stored)
    num_rows = len(freqs)
    fraction_bits = (num_rows & -num_rows).bit_length() - 1  # the number of scales is odd
    count = num_rows >> fraction_bits
    per_octave = next((n for n in (1, 2, 4, 8, 16) if num_scales(n) == count), None)
    if per_octave is None or not 4 <= fraction_bits <= 8:
        raise ModelFileError(f"prior: {num_rows} logistic tables, for no number of scales")
    lengths = np.count_nonzero(freqs, axis=1).reshape(count, -1)
    if np.any(lengths % 2) or np.any(lengths != lengths[:, :1]):
        raise ModelFileError("prior: logistic tables with rows of the wrong length")
    return LogisticTables(freqs, fraction_bits, per_octave)


def _rows_of(stored: Freqs) -> Freqs:
    """Return rows [T, N] of tables that are stored end to end."""
    places = (stored.cumsum(dtype=np.int64) - 1) >> TOTAL_BITS  # the row of each entry
    if not stored.all() or np.any(np.diff(places, prepend=-1) > 1):
        raise ModelFileError("prior: logistic tables that are not rows of frequencies")
    lengths = np.bincount(places)
    if len(lengths) > 1 << 16 or lengths.max() > 2 * LARGEST_REACH + 2:
        raise ModelFileError("prior: logistic tables that are too many or too long")
    columns = np.arange(len(stored)) - (lengths.cumsum() - lengths)[places]
    rows = np.zeros((len(lengths), lengths.max()), np.uint32)
    rows[places, columns] = stored
    return rows
