"""Symbols as plain bits, each with its own number of them, for when no prior is used."""

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import CorruptStreamError

Symbols = NDArray[np.int32]


def pack(symbols: Symbols, bits_per_symbol: NDArray[np.int64] | int) -> bytes:
    """Return the lowest bits of every symbol, end to end, highest bit first.

    Args:
        symbols: [S], each from 0 and below 2**bits.
        bits_per_symbol: [S] or one number for all, 0 … 31.

    Returns:
        As few bytes as hold the bits; what is left over of the last byte is 0.
    """
    owners, places = _layout(bits_per_symbol, len(symbols))
    bits = symbols[owners] >> places & 1
    assert np.array_equal(symbols, _join(bits, owners, places, len(symbols))), "too few bits"
    return np.packbits(bits.astype(np.uint8)).tobytes()


def unpack(payload: bytes, bits_per_symbol: NDArray[np.int64] | int, num_symbols: int) -> Symbols:
    """Return the symbols [S] that `pack` turned into this payload, S = num_symbols.

    Raises:
        CorruptStreamError: the payload has another length, or its left-over bits are not 0.
    """
    owners, places = _layout(bits_per_symbol, num_symbols)
    num_bytes = -(-len(owners) // 8)
    if len(payload) != num_bytes:
        raise CorruptStreamError(f"payload: {len(payload)} bytes, needed {num_bytes}")
    bits = np.unpackbits(np.frombuffer(payload, np.uint8))
    if bits[len(owners) :].any():
        raise CorruptStreamError("payload: a bit is set after the last symbol")
    return _join(bits[: len(owners)], owners, places, num_symbols)


def _layout(
    bits_per_symbol: NDArray[np.int64] | int, num_symbols: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for every bit of the payload, its symbol and its place in it, 0 for the lowest."""
    widths = np.broadcast_to(np.asarray(bits_per_symbol, np.int64), num_symbols)
    owners = np.repeat(np.arange(num_symbols), widths)
    places = widths.cumsum()[owners] - 1 - np.arange(len(owners))
    return owners, places


def _join(
    bits: NDArray[np.generic],
    owners: NDArray[np.int64],
    places: NDArray[np.int64],
    num_symbols: int,
) -> Symbols:
    """Return symbols [S] from single bits; the sums are exact, being below 2**31."""
    values = bits.astype(np.int64) << places
    return np.bincount(owners, values, minlength=num_symbols).astype(np.int32)
