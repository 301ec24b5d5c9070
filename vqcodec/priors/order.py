"""The order in which the positions of a picture's index grid are coded."""

from __future__ import annotations

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
