"""Overlapping windows: networks run piece by piece, as in a single run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Place = tuple[slice, ...]  # from start to stop along each axis
Array: TypeAlias = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The relation between a signal and its grid of latents, the same along every axis.

    Attributes:
        step: samples or pixels per grid position.
        tail_trim: how many samples fewer than `step` the last position has.
        encoder_reach: positions on each side that the encoder needs: its receptive field, or the
            part of it that has an effect.
        decoder_reach: the same for the decoder.
        window: positions along each axis that are computed in one run.
        segment: positions that are entropy-coded together, along each axis.
    """

    step: int
    tail_trim: int
    encoder_reach: int
    decoder_reach: int
    window: int
    segment: int


def spans(length: int, size: int) -> list[tuple[int, int]]:
    """Return (start, stop) of consecutive pieces of 0 … length, each at most `size` long."""
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def pieces(grid: tuple[int, ...], size: int) -> Iterator[Place]:
    """Yield the places of a grid's pieces, at most `size` along each axis, row by row."""
    for corner in itertools.product(*(spans(length, size) for length in grid)):
        yield tuple(slice(start, stop) for start, stop in corner)


def num_pieces(grid: tuple[int, ...], size: int) -> int:
    """Return how many places `pieces` yields."""
    return math.prod(-(-length // size) for length in grid)


def piece_at(grid: tuple[int, ...], size: int, number: int) -> Place:
    """Return the place that `pieces` yields after `number` others."""
    axes = []
    for length in reversed(grid):
        number, index = divmod(number, -(-length // size))
        axes.append(slice(index * size, min((index + 1) * size, length)))
    return tuple(reversed(axes))


def encode_windows(
    encode: Callable[[Array], Array],
    signal: Callable[[Place], Array],
    grid: tuple[int, ...],
    geometry: Geometry,
    region: Place | None = None,
) -> Array:
    """Return the latents [B, D, ...] of a region, window by window.

    Args:
        encode: signal [B, C, ...] to latents.
        signal: returns the signal at a place of the signal's axes; places come row by row.
        grid: the size of the whole grid.
        geometry: of the networks.
        region: the wanted positions of the grid; all by default.
    """
    region = region or whole(grid)
    result: Array | None = None
    for piece in _pieces_of(region, geometry.window):
        wide = widened(piece, grid, geometry.encoder_reach)
        inner = shifted(piece, wide)
        place = tuple(
            slice(axis.start * geometry.step, axis.stop * geometry.step - geometry.tail_trim)
            for axis in wide
        )
        found = at(encode(signal(place)), inner)
        if result is None:
            result = np.empty((*found.shape[:2], *sizes(region)), found.dtype)
        at(result, shifted(piece, region))[...] = found
    assert result is not None, "a region without positions"
    return result


def decode_windows(
    decode: Callable[[Array, tuple[int, ...]], Array],
    latents: Callable[[Place], Array],
    grid: tuple[int, ...],
    geometry: Geometry,
    region: Place | None = None,
) -> Iterator[tuple[Place, Array]]:
    """Yield places in the signal and the decoded signal there, [B, C, ...], window by window.

    Args:
        decode: latents [B, D, ...] and their first grid position to a signal [B, C, ...].
        latents: returns the latents at a place of the grid; places come row by row.
        grid: the size of the whole grid.
        geometry: of the networks.
        region: the wanted positions of the grid; all by default.
    """
    for piece in _pieces_of(region or whole(grid), geometry.window):
        wide = widened(piece, grid, geometry.decoder_reach)
        decoded = decode(latents(wide), tuple(axis.start for axis in wide))
        place, inner = [], []
        for axis, around, length in zip(piece, wide, grid, strict=True):
            start = axis.start * geometry.step
            stop = axis.stop * geometry.step - (geometry.tail_trim if axis.stop == length else 0)
            place.append(slice(start, stop))
            inner.append(
                slice(start - around.start * geometry.step, stop - around.start * geometry.step)
            )
        yield tuple(place), at(decoded, tuple(inner))


def _pieces_of(region: Place, size: int) -> Iterator[Place]:
    """Yield the pieces of a region, at most `size` along each axis, row by row."""
    for piece in pieces(sizes(region), size):
        yield tuple(
            slice(axis.start + first.start, axis.stop + first.start)
            for axis, first in zip(piece, region, strict=True)
        )


def widened(place: Place, grid: tuple[int, ...], reach: int) -> Place:
    """Return a place extended by `reach` positions on each side, clipped to the grid."""
    return tuple(
        slice(max(0, axis.start - reach), min(length, axis.stop + reach))
        for axis, length in zip(place, grid, strict=True)
    )


def whole(grid: tuple[int, ...]) -> Place:
    """Return the place that covers a grid."""
    return tuple(slice(0, length) for length in grid)


def sizes(place: Place) -> tuple[int, ...]:
    """Return the number of positions of a place along each axis."""
    return tuple(axis.stop - axis.start for axis in place)


def shifted(place: Place, region: Place) -> Place:
    """Return a place relative to the start of a region."""
    return tuple(
        slice(axis.start - first.start, axis.stop - first.start)
        for axis, first in zip(place, region, strict=True)
    )


def at(array: NDArray[Number], place: Place) -> NDArray[Number]:
    """Return the view of an array [..., *axes] at a place of its last axes."""
    index: tuple[slice | EllipsisType, ...] = (..., *place)
    return array[index]
