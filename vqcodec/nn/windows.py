"""Networks over long sounds and large pictures, piece by piece, as if in one go."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the axes of a signal lie on the axes of its grid of latents.

    Attributes:
        step: samples or pixels of one position of the grid.
        missing: how many fewer samples than `step` the last position has.
        encoder_reach: positions on each side that the encoder looks at.
        decoder_reach: positions on each side that the decoder looks at.
        window: positions that are computed at a time, along each axis.
        segment: positions that are entropy-coded together, along each axis.
    """

    step: int
    missing: int
    encoder_reach: int
    decoder_reach: int
    window: int
    segment: int


def spans(length: int, size: int) -> list[tuple[int, int]]:
    """Return the starts and stops that cut 0 … length into pieces of at most `size`."""
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def pieces(grid: tuple[int, ...], size: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices that cut a grid into pieces of at most `size` along each axis, row by row."""
    for corner in itertools.product(*(spans(length, size) for length in grid)):
        yield tuple(slice(start, stop) for start, stop in corner)


def encode_windows(
    encode: Callable[[Tensor], Tensor], signal: Tensor, grid: tuple[int, ...], geometry: Geometry
) -> Tensor:
    """Return the latents [1, D, *grid] of a signal [1, C, ...], window by window."""
    result: Tensor | None = None
    for piece in pieces(grid, geometry.window):
        wide, inner = _widen(piece, grid, geometry.encoder_reach)
        place = tuple(
            slice(axis.start * geometry.step, axis.stop * geometry.step - geometry.missing)
            for axis in wide
        )
        found = at(encode(at(signal, place)), inner)
        if result is None:
            result = found.new_empty(*found.shape[:2], *grid)
        at(result, piece).copy_(found)
    assert result is not None, "a grid without positions"
    return result


def decode_windows(
    decode: Callable[[Tensor], Tensor],
    latents: Callable[[tuple[slice, ...]], Tensor],
    grid: tuple[int, ...],
    geometry: Geometry,
) -> Iterator[tuple[tuple[slice, ...], Tensor]]:
    """Yield places in the signal and what decodes there, [1, C, ...], window by window.

    Args:
        decode: latents [1, D, ...] to a signal.
        latents: gives the latents at some positions of the grid.
        grid: its size.
        geometry: of the networks.
    """
    for piece in pieces(grid, geometry.window):
        wide, _ = _widen(piece, grid, geometry.decoder_reach)
        decoded = decode(latents(wide))
        place, inner = [], []
        for axis, around, length in zip(piece, wide, grid, strict=True):
            start = axis.start * geometry.step
            stop = axis.stop * geometry.step - (geometry.missing if axis.stop == length else 0)
            place.append(slice(start, stop))
            inner.append(
                slice(start - around.start * geometry.step, stop - around.start * geometry.step)
            )
        yield tuple(place), at(decoded, tuple(inner))


def _widen(
    piece: tuple[slice, ...], grid: tuple[int, ...], reach: int
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return a piece widened by `reach` inside the grid, and where the piece lies in that."""
    wide = tuple(
        slice(max(0, axis.start - reach), min(length, axis.stop + reach))
        for axis, length in zip(piece, grid, strict=True)
    )
    inner = tuple(
        slice(axis.start - around.start, axis.stop - around.start)
        for axis, around in zip(piece, wide, strict=True)
    )
    return wide, inner


def at(tensor: Tensor, place: tuple[slice, ...]) -> Tensor:
    """Return the view of a tensor [..., *axes] that slices of its last axes give."""
    whole: tuple[slice | EllipsisType, ...] = (..., *place)
    return tensor[whole]
