"""The order in which the positions of an index grid are coded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]  # rows and columns


def phase_ranks(cell: Size) -> NDArray[np.int64]:
    """Return the coding phase of each place in a repeating cell, [rows, columns].

    The phases of a square cell are those of a Bayer dither matrix (Bayer 1973): every prefix covers
    the grid evenly, so later phases have known neighbours on all sides. A cell with more rows
    continues in the same way over rows. Both sides are powers of two.
    """
    rows, columns = cell
    ranks = np.zeros((1, 1), np.int64)
    while ranks.shape[1] < columns:
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    while ranks.shape[0] < rows:
        ranks = np.concatenate([2 * ranks, 2 * ranks + 1])
    return ranks


def phase_offsets(cell: Size) -> list[tuple[int, int]]:
    """Return the (row, column) in a cell of every phase, in order of phase."""
    ranks = phase_ranks(cell)
    flat = np.argsort(ranks, axis=None)
    return [(int(place) // cell[1], int(place) % cell[1]) for place in flat]


def known_taps(cell: Size, kernel: Size) -> NDArray[np.bool_]:
    """Return [phases, *kernel]: whether a neighbour is known when a phase begins."""
    ranks = phase_ranks(cell)
    down, across = (np.arange(size) - size // 2 for size in kernel)
    known = []
    for phase, (row, column) in enumerate(phase_offsets(cell)):
        rows = (row + down)[:, None] % cell[0]
        columns = (column + across)[None, :] % cell[1]
        known.append(ranks[rows, columns] < phase)
    return np.stack(known)


def phase_places(
    cell: Size, height: int, width: int, num_sweeps: int, most: int
) -> Iterator[tuple[int, slice, slice]]:
    """Yield the positions of every phase of a grid, in parts of at most `most`, or of one row.

    Each part is a phase, and the rows and the columns of its positions. Sweeps over all positions
    follow, in which all of them count as the last phase.
    """
    offsets = phase_offsets(cell)
    last = len(offsets) - 1
    for phase, (row, column) in [*enumerate(offsets), *num_sweeps * [(last, at) for at in offsets]]:
        if row >= height or column >= width:
            continue
        columns = slice(column, width, cell[1])
        step = max(1, most // len(range(column, width, cell[1]))) * cell[0]
        for start in range(row, height, step):
            yield phase, slice(start, min(start + step, height), cell[0]), columns
