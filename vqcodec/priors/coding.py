"""From integer predictions to frequencies to coded indices, for both kinds of head."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs, freqs_from_exponents, freqs_from_probabilities
from vqcodec.entropy.range_coder import Coder, FrequencyTables
from vqcodec.errors import CorruptStreamError, ModelFileError
from vqcodec.nn.integer import Array
from vqcodec.priors.logistic import (
    LARGEST_REACH,
    NUM_FRACTIONS,
    NUM_SCALES,
    SCALE_OFFSET,
    logistic_probabilities,
    reach_of,
)

OUTPUT_BITS = {"logistic": 4, "categorical": 8}  # sixteenths of a step; 1/256 of a halving
_SCALE_SHIFT = 2  # sixteenths of an octave to quarters


def make_logistic_tables() -> NDArray[np.uint32]:
    """Return the frequencies [NUM_SCALES * NUM_FRACTIONS, 2 * LARGEST_REACH + 2].

    Rows are as long as their scale needs and end in zeros, which are no symbols.
    """
    rows = np.zeros((NUM_SCALES * NUM_FRACTIONS, 2 * LARGEST_REACH + 2), np.uint32)
    for scale in range(NUM_SCALES):
        for fraction in range(NUM_FRACTIONS):
            freqs = freqs_from_probabilities(logistic_probabilities(scale, fraction)[None])[0]
            rows[scale * NUM_FRACTIONS + fraction, : len(freqs)] = freqs
    return rows


class LogisticCoding:
    """Codes scalar indices under stored tables of discretised logistics."""

    def __init__(self, tables: NDArray[np.uint32], codebook_size: int) -> None:
        """Take the stored tables, as `make_logistic_tables` shapes them, and N, an odd number.

        Raises:
            ModelFileError: they are not such tables.
        """
        if tables.shape != (NUM_SCALES * NUM_FRACTIONS, 2 * LARGEST_REACH + 2):
            raise ModelFileError(f"prior: logistic tables of shape {tables.shape}")
        self.tables = FrequencyTables(tables)
        self.limit = codebook_size // 2
        self.reaches = np.array([reach_of(scale) for scale in range(NUM_SCALES)], np.int64)
        expected = np.repeat(2 * self.reaches + 2, NUM_FRACTIONS)
        if np.any(np.count_nonzero(tables, axis=1) != expected):
            raise ModelFileError("prior: logistic tables with rows of the wrong length")

    def code(
        self, coder: Coder, outputs: Array, indices: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Return the indices [S], coded under outputs [S, 2]: mean and log2 of the scale.

        Raises:
            CorruptStreamError: a decoded index is none of the codebook's.
        """
        mean, scale = (outputs[:, column].astype(np.int64) for column in (0, 1))
        centre = (mean + NUM_FRACTIONS // 2) >> OUTPUT_BITS["logistic"]
        fraction = mean - centre * NUM_FRACTIONS + NUM_FRACTIONS // 2
        quarter = (scale + (1 << (_SCALE_SHIFT - 1))) >> _SCALE_SHIFT
        number = np.clip(quarter + SCALE_OFFSET, 0, NUM_SCALES - 1)
        table_ids = (number * NUM_FRACTIONS + fraction).astype(np.int32)
        reach = self.reaches[number]
        escape = 2 * reach + 1
        symbols = None
        if indices is not None:
            offset = indices - self.limit - centre
            symbols = np.where(np.abs(offset) <= reach, offset + reach, escape).astype(np.int32)
        coded = coder.code_with_tables(self.tables, table_ids, symbols).astype(np.int64)
        result: NDArray[np.int64] = coded - reach + centre + self.limit
        escaped = np.flatnonzero(coded == escape)
        if len(escaped):
            known = None if indices is None else indices[escaped].astype(np.int32)
            rows = np.repeat(uniform_freqs(2 * self.limit + 1), len(escaped), axis=0)
            result[escaped] = coder.code(rows, known)
        if len(result) and not 0 <= result.min() <= result.max() <= 2 * self.limit:
            raise CorruptStreamError("payload: an index that the codebook does not have")
        return result


class CategoricalCoding:
    """Codes indices of a codebook under a frequency for every entry."""

    def __init__(self, exp2_table: NDArray[np.int64], codebook_size: int) -> None:
        """Take the stored table of 2 ** (-z / 256).

        Raises:
            ModelFileError: it is not such a table.
        """
        if exp2_table.ndim != 1 or not 2 <= len(exp2_table) <= 1 << 16:
            raise ModelFileError(f"prior: exponent table of shape {exp2_table.shape}")
        if np.any(np.diff(exp2_table) > 0) or not 0 <= exp2_table[-1] <= exp2_table[0] <= 1 << 32:
            raise ModelFileError("prior: exponent table that does not fall from 2 ** 32 or less")
        self.exp2_table = exp2_table
        self.codebook_size = codebook_size

    def freqs(self, outputs: Array) -> Freqs:
        """Return frequencies [S, N] of outputs [S, N], logits in 1/256 of a halving."""
        exponents = (outputs.max(axis=1, keepdims=True) - outputs).astype(np.int64)
        return freqs_from_exponents(exponents, self.exp2_table)

    def code(
        self, coder: Coder, outputs: Array, indices: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Return the indices [S], coded under outputs [S, N]."""
        known = None if indices is None else indices.astype(np.int32)
        coded: NDArray[np.int64] = coder.code(self.freqs(outputs), known).astype(np.int64)
        return coded


@functools.lru_cache(maxsize=8)
def uniform_freqs(size: int) -> Freqs:
    """Return the frequencies [1, size] of equally likely symbols."""
    return freqs_from_probabilities(np.full((1, size), 1.0))
