"""Range coding of symbols; only this module imports constriction.

A prior is one loop over `Coder.code`. The coder decides the result: a `SymbolEncoder` compresses, a
`SymbolDecoder` decompresses, a `SymbolSampler` samples. docs/FORMAT.md defines the payload.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import TOTAL, Freqs
from vqcodec.errors import CorruptStreamError, ModelFileError, UsageError

Symbols = NDArray[np.int32]

_FEW = 128  # symbols
_MANY = 16  # from so many symbols of one table, a separate call is faster than rows of weights
_MOST_WEIGHTS = 1 << 20  # in one call, to bound memory
_WORD_BYTES = 4
_STATE_WORDS = 2

_Categorical = constriction.stream.model.Categorical
_ROWS = _Categorical(perfect=False)  # takes one row of frequencies per symbol


# A run of symbols that are sorted by table: start, stop, a constriction model, and the model's
# weights, one row per symbol (None for a model of a single table).
Part = tuple[int, int, Any, NDArray[np.float64] | None]
Parts = tuple[NDArray[np.intp], list[Part]]  # the sorting order of the symbols, and the runs


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
        # Tables of equal length share a call: their weights, and each table's row in them.
        self._lengths = lengths
        self._weights: dict[int, NDArray[np.float64]] = {}
        self._places = np.zeros(len(freqs), np.intp)
        for length in np.unique(lengths).tolist():
            same = np.flatnonzero(lengths == length)
            self._weights[length] = _as_weights(freqs[same, :length])
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
        if len(in_order) <= _FEW:
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
                parts.append((first, last, _ROWS, self._weights[length].take(places, axis=0)))
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
                parts.append((start, stop, _ROWS, self._weights[length].take(places, axis=0)))
        return parts

    def parts_of_rows(self, table_ids: NDArray[np.uint16]) -> Sequence[Parts | None]:
        """Return `parts` of each row of `table_ids` [R, S]; work that rows share is done once.

        A row is None if this is not faster: the coder then calls `parts` itself.
        """
        num_rows, num_symbols = table_ids.shape
        if num_rows == 1 or not 0 < num_symbols <= _FEW:
            return [None] * num_rows
        order = table_ids.argsort(axis=1, kind="stable")
        firsts = np.arange(num_rows)[:, None] * num_symbols
        in_order = table_ids.reshape(-1).take((order + firsts).reshape(-1))
        lengths, places = self._lengths.take(in_order), self._places.take(in_order)
        begins = np.empty(len(in_order), np.bool_)
        np.not_equal(lengths[1:], lengths[:-1], out=begins[1:])
        begins[::num_symbols] = True
        starts = begins.nonzero()[0]
        run_lengths = lengths.take(starts).tolist()
        # Gather the weights of all runs of one length at once; each run takes its rows from them.
        pieces = {
            length: self._weights[length].take(places[lengths == length], axis=0)
            for length in set(run_lengths)
            if length > 1
        }
        used = dict.fromkeys(pieces, 0)
        rows: list[list[Part]] = [[] for _ in range(num_rows)]
        bounds = [*starts.tolist(), len(in_order)]
        for (start, stop), length in zip(itertools.pairwise(bounds), run_lengths, strict=True):
            if length == 1:
                continue
            row, place, count = start // num_symbols, start % num_symbols, stop - start
            weights = pieces[length][used[length] : used[length] + count]
            used[length] += count
            rows[row].append((place, place + count, _ROWS, weights))
        return list(zip(order, rows, strict=True))

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


class Coder(Protocol):
    """Codes symbols under frequencies: the interface of encoder, decoder and sampler."""

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:
        """Code the next symbols under `freqs` and return them, [S].

        Args:
            freqs: [S, N], every entry at least 1, every row summing to `TOTAL`.
            symbols: [S] in 0 … N - 1; an encoder needs them, other coders ignore them.
        """

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,
        parts: Parts | None = None,
    ) -> Symbols:
        """Code the next symbols and return them, [S]; symbol s has the table `table_ids[s]`.

        The symbols are coded in increasing order of table, and in order of index within a table.
        Pass `parts` if `tables.parts` was computed before.
        """


class SymbolEncoder:
    """Turns symbols into the shortest payload that decodes to them."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:
        """Append `symbols` [S], coded under `freqs` [S, N], and return them."""
        assert symbols is not None, "an encoder needs the symbols"
        if freqs.shape[1] > 1:
            self._encoder.encode(symbols, _ROWS, _as_weights(freqs))
        return symbols

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,
        parts: Parts | None = None,
    ) -> Symbols:
        """Append `symbols` [S], coded under the tables `table_ids` [S], and return them."""
        assert symbols is not None, "an encoder needs the symbols"
        order, runs = parts or tables.parts(table_ids)
        in_order = symbols[order]
        for start, stop, model, rows in runs:
            if rows is None:
                self._encoder.encode(in_order[start:stop], model)
            else:
                self._encoder.encode(in_order[start:stop], model, rows)
        return symbols

    def finish(self) -> bytes:
        """Return the payload of all symbols so far; it is empty for none."""
        return _shortest_payload(self._encoder)


class SymbolDecoder:
    """Turns a payload back into symbols.

    Damage can decode to wrong symbols unnoticed: check the section's CRC first.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        words = np.frombuffer(payload + bytes(-len(payload) % _WORD_BYTES), ">u4")
        self._decoder = constriction.stream.queue.RangeDecoder(words.astype(np.uint32))
        # Encoding the decoded symbols again is cheap and gives the exact end of the payload.
        self._encoder = constriction.stream.queue.RangeEncoder()

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:  # noqa: ARG002
        """Return the next symbols [S], which were coded under `freqs` [S, N].

        Raises:
            CorruptStreamError: no symbols encode to this payload.
        """
        if freqs.shape[1] == 1:
            return np.zeros(len(freqs), np.int32)
        weights = _as_weights(freqs)
        try:
            decoded: Symbols = self._decoder.decode(_ROWS, weights)
        except AssertionError as error:  # how constriction reports impossible data
            raise CorruptStreamError("payload: no symbols encode to it") from error
        self._encoder.encode(decoded, _ROWS, weights)
        return decoded

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,  # noqa: ARG002
        parts: Parts | None = None,
    ) -> Symbols:
        """Return the next symbols [S], which were coded under the tables `table_ids` [S].

        Raises:
            CorruptStreamError: no symbols encode to this payload.
        """
        order, runs = parts or tables.parts(table_ids)
        in_order = np.zeros(len(table_ids), np.int32)
        try:
            for start, stop, model, rows in runs:
                if rows is None:
                    run = self._decoder.decode(model, stop - start)
                    self._encoder.encode(run, model)
                else:
                    run = self._decoder.decode(model, rows)
                    self._encoder.encode(run, model, rows)
                in_order[start:stop] = run
        except AssertionError as error:  # how constriction reports impossible data
            raise CorruptStreamError("payload: no symbols encode to it") from error
        decoded = np.empty_like(in_order)
        decoded[order] = in_order
        return decoded

    def finish(self) -> None:
        """Check that the payload is the one that an encoder writes for the symbols decoded.

        Raises:
            CorruptStreamError: the payload is longer or ends differently.
        """
        payload = _shortest_payload(self._encoder)
        if payload != self._payload:
            raise CorruptStreamError(
                f"payload: its {len(self._payload)} bytes do not end with the last symbol, "
                f"needed {len(payload)} bytes"
            )


class SymbolSampler:
    """Draws symbols instead of decoding them.

    Args:
        rng: the only source of randomness.
        temperature: symbols are drawn in proportion to freqs ** (1 / temperature); 0 takes the
            first most likely symbol.
    """

    def __init__(self, rng: np.random.Generator, temperature: float = 1.0) -> None:
        if not temperature >= 0:  # NaN included
            raise UsageError(f"temperature: {temperature} is not 0 or more")
        self._rng = rng
        self._temperature = temperature

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:  # noqa: ARG002
        """Return symbols [S] drawn under `freqs` [S, N]."""
        if self._temperature == 0:
            likeliest: Symbols = freqs.argmax(axis=1).astype(np.int32)
            return likeliest
        weights = (freqs / freqs.max(axis=1, keepdims=True)) ** (1 / self._temperature)
        cumulative = weights.cumsum(axis=1)
        points = self._rng.random((len(freqs), 1)) * cumulative[:, -1:]
        passed = (cumulative <= points).sum(axis=1, dtype=np.int32)
        drawn: Symbols = np.minimum(passed, np.int32(freqs.shape[1] - 1))  # a point may round up
        return drawn

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,  # noqa: ARG002
        parts: Parts | None = None,  # noqa: ARG002
    ) -> Symbols:
        """Return symbols [S] drawn under the tables `table_ids` [S]."""
        return self.code(tables.freqs[table_ids])


def _as_weights(freqs: Freqs) -> NDArray[np.float64]:
    """Return `freqs` as constriction's weights: C-contiguous float64.

    constriction divides each row by its sum, which is exact because the sum is a power of two.
    """
    return np.ascontiguousarray(freqs, np.float64)


def _shortest_payload(encoder: Any) -> bytes:
    """Return the shortest payload of the symbols in a constriction RangeEncoder.

    A payload is a fraction in base 256, so zeros at its end do not change its value. Every fraction
    in the symbols' interval decodes to them. constriction writes a multiple of
    2**32 in units of its 64-bit state, but the interval often contains a shorter fraction.
    """
    words: NDArray[np.uint32] = encoder.get_compressed()
    position: tuple[int, tuple[int, int]] = encoder.pos()
    num_words, (low, size) = position
    num_bytes = _WORD_BYTES * (num_words + _STATE_WORDS)
    end = int.from_bytes(words.astype(">u4").tobytes().ljust(num_bytes, b"\0"), "big")
    start = end - (-low % (1 << 32))  # `end` is the interval's start, rounded up
    for zero_bits in (64, 56, 48, 40, 32):  # 32 always fits: size is at least 2**32
        fraction = -(-start >> zero_bits) << zero_bits
        if fraction < start + size:
            break
    return fraction.to_bytes(num_bytes, "big").rstrip(b"\0")
