"""From integer predictions to frequencies to coded indices, for both kinds of head."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import TOTAL, Freqs, freqs_from_exponents, freqs_from_probabilities
from vqcodec.entropy.range_coder import Coder, FrequencyTables, SymbolDecoder
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

    def __init__(
        self, tables: NDArray[np.uint32], codebook_size: int, bit_weight: float = 0.0
    ) -> None:
        """Take the stored tables, as `make_logistic_tables` shapes them, and N, an odd number.

        A bit saved may cost `bit_weight` of squared error, in grid steps; 0 takes the nearest.

        Raises:
            ModelFileError: they are not such tables.
        """
        if tables.shape != (NUM_SCALES * NUM_FRACTIONS, 2 * LARGEST_REACH + 2):
            raise ModelFileError(f"prior: logistic tables of shape {tables.shape}")
        self.bit_weight = bit_weight
        self.tables = FrequencyTables(tables)
        self.bits = -np.log2(np.maximum(tables, 1) / TOTAL)
        self.limit = codebook_size // 2
        self.escape_bits = np.log2(codebook_size)
        self.escapes = np.array([2 * reach_of(scale) + 1 for scale in range(NUM_SCALES)])
        expected = np.repeat(self.escapes + 1, NUM_FRACTIONS)
        if np.any(np.count_nonzero(tables, axis=1) != expected):
            raise ModelFileError("prior: logistic tables with rows of the wrong length")

    def code(self, coder: Coder, outputs: Array, indices: Array | None) -> NDArray[np.int64]:
        """Return the indices [S], coded under outputs [S, 2]: mean and log2 of the scale.

        Indices that are not integers yet are chosen by what they cost and what they lose. The
        tables reach past the ends of the codebook: what a sampler draws there is clamped.

        Raises:
            CorruptStreamError: a decoded index is none of the codebook's.
        """
        mean, scale = outputs.astype(np.int64).T
        mean = mean + NUM_FRACTIONS // 2
        centre = mean >> OUTPUT_BITS["logistic"]
        number = ((scale + (1 << (_SCALE_SHIFT - 1))) >> _SCALE_SHIFT) + SCALE_OFFSET
        number = np.minimum(np.maximum(number, 0), NUM_SCALES - 1)
        table_ids = number * NUM_FRACTIONS + (mean & (NUM_FRACTIONS - 1))
        escape = self.escapes[number]
        start = centre + self.limit - (escape >> 1)  # the index that the first symbol stands for
        if indices is not None and indices.dtype.kind == "f":
            indices = self._choose(indices, table_ids, start, escape)
        symbols = None
        if indices is not None:
            symbols = indices - start
            out = (symbols < 0) | (symbols > escape)
            symbols = np.where(out, escape, symbols).astype(np.int32)
        coded = coder.code_with_tables(self.tables, table_ids.astype(np.int32), symbols)
        result: NDArray[np.int64] = start + coded
        escaped = np.flatnonzero(coded == escape)
        if len(escaped):
            known = None if indices is None else indices[escaped].astype(np.int32)
            rows = np.repeat(uniform_freqs(2 * self.limit + 1), len(escaped), axis=0)
            result[escaped] = coder.code(rows, known)
        if len(result) and not 0 <= result.min() <= result.max() <= 2 * self.limit:
            if isinstance(coder, SymbolDecoder):
                raise CorruptStreamError("payload: an index that the codebook does not have")
            result = result.clip(0, 2 * self.limit)
        return result

    def _choose(
        self, targets: Array, table_ids: Array, start: Array, escape: Array
    ) -> NDArray[np.int64]:
        """Return for each target [S] the nearest index, or the next one towards the prediction.

        That one wins where it saves more bits than its squared error is worth
        (entropy-constrained quantization, Chou et al. 1989).
        """
        nearest = np.rint(targets).astype(np.int64).clip(0, 2 * self.limit)
        if not self.bit_weight:
            return nearest
        towards = nearest + np.sign(start + (escape >> 1) - nearest)
        costs = []
        for candidate in (nearest, towards):
            symbols = candidate - start
            symbols = np.where((symbols < 0) | (symbols > escape), escape, symbols)
            bits = self.bits[table_ids, symbols] + np.where(symbols == escape, self.escape_bits, 0)
            costs.append((targets - candidate) ** 2 + self.bit_weight * bits)
        return np.where(costs[1] < costs[0], towards, nearest).clip(0, 2 * self.limit)


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

    def code(self, coder: Coder, outputs: Array, indices: Array | None) -> NDArray[np.int64]:
        """Return the indices [S], coded under outputs [S, N]; real numbers are rounded."""
        known = None
        if indices is not None:
            known = np.rint(indices).clip(0, self.codebook_size - 1).astype(np.int32)
        coded: NDArray[np.int64] = coder.code(self.freqs(outputs), known).astype(np.int64)
        return coded


@functools.lru_cache(maxsize=8)
def uniform_freqs(size: int) -> Freqs:
    """Return the frequencies [1, size] of equally likely symbols."""
    return freqs_from_probabilities(np.full((1, size), 1.0))
