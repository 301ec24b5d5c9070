"""Frequency tables that are used many times, with what constriction needs of them."""

import itertools
from typing import Any, NamedTuple

import constriction
import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import TOTAL, Freqs
from vqcodec.errors import ModelFileError

FEW = 128  # symbols
_MANY = 16  # from so many symbols of one table, a separate call is faster than rows of weights
_MOST_WEIGHTS = 1 << 20  # in one call, to bound memory
_Categorical = constriction.stream.model.Categorical
ROWS = _Categorical(perfect=False)  # takes one row of frequencies per symbol


# A run of symbols that are sorted by table: start, stop, a constriction model, and the model's
# weights, one row per symbol (None for a model of a single table).
Part = tuple[int, int, Any, NDArray[np.float64] | None]
Parts = tuple[NDArray[np.intp], list[Part]]  # the sorting order of the symbols, and the runs


class Runs(NamedTuple):
    """Runs of symbols whose tables have one length, in R rows of S symbols sorted by table."""

    order: NDArray[np.intp]  # [R * S], positions of the sorted symbols in the rows, flattened
    places: NDArray[np.intp]  # [R * S], rows of the sorted symbols in the weights of their run
    bounds: list[int]  # starts of the runs, and the end of the last
    weights: list[NDArray[np.float64]]  # of all tables of a run's length


class FrequencyTables:
    """Frequency tables that are used many times; a symbol gives its table by number.

    Args:
        freqs: [T, N] with T up to 65536; every row sums to `total`. A row with fewer than N symbols
            ends in zeros; all its other entries are at least 1.
        total: a power of two, 2**24 or less.

    Raises:
        ModelFileError: the frequencies, which come from a model file, are not such tables.
    """

    def __init__(self, freqs: Freqs, total: int = TOTAL) -> None:
        if freqs.ndim != 2 or freqs.size == 0 or len(freqs) > 1 << 16:
            raise ModelFileError(f"frequency tables: shape {freqs.shape}, needed [1 … 65536, N]")
        lengths = np.count_nonzero(freqs, axis=1)
        if np.any((freqs > 0) != (np.arange(freqs.shape[1]) < lengths[:, None])):
            raise ModelFileError("frequency tables: a zero before the end of a row")
        if np.any(freqs.sum(axis=1, dtype=np.int64) != total):
            raise ModelFileError(f"frequency tables: a row that does not sum to {total}")
        self.freqs = freqs
        # Tables of equal length are coded in one call. So their weights are in one array, and
        # `_places` has the row of each table in it.
        self._lengths = lengths
        self._weights: dict[int, NDArray[np.float64]] = {}
        self._places = np.zeros(len(freqs), np.intp)
        for length in sorted(set(lengths.tolist())):  # np.unique imports much on its first use
            same = np.flatnonzero(lengths == length)
            self._weights[length] = as_weights(freqs[same, :length])
            self._places[same] = np.arange(len(same))
        self._models: dict[int, Any] = {}  # of single tables, made on first use

    def parts(self, table_ids: NDArray[np.uint16]) -> Parts:
        """Return the order that sorts symbols by table, and the runs of the sorted symbols.

        Args:
            table_ids: [S], the table of each symbol.

        Returns:
            the stable sorting order [S], and the runs. A table with a single symbol needs no bits
            and is in no run.
        """
        order = table_ids.argsort(kind="stable")  # a radix sort, because the numbers have 16 bits
        in_order = table_ids.take(order)
        if len(in_order) <= FEW:
            return order, self._few_parts(in_order)
        starts = np.concatenate([[0], (in_order[1:] != in_order[:-1]).nonzero()[0] + 1])
        counts = np.diff(starts, append=len(in_order))
        lengths = self._lengths.take(in_order.take(starts))
        # One call for each table with many symbols; one for other adjacent tables of equal length.
        many = counts >= _MANY
        begins = np.ones(len(starts), np.bool_)
        begins[1:] = many[1:] | many[:-1] | (lengths[1:] != lengths[:-1])
        firsts = begins.nonzero()[0]
        bounds = [*starts.take(firsts).tolist(), len(in_order)]
        parts: list[Part] = []
        for (start, stop), length, alone in zip(
            itertools.pairwise(bounds),
            lengths.take(firsts).tolist(),
            many.take(firsts).tolist(),
            strict=True,
        ):
            if length == 1:
                continue
            if alone:
                parts.append((start, stop, self._model(int(in_order[start])), None))
                continue
            step = _MOST_WEIGHTS // length
            for first in range(start, stop, step):
                last = min(stop, first + step)
                places = self._places.take(in_order[first:last])
                parts.append((first, last, ROWS, self._weights[length].take(places, axis=0)))
        return order, parts

    def _few_parts(self, in_order: NDArray[np.uint16]) -> list[Part]:
        """Return the runs of few sorted symbols: one for each length of tables."""
        if not len(in_order):
            return []
        lengths = self._lengths.take(in_order)
        starts = [0, *((lengths[1:] != lengths[:-1]).nonzero()[0] + 1).tolist(), len(in_order)]
        parts: list[Part] = []
        for start, stop in itertools.pairwise(starts):
            length = int(lengths[start])
            if length > 1:
                places = self._places.take(in_order[start:stop])
                parts.append((start, stop, ROWS, self._weights[length].take(places, axis=0)))
        return parts

    def runs(self, table_ids: NDArray[np.uint16]) -> Runs:
        """Return the runs of equal table length in rows of few symbols, each row sorted by table.

        Args:
            table_ids: [R, S], the table of each symbol, S at least 1.
        """
        num_rows, num_symbols = table_ids.shape
        order = table_ids.argsort(axis=1, kind="stable")
        order += np.arange(num_rows)[:, None] * num_symbols
        flat = order.reshape(-1)
        in_order = table_ids.reshape(-1).take(flat)
        lengths = self._lengths.take(in_order)
        begins = np.empty(len(in_order), np.bool_)
        np.not_equal(lengths[1:], lengths[:-1], out=begins[1:])
        begins[::num_symbols] = True
        starts = begins.nonzero()[0]
        return Runs(
            flat,
            self._places.take(in_order),
            [*starts.tolist(), len(in_order)],
            [self._weights[length] for length in lengths.take(starts).tolist()],
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out constriction's models, which cannot be pickled and are made again on use."""
        return {**self.__dict__, "_models": {}}

    def _model(self, table: int) -> Any:
        """Return the constriction model of one table."""
        model = self._models.get(table)
        if model is None:
            weights = self._weights[int(self._lengths[table])][self._places[table]]
            model = self._models[table] = _Categorical(weights, perfect=False)
        return model


def as_weights(freqs: Freqs) -> NDArray[np.float64]:
    """Return `freqs` as constriction's weights: C-contiguous float64.

    constriction divides each row by its sum, which is exact because the sum is a power of two.
    """
    return np.ascontiguousarray(freqs, np.float64)
