"""Means and scales in integers -> tables of frequencies -> coded indices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs, bits_of_freqs, uniform_freqs
from vqcodec.entropy.range_coder import Coder, SymbolDecoder, Symbols, code_rows
from vqcodec.entropy.tables import FrequencyTables
from vqcodec.errors import CorruptStreamError
from vqcodec.priors.integer import Array
from vqcodec.priors.logistic import LOG2_SCALE_LIMIT, TOTAL_BITS, read_logistic_tables

# A table whose middle symbol is at least this likely predicts a certain index.
CERTAIN_FREQ = (1 << TOTAL_BITS) - (1 << TOTAL_BITS - 16)


class LogisticCoding:
    """Codes scalar indices under stored tables of discretised logistics."""

    outputs_at_once = sys.maxsize  # symbols that are coded together are sorted by table
    tables_name = "tables"  # of the tensor that a model file stores
    unit_bits: int | None = None  # outputs are in 2 ** -bits; None for the tables' fractions

    def __init__(
        self,
        stored: Freqs,
        codebook_size: int,
        bit_weight: float = 0.0,
        *,
        skip_certain: bool = False,
    ) -> None:
        """Take the stored tables, as `read_logistic_tables` reads them, and N, an odd number.

        A saved bit may cost `bit_weight` of squared error, in grid steps; 0 chooses the nearest.
        With `skip_certain`, an index with a certain table is not coded: it is the likeliest index.

        Raises:
            ModelFileError: the tables are not valid.
        """
        tables = read_logistic_tables(stored)
        self.bit_weight = bit_weight
        self.tables = FrequencyTables(tables.freqs, 1 << TOTAL_BITS)
        self._bits: NDArray[np.float64] | None = None  # computed when they are first needed
        self.limit = codebook_size // 2
        self.escape_bits = np.log2(codebook_size)
        num_fractions, per_octave = 1 << tables.fraction_bits, tables.per_octave
        lengths = np.count_nonzero(tables.freqs[::num_fractions], axis=1)
        self.escapes = lengths.astype(np.int64) - 1  # the last symbol of each scale
        self.skip_certain = skip_certain
        middles = np.repeat(self.escapes >> 1, num_fractions)
        self._is_open = tables.freqs[np.arange(len(middles)), middles] < CERTAIN_FREQ
        self._first_symbols = self.limit - (self.escapes >> 1)  # for a mean of zero
        # Means and scales are rounded: half a step is added, and a shift truncates. Operands are
        # arrays without axes: numpy handles them faster than Python numbers.
        self._first_tables = np.arange(0, len(tables.freqs), num_fractions).astype(np.uint16)
        self._fraction_bits = np.array(tables.fraction_bits)
        self._fraction_mask = np.array(num_fractions - 1)
        half = num_fractions >> 1
        self._per_octave = np.array(per_octave)
        self._half = np.array(half)
        unit_bits = self.unit_bits or tables.fraction_bits
        self._unit_bits, half_unit = np.array(unit_bits), 1 << unit_bits - 1
        self._scale_offset = np.array(half_unit + (LOG2_SCALE_LIMIT * per_octave << unit_bits))

    @property
    def bits(self) -> NDArray[np.float64]:
        """The bits of each symbol of each table."""
        if self._bits is None:
            self._bits = bits_of_freqs(self.tables.freqs, 1 << TOTAL_BITS)
        return self._bits

    def code(self, coder: Coder, outputs: Array, indices: Array | None) -> NDArray[np.int64]:
        """Return the indices [S], coded under outputs [S, 2]: mean and log2 of the scale.

        Real numbers are quantized to indices by their bits and their squared error. The tables
        reach past the ends of the codebook: samples from there are clamped.

        Raises:
            CorruptStreamError: a decoded index is not in the codebook.
        """
        table_ids, centres, numbers = self._split(outputs)
        if not self.skip_certain:
            return self._code_row(coder, table_ids, centres, numbers, indices)
        (places,) = self._is_open.take(table_ids).nonzero()
        coded = (centres + self.limit).clip(0, 2 * self.limit)
        if len(places):
            coded[places] = self._code_row(
                coder,
                table_ids.take(places),
                centres.take(places),
                numbers.take(places),
                None if indices is None else indices.take(places),
            )
        return coded

    def code_side_by_side(self, coders: Sequence[Coder], outputs: Array) -> NDArray[np.int64]:
        """Return indices [R, S] under outputs [R, S, 2]; each row has its own coder."""
        return self._code_rows(coders, *self._split(outputs), None)

    def settled(self, outputs: Array, indices: Array) -> NDArray[np.int64]:
        """Return known indices [...] as they are coded under outputs [..., 2].

        Certain indices that are not coded become the likeliest indices.
        """
        if not self.skip_certain:
            return indices
        return np.where(self._is_open[self._split(outputs)[0]], indices, self.likeliest(outputs))

    def _code_row(
        self, coder: Coder, table_ids: Array, centres: Array, numbers: Array, indices: Array | None
    ) -> NDArray[np.int64]:
        """Return indices [S] for what `_split` returns; see `code`."""
        known = None if indices is None else indices[None]
        rows = self._code_rows([coder], table_ids[None], centres[None], numbers[None], known)
        coded: NDArray[np.int64] = rows[0]
        return coded

    def _code_rows(
        self,
        coders: Sequence[Coder],
        table_ids: Array,
        centres: Array,
        numbers: Array,
        indices: Array | None,
    ) -> NDArray[np.int64]:
        """Return indices [R, S], each row by its own coder, for what `_split` returns."""
        start, escape = self._symbols_at(centres, numbers)
        if indices is not None and indices.dtype.kind == "f":
            indices = self._choose(indices, table_ids, start, escape)
        symbols = None if indices is None else _symbols_of(indices, start, escape)
        coded = code_rows(coders, self.tables, table_ids, symbols)
        result: NDArray[np.int64] = start + coded
        escaped = coded == escape
        if np.count_nonzero(escaped):  # a tenth of the time of any()
            for row in escaped.any(axis=1).nonzero()[0].tolist():
                places = escaped[row]
                values = None if indices is None else indices[row, places]
                result[row, places] = self._code_escaped(coders[row], int(places.sum()), values)
        # As unsigned integers, numbers below zero are the largest.
        if result.size and result.view(np.uint64).max() > 2 * self.limit:
            if any(isinstance(coder, SymbolDecoder) for coder in coders):
                raise CorruptStreamError("payload: an index that the codebook does not have")
            result = result.clip(0, 2 * self.limit)
        return result

    def rows(self, outputs: Array, indices: Array) -> Callable[[Coder, int], None]:
        """Return a function that codes a row of known indices [F, S] under outputs [F, S, 2].

        It takes the number of the row. It is like `code`, with the work that rows share done once.
        """
        table_ids, start, escape = self._tables_of(outputs)
        symbols = _symbols_of(indices, start, escape)
        escaped = symbols == escape
        any_escaped = escaped.any(axis=1)

        def code_row(coder: Coder, row: int) -> None:
            coder.code_with_tables(self.tables, table_ids[row], symbols[row])
            if any_escaped[row]:
                known = indices[row][escaped[row]]
                self._code_escaped(coder, len(known), known)

        return code_row

    def bits_of(self, outputs: Array, indices: Array) -> NDArray[np.float64]:
        """Return the bits of indices [...] under outputs [..., 2], escapes included."""
        table_ids, start, escape = self._tables_of(outputs)
        symbols = _symbols_of(indices, start, escape)
        escaped = bits_of_freqs(uniform_freqs(2 * self.limit + 1))[0, indices]
        bits: NDArray[np.float64] = self.bits[table_ids, symbols]
        bits += np.where(symbols == escape, escaped, 0.0)
        return np.where(self._is_open[table_ids], bits, 0.0) if self.skip_certain else bits

    def nearest(self, targets: Array) -> NDArray[np.int64]:
        """Return the indices closest to targets of any shape."""
        nearest: NDArray[np.int64] = np.rint(targets).astype(np.int64).clip(0, 2 * self.limit)
        return nearest

    def likeliest(self, outputs: Array) -> NDArray[np.int64]:
        """Return the likeliest indices [...] under outputs [..., 2]: those nearest to the means."""
        means = outputs[..., 0].astype(np.int64) + self._half
        return self.nearest((means >> self._fraction_bits) + self.limit)

    def _tables_of(
        self, outputs: Array
    ) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]:
        """Return table, index of the first symbol and escape symbol for outputs [..., 2]."""
        table_ids, centres, numbers = self._split(outputs)
        return table_ids, *self._symbols_at(centres, numbers)

    def _split(
        self, outputs: Array
    ) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]:
        """Return table, rounded mean and number of the scale for outputs [..., 2]."""
        centres = outputs[..., 0].astype(np.int64)  # numpy is slow with pairs
        centres += self._half
        table_ids = (centres & self._fraction_mask).astype(np.uint16)
        centres >>= self._fraction_bits
        numbers = self._scale_numbers(outputs)
        table_ids += self._first_tables.take(numbers, mode="clip")  # a larger scale gets the last
        return table_ids, centres, numbers

    def _scale_numbers(self, outputs: Array) -> NDArray[np.int64]:
        """Return the numbers [...] of the scales of outputs [..., 2]; they may be too large."""
        numbers = outputs[..., 1].astype(np.int64)
        numbers *= self._per_octave
        numbers += self._scale_offset
        numbers >>= self._unit_bits
        return numbers

    def _symbols_at(
        self, centres: Array, numbers: Array
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return index of the first symbol and escape symbol for what `_split` returns."""
        start = centres + self._first_symbols.take(numbers, mode="clip")
        return start, self.escapes.take(numbers, mode="clip")

    def _code_escaped(self, coder: Coder, count: int, indices: Array | None) -> Symbols:
        """Return escaped indices [count], coded with equal probabilities."""
        rows = np.repeat(uniform_freqs(2 * self.limit + 1), count, axis=0)
        return coder.code(rows, None if indices is None else indices.astype(np.int32))

    def _choose(
        self, targets: Array, table_ids: Array, start: Array, escape: Array
    ) -> NDArray[np.int64]:
        """Return for each target [S] the nearest index, or the next one towards the prediction.

        The latter is chosen if its saved bits outweigh its larger squared error
        (entropy-constrained quantization, Chou et al. 1989).
        """
        nearest = self.nearest(targets)
        if not self.bit_weight:
            return nearest
        towards = nearest + np.sign(start + (escape >> 1) - nearest)
        costs = []
        for candidate in (nearest, towards):
            symbols = _symbols_of(candidate, start, escape)
            bits = self.bits[table_ids, symbols] + np.where(symbols == escape, self.escape_bits, 0)
            costs.append((targets - candidate) ** 2 + self.bit_weight * bits)
        return np.where(costs[1] < costs[0], towards, nearest).clip(0, 2 * self.limit)


def _symbols_of(indices: Array, start: Array, escape: Array) -> Symbols:
    """Return the symbols of indices; the escape code for indices outside their table."""
    symbols = indices - start
    out = (symbols < 0) | (symbols > escape)
    return np.where(out, escape, symbols).astype(np.int32)
