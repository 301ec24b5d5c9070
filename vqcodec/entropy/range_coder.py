"""Range coding of symbols; only this folder imports constriction.

A prior is one loop over `Coder.code`. The coder decides the result: a `SymbolEncoder` compresses, a
`SymbolDecoder` decompresses, a `SymbolSampler` samples. docs/FORMAT.md defines the payload.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import constriction
import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs
from vqcodec.entropy.tables import FEW, ROWS, FrequencyTables, as_weights
from vqcodec.errors import CorruptStreamError, UsageError

Symbols = NDArray[np.int32]

_WORD_BYTES = 4
_STATE_WORDS = 2


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
    ) -> Symbols:
        """Code the next symbols and return them, [S]; symbol s has the table `table_ids[s]`.

        The symbols are coded in increasing order of table, and in order of index within a table.
        """


class SymbolEncoder:
    """Turns symbols into the shortest payload that decodes to them."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:
        """Append `symbols` [S], coded under `freqs` [S, N], and return them."""
        assert symbols is not None, "an encoder needs the symbols"
        if freqs.shape[1] > 1:
            self._encoder.encode(symbols, ROWS, as_weights(freqs))
        return symbols

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,
    ) -> Symbols:
        """Append `symbols` [S], coded under the tables `table_ids` [S], and return them."""
        assert symbols is not None, "an encoder needs the symbols"
        order, runs = tables.parts(table_ids)
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
        return self.decode_rows(as_weights(freqs))

    def decode_rows(self, weights: NDArray[np.float64]) -> Symbols:
        """Return the next symbols [S]; weights [S, N] are frequencies, N at least 2.

        Raises:
            CorruptStreamError: no symbols encode to this payload.
        """
        try:
            decoded: Symbols = self._decoder.decode(ROWS, weights)
        except AssertionError as error:  # how constriction reports impossible data
            raise CorruptStreamError("payload: no symbols encode to it") from error
        self._encoder.encode(decoded, ROWS, weights)
        return decoded

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,  # noqa: ARG002
    ) -> Symbols:
        """Return the next symbols [S], which were coded under the tables `table_ids` [S].

        Raises:
            CorruptStreamError: no symbols encode to this payload.
        """
        order, runs = tables.parts(table_ids)
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
    ) -> Symbols:
        """Return symbols [S] drawn under the tables `table_ids` [S]."""
        return self.code(tables.freqs[table_ids])


def code_rows(
    coders: Sequence[Coder],
    tables: FrequencyTables,
    table_ids: NDArray[np.uint16],
    symbols: Symbols | None,
) -> Symbols:
    """Code the next symbols of each coder and return them, [R, S].

    The result is that of `Coder.code_with_tables` with each row of `table_ids` [R, S] and of
    `symbols` [R, S]. Several decoders share the work of sorting.

    Raises:
        CorruptStreamError: no symbols encode to a payload.
    """
    few = len(coders) > 1 and 0 < table_ids.shape[1] <= FEW
    if few and all(isinstance(coder, SymbolDecoder) for coder in coders):
        return _decode_rows(cast("Sequence[SymbolDecoder]", coders), tables, table_ids)
    coded = np.empty(table_ids.shape, np.int32)
    for row, coder in enumerate(coders):
        known = None if symbols is None else symbols[row]
        coded[row] = coder.code_with_tables(tables, table_ids[row], known)
    return coded


def _decode_rows(
    decoders: Sequence[SymbolDecoder], tables: FrequencyTables, table_ids: NDArray[np.uint16]
) -> Symbols:
    order, places, bounds, weights_of_runs = tables.runs(table_ids)
    num_symbols = table_ids.shape[1]
    in_order = np.zeros(table_ids.size, np.int32)
    for start, stop, weights in zip(bounds[:-1], bounds[1:], weights_of_runs, strict=True):
        if weights.shape[1] > 1:
            rows = weights.take(places[start:stop], axis=0)
            in_order[start:stop] = decoders[start // num_symbols].decode_rows(rows)
    decoded = np.empty_like(in_order)
    decoded[order] = in_order
    return decoded.reshape(table_ids.shape)


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
