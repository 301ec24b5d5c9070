"""Integer frequency tables of discretised logistic distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs, freqs_from_probabilities
from vqcodec.errors import ModelFileError

LOG2_SCALE_LIMIT = 5  # scales are 1/32 … 32 grid steps
SCALES_PER_OCTAVE = 8  # 4 per octave would cost 0.25 % more bits
FRACTION_BITS = 6  # means are multiples of 1/64 grid step
ODDS_PER_OCTAVE = 4  # factors of the odds of zero; finer ones would save 0.02 % of the bits
NUM_ODDS = 16  # factors of 1 and more: rounding toward zero never makes a zero less likely
TOTAL_BITS = 20  # of the sum of a row; large, so that a near-certain index costs almost no bits
PRIOR_COUNT = 500  # symbols that a table of a formula stands for, beside those that were counted
LARGEST_REACH = 95  # largest distance from the rounded mean that is coded without an escape code


def feature_table(codebook_size: int) -> NDArray[np.float32]:
    """Return the input features of each index, [N, 2]: log-compressed, and linear up to ±248.

    All are multiples of 2 ** -10, so that float and integer networks get equal features.
    """
    value = _values(codebook_size)
    compressed = np.sign(value) * np.log2(1 + np.abs(value))
    return _in_parts(np.stack([compressed, _plain(value)], axis=1))


def magnitude_table(codebook_size: int, num_codebooks: int, num_exact: int) -> NDArray[np.float32]:
    """Return the input feature of each index where signs are not seen, [K, N, 1].

    It is the logarithm of the magnitude; the first `num_exact` codebooks are seen as they are,
    up to ±248. All are multiples of 2 ** -10.
    """
    value = _values(codebook_size)
    features = np.log2(1 + np.abs(value))[None].repeat(num_codebooks, axis=0)
    features[:num_exact] = _plain(value)
    return _in_parts(features)[:, :, None]


def _values(codebook_size: int) -> NDArray[np.float64]:
    """Return the numbers that the indices of a lattice stand for."""
    limit = codebook_size // 2
    return np.arange(-limit, limit + 1, dtype=np.float64)


def _plain(value: NDArray[np.float64]) -> NDArray[np.float64]:
    plain: NDArray[np.float64] = np.clip(value / 8, -31, 31)
    return plain


def _in_parts(features: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return features as multiples of 2 ** -10."""
    parts: NDArray[np.float32] = (np.floor(features * 1024 + 0.5) / 1024).astype(np.float32)
    return parts


def num_scales(per_octave: int) -> int:
    """Return the number of scales, including the smallest and the largest."""
    return 2 * LOG2_SCALE_LIMIT * per_octave + 1


def scale_of(number: int, per_octave: int) -> float:
    """Return the scale of a number, 0 … num_scales - 1, in grid steps."""
    scale: float = 2.0 ** (number / per_octave - LOG2_SCALE_LIMIT)
    return scale


def reach_of(scale: float) -> int:
    """Return the largest distance from the rounded mean that a scale's tables code directly."""
    return int(min(LARGEST_REACH, max(2, np.ceil(14 * scale))))


def logistic_probabilities(scale: float, offset: float) -> NDArray[np.float64]:
    """Return the probabilities of offsets -reach … reach and of the escape code, last.

    Args:
        scale: in grid steps.
        offset: of the mean from the nearest grid point, -1/2 … 1/2.
    """
    reach = reach_of(scale)
    edges = np.arange(-reach, reach + 2) - 0.5 - offset
    cumulative = 0.5 * (1 + np.tanh(edges / (2 * scale)))
    inside = np.diff(cumulative)
    return np.append(inside, max(0.0, 1 - inside.sum()))


def make_logistic_tables() -> Freqs:
    """Return the frequencies for every scale and fraction of the mean, concatenated row by row.

    Every row sums to 2**TOTAL_BITS, so a reader can find its end.
    """
    num_fractions = 1 << FRACTION_BITS
    offsets = np.arange(num_fractions) / num_fractions - 0.5
    return _make_tables(
        lambda scale: np.stack([logistic_probabilities(scale, offset) for offset in offsets])
    )


def make_hurdle_tables() -> Freqs:
    """Return the frequencies around zero for every scale and odds of zero, row by row.

    A hurdle model (Mullahy 1986, "Specification and testing of some modified count data models"):
    the odds of zero are those of the logistic times one of `NUM_ODDS` factors. The other
    probabilities keep their proportions.
    """
    factors = 2.0 ** (np.arange(NUM_ODDS) / ODDS_PER_OCTAVE)

    def rows_of(scale: float) -> NDArray[np.float64]:
        rows = logistic_probabilities(scale, 0)[None].repeat(NUM_ODDS, axis=0)
        rows[:, rows.shape[1] // 2 - 1] *= factors
        return rows

    return _make_tables(rows_of)


def _make_tables(rows_of: Callable[[float], NDArray[np.float64]]) -> Freqs:
    """Return the frequencies of all scales for a function that gives the rows of one."""
    scales = (scale_of(n, SCALES_PER_OCTAVE) for n in range(num_scales(SCALES_PER_OCTAVE)))
    rows = [freqs_from_probabilities(rows_of(scale), 1 << TOTAL_BITS) for scale in scales]
    return np.concatenate([of_scale.reshape(-1) for of_scale in rows])


def with_counts(freqs: Freqs, counts: NDArray[np.int64]) -> Freqs:
    """Return tables with the frequencies of symbols that were counted, row by row.

    A row of `freqs` counts as `PRIOR_COUNT` symbols (a Dirichlet prior), so a table that was rarely
    used changes little.

    Args:
        freqs: [T, N]; shorter rows end in zeros.
        counts: [T, N].

    Returns:
        the rows one after another, each as long as before.
    """
    weight = PRIOR_COUNT / (1 << TOTAL_BITS)
    rows = [
        freqs_from_probabilities((weight * row + count)[None, row > 0], 1 << TOTAL_BITS)[0]
        for row, count in zip(freqs.astype(np.float64), counts, strict=True)
    ]
    return np.concatenate(rows)


@dataclass(frozen=True)
class LogisticTables:
    """Stored tables as rows, with the parameters that follow from their number.

    Attributes:
        freqs: [scales * fractions, N]; every row sums to 2**TOTAL_BITS; shorter rows end in zeros.
        fraction_bits: log2 of the number of fractions.
        per_octave: scales per octave.
    """

    freqs: Freqs
    fraction_bits: int
    per_octave: int


def read_logistic_tables(stored: Freqs) -> LogisticTables:
    """Return the tables that `make_logistic_tables` made, possibly with other numbers of scales.

    Raises:
        ModelFileError: the tables are not valid.
    """
    if stored.ndim != 1 or not stored.size:
        raise ModelFileError(f"prior: logistic tables of shape {stored.shape}")
    freqs = _rows_of(stored)
    num_rows = len(freqs)
    fraction_bits = (num_rows & -num_rows).bit_length() - 1  # the number of scales is odd
    count = num_rows >> fraction_bits
    per_octave = next((n for n in (1, 2, 4, 8, 16) if num_scales(n) == count), None)
    if per_octave is None or not 4 <= fraction_bits <= 8:
        raise ModelFileError(f"prior: {num_rows} logistic tables do not fit any number of scales")
    lengths = np.count_nonzero(freqs, axis=1).reshape(count, -1)
    if np.any(lengths % 2) or np.any(lengths != lengths[:, :1]):
        raise ModelFileError("prior: logistic tables with rows of the wrong length")
    return LogisticTables(freqs, fraction_bits, per_octave)


def _rows_of(stored: Freqs) -> Freqs:
    """Return rows [T, N] of concatenated tables."""
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
