"""The phases in which a picture's positions are coded."""

import numpy as np
import pytest

from vqcodec.priors.order import known_taps, phase_offsets, phase_places, phase_ranks

CELLS = [(1, 1), (2, 2), (4, 4), (8, 8), (2, 1), (8, 1), (4, 2)]


def test_the_cells_are_those_of_the_format():
    assert phase_ranks((1, 1)).tolist() == [[0]]
    assert phase_ranks((2, 2)).tolist() == [[0, 2], [3, 1]]
    four = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]
    assert phase_ranks((4, 4)).tolist() == four
    assert phase_ranks((8, 1)).T.tolist() == [[0, 4, 2, 6, 1, 5, 3, 7]]


@pytest.mark.parametrize("cell", CELLS)
def test_every_place_of_a_cell_has_its_phase(cell):
    ranks = phase_ranks(cell)
    assert ranks.shape == cell
    assert sorted(ranks.reshape(-1).tolist()) == list(range(ranks.size))
    for phase, (row, column) in enumerate(phase_offsets(cell)):
        assert ranks[row, column] == phase


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5), (9, 1)])
def test_known_neighbours_are_those_of_earlier_phases(cell, kernel):
    taps, ranks, offsets = known_taps(cell, kernel), phase_ranks(cell), phase_offsets(cell)
    assert taps.shape == (ranks.size, *kernel)
    assert not taps[0].any()
    above, left = kernel[0] // 2, kernel[1] // 2
    assert not taps[:, above, left].any()
    for phase, row, column in np.ndindex(taps.shape):
        y, x = offsets[phase][0] + row - above, offsets[phase][1] + column - left
        assert taps[phase, row, column] == (ranks[y % cell[0], x % cell[1]] < phase)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 5), (8, 8)])
@pytest.mark.parametrize("most", [0, 1, 3, 1000])
def test_the_parts_of_phases_visit_every_position_once_and_in_every_sweep_again(
    cell, height, width, most
):
    ranks = np.tile(phase_ranks(cell), (height, width))[:height, :width]
    visits = np.zeros((height, width), int)
    for phase, rows, columns in phase_places(cell, height, width, num_sweeps=2, most=most):
        own = ranks[rows, columns]
        last = cell[0] * cell[1] - 1
        assert (own == phase).all() or (phase == last and visits[rows, columns].min() > 0)
        assert own.size <= max(most, own.shape[1])  # one row at least
        visits[rows, columns] += 1
    assert (visits == 3).all()
