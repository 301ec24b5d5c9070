"""The order in which the positions of a picture's index grid are coded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def phase_ranks(period: int) -> NDArray[np.int64]:
    """Return [period, period]: the coding phase of each place in a repeating square cell.

    The phases are those of a Bayer dither matrix (Bayer 1973): every prefix covers the grid evenly,
    so later phases have known neighbours on all sides. `period` is a power of two.
    """
    ranks = np.zeros((1, 1), np.int64)
    while len(ranks) < period:
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    return ranks


def phase_offsets(period: int) -> list[tuple[int, int]]:
    """Return the (row, column) in a cell of every phase, in order of phase."""
    ranks = phase_ranks(period)
    flat = np.argsort(ranks, axis=None)
    return [(int(place) // period, int(place) % period) for place in flat]


def known_taps(period: int, kernel_size: int) -> NDArray[np.bool_]:
    """Return [phases, kernel, kernel]: whether a neighbour is known when a phase begins."""
    ranks = phase_ranks(period)
    reach = np.arange(kernel_size) - kernel_size // 2
    known = []
    for phase, (row, column) in enumerate(phase_offsets(period)):
        rows = (row + reach)[:, None] % period
        columns = (column + reach)[None, :] % period
        known.append(ranks[rows, columns] < phase)
    return np.stack(known)


def phase_places(
    period: int, height: int, width: int, num_sweeps: int, most: int
) -> Iterator[tuple[int, slice, slice]]:
    """Yield the positions of every phase of a grid, in parts of at most `most`, or of one row.

    Each part is a phase, and the rows and the columns of its positions. Sweeps over all positions
    follow, in which all of them count as the last phase.
    """
    offsets = phase_offsets(period)
    last = len(offsets) - 1
    for phase, (row, column) in [*enumerate(offsets), *num_sweeps * [(last, at) for at in offsets]]:
        if row >= height or column >= width:
            continue
        columns = slice(column, width, period)
        step = max(1, most // len(range(column, width, period))) * period
        for start in range(row, height, step):
            yield phase, slice(start, min(start + step, height), period), columns
