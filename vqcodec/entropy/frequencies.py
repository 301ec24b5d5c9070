"""Integer probabilities: frequencies of at least 1 that sum to a power of two."""

import functools

import numpy as np
from numpy.typing import NDArray

TOTAL_BITS = 16
TOTAL = 1 << TOTAL_BITS

MAX_ALPHABET = 4096  # of TOTAL, at least 15/16 remain to be shared in proportion

EXPONENT_STEPS = 256  # steps of z that halve a weight
EXPONENT_WEIGHT_BITS = 20  # the weight of z = 0 is 2**20

Freqs = NDArray[np.uint32]


def freqs_from_probabilities(probabilities: NDArray[np.float64], total: int = TOTAL) -> Freqs:
    """Return frequencies in proportion to `probabilities`, for tables that are stored.

    The arithmetic is in floats: use this function for tables, never to read a stream.

    Args:
        probabilities: [S, N], N up to `MAX_ALPHABET`, finite and not negative; every row sums to
            more than 0, not necessarily to 1.
        total: the sum of a row of frequencies, a power of two from `TOTAL` to 2**24.

    Returns:
        [S, N], every entry at least 1; the first most likely symbol gets the rounding remainder.
    """
    sums = probabilities.sum(axis=1, keepdims=True)
    assert np.all((sums > 0) & (sums < np.inf)) and np.all(probabilities >= 0), "not probabilities"
    shares = probabilities / sums
    freqs = (shares * (total - probabilities.shape[1])).astype(np.uint32) + np.uint32(1)
    return _give_remainder(freqs, probabilities.argmax(axis=1), total)


@functools.lru_cache(maxsize=8)
def uniform_freqs(size: int) -> Freqs:
    """Return the frequencies [1, size] of equally likely symbols; the first gets the remainder."""
    freqs = np.full((1, size), TOTAL // size, np.uint32)
    freqs[0, 0] += TOTAL % size
    return freqs


def freqs_from_exponents(z: NDArray[np.int64], table: NDArray[np.int64]) -> Freqs:
    """Return frequencies in proportion to `table[z]`, exactly the same on every machine.

    With W = table[min(z, len(table) - 1)], an entry is 1 + floor(W * (TOTAL - N) / sum(W)).
    The first symbol with the smallest z gets the remainder to TOTAL.

    Args:
        z: [S, N], 0 or more: the distance of each symbol's logit below the largest, in steps of
            the table; N up to `MAX_ALPHABET`.
        table: [Z] decreasing weights, 0 … 2**32; see `make_exp2_table`.
    """
    num_symbols = z.shape[1]
    weights = table.take(z, mode="clip")  # [S, N]
    sums = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    weights *= TOTAL - num_symbols
    freqs = np.empty(z.shape, np.uint32)
    # The numerators are below 2**52, and a quotient is at least 1 / sums below the next integer.
    # So rounding to float64 never reaches that integer, and truncation is the exact floor. It is
    # faster than `//`.
    np.divide(weights, sums, out=freqs, dtype=np.float64, casting="unsafe")
    freqs += np.uint32(1)
    return _give_remainder(freqs, z.argmin(axis=1), TOTAL)


def bits_of_freqs(freqs: Freqs, total: int = TOTAL) -> NDArray[np.float64]:
    """Return the bits of symbols with these frequencies, of any shape; 0 counts as 1.

    The arithmetic is in floats: use this function to choose or to show, never to read a stream.
    """
    bits: NDArray[np.float64] = -np.log2(np.maximum(freqs, 1) / total)
    return bits


def make_exp2_table() -> NDArray[np.int64]:
    """Return round(2**20 * 2**(-i / 256)) for i = 0, 1, … up to the first 0.

    A model stores this table in its file, because float results differ between machines.
    """
    length = EXPONENT_STEPS * (EXPONENT_WEIGHT_BITS + 1) + 1  # the last entry, 1/2, rounds to 0
    exponents = EXPONENT_WEIGHT_BITS - np.arange(length) / EXPONENT_STEPS
    return np.rint(np.exp2(exponents)).astype(np.int64)


def _give_remainder(freqs: Freqs, symbols: NDArray[np.intp], total: int) -> Freqs:
    """Add each row's remainder to `total` to the entry at `symbols` [S]."""
    freqs[np.arange(len(freqs)), symbols] += np.uint32(total) - freqs.sum(axis=1, dtype=np.uint32)
    return freqs
