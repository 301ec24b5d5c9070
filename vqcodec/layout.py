"""Networks over long sounds and large pictures, piece by piece, as if in one go."""

from __future__ import annotations

import itertools
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
    """How the axes of a signal lie on the axes of its grid of latents.

    Attributes:
        step: samples or pixels of one position of the grid.
        tail_trim: how many fewer samples than `step` the last position has.
        encoder_reach: positions on each side that the encoder looks at.
        decoder_reach: positions on each side that the decoder looks at.
        window: positions that are computed at a time, along each axis.
        segment: positions that are entropy-coded together, along each axis.
    """

    step: int
    tail_trim: int
    encoder_reach: int
    decoder_reach: int
    window: int
    segment: int


def spans(length: int, size: int) -> list[tuple[int, int]]:
    """Return the starts and stops that cut 0 … length into pieces of at most `size`."""
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def pieces(grid: tuple[int, ...], size: int) -> Iterator[Place]:
    """Yield slices that cut a grid into pieces of at most `size` along each axis, row by row."""
    for corner in itertools.product(*(spans(length, size) for length in grid)):
        yield tuple(slice(start, stop) for start, stop in corner)


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
        signal: gives the signal at a place of its own axes; the places come row by row.
        grid: the size of all latents.
        geometry: of the networks.
        region: positions of the grid that are wanted; all by default.
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
    """Yield places in the signal and what decodes there, [B, C, ...], window by window.

    Args:
        decode: latents [B, D, ...], and where in the grid they begin, to a signal.
        latents: gives the latents at a place of the grid; the places come row by row.
        grid: the size of all latents.
        geometry: of the networks.
        region: positions of the grid that are wanted; all by default.
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
    """Return a place with `reach` positions more on each side, as far as the grid has them."""
    return tuple(
        slice(max(0, axis.start - reach), min(length, axis.stop + reach))
        for axis, length in zip(place, grid, strict=True)
    )


def whole(grid: tuple[int, ...]) -> Place:
    """Return the place of all positions."""
    return tuple(slice(0, length) for length in grid)


def sizes(place: Place) -> tuple[int, ...]:
    """Return how many positions a place has along each axis."""
    return tuple(axis.stop - axis.start for axis in place)


def shifted(place: Place, region: Place) -> Place:
    """Return where a place lies in a region that holds it."""
    return tuple(
        slice(axis.start - first.start, axis.stop - first.start)
        for axis, first in zip(place, region, strict=True)
    )


def at(array: NDArray[Number], place: Place) -> NDArray[Number]:
    """Return the view of an array [..., *axes] that slices of its last axes give."""
    index: tuple[slice | EllipsisType, ...] = (..., *place)
    return array[index]
