"""Probabilities as integers: tables that sum to a power of two, with no entry zero."""

import numpy as np
from numpy.typing import NDArray

TOTAL_BITS = 16
TOTAL = 1 << TOTAL_BITS

MAX_ALPHABET = 4096  # leaves at least 15/16 of TOTAL to be shared out

EXPONENT_STEPS = 256  # steps of z that halve a weight
EXPONENT_WEIGHT_BITS = 20  # the weight of z = 0 is 2**20

Freqs = NDArray[np.uint32]


def freqs_from_probabilities(probabilities: NDArray[np.float64], total: int = TOTAL) -> Freqs:
    """Return frequencies in proportion to `probabilities`, for tables that are stored.

    The arithmetic is in floats, so this makes tables but never reads a stream.

    Args:
        probabilities: [S, N], N up to `MAX_ALPHABET`, finite and not negative; rows need not sum
            to 1, but to more than 0.
        total: what a row of frequencies sums to, a power of two from `TOTAL` to 2**24.

    Returns:
        [S, N], every entry at least 1; what rounding leaves goes to the first most likely symbol.
    """
    sums = probabilities.sum(axis=1, keepdims=True)
    assert np.all((sums > 0) & (sums < np.inf)) and np.all(probabilities >= 0), "not probabilities"
    shares = probabilities / sums
    freqs = (shares * (total - probabilities.shape[1])).astype(np.uint32) + np.uint32(1)
    return _give_remainder(freqs, probabilities.argmax(axis=1), total)


def freqs_from_exponents(z: NDArray[np.int64], table: NDArray[np.int64]) -> Freqs:
    """Return frequencies that fall as `table[z]` does, exactly the same on every machine.

    With W = table[min(z, len(table) - 1)], an entry is 1 + floor(W * (TOTAL - N) / sum(W)); what
    is then missing from TOTAL goes to the first symbol with the smallest z.

    Args:
        z: [S, N] from 0, how much less likely each symbol is than the most likely one; N up to
            `MAX_ALPHABET`.
        table: [Z] weights of falling likelihood, 0 … 2**32; see `make_exp2_table`.
    """
    num_symbols = z.shape[1]
    weights = table.take(z, mode="clip")  # [S, N]
    sums = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    weights *= TOTAL - num_symbols
    freqs = np.empty(z.shape, np.uint32)
    # The quotient of integers below 2**52, rounded to a float64, never reaches the next integer:
    # that is at least 1 / sums away. So cutting it off is the exact floor, and faster than `//`.
    np.divide(weights, sums, out=freqs, dtype=np.float64, casting="unsafe")
    freqs += np.uint32(1)
    return _give_remainder(freqs, z.argmin(axis=1), TOTAL)


def bits_of_freqs(freqs: Freqs, total: int = TOTAL) -> NDArray[np.float64]:
    """Return what symbols with these frequencies cost, of any shape; where there is none, as 1.

    The arithmetic is in floats: for choosing and for showing, never for reading a stream.
    """
    bits: NDArray[np.float64] = -np.log2(np.maximum(freqs, 1) / total)
    return bits


def make_exp2_table() -> NDArray[np.int64]:
    """Return round(2**20 * 2**(-i / 256)) for i = 0, 1, … up to the first 0.

    Models store this table and read it back: floats may differ between machines, files may not.
    """
    length = EXPONENT_STEPS * (EXPONENT_WEIGHT_BITS + 1) + 1  # the last entry, 1/2, rounds to 0
    exponents = EXPONENT_WEIGHT_BITS - np.arange(length) / EXPONENT_STEPS
    return np.rint(np.exp2(exponents)).astype(np.int64)


def _give_remainder(freqs: Freqs, symbols: NDArray[np.intp], total: int) -> Freqs:
    """Raise one entry a row, the one at `symbols` [S], until every row sums to `total`."""
    freqs[np.arange(len(freqs)), symbols] += np.uint32(total) - freqs.sum(axis=1, dtype=np.uint32)
    return freqs
