"""The phases in which a picture's positions are coded."""

import numpy as np
import pytest

from vqcodec.priors.order import known_taps, phase_offsets, phase_places, phase_ranks

PERIODS = [1, 2, 4, 8]


def test_the_cells_are_those_of_the_format():
    assert phase_ranks(1).tolist() == [[0]]
    assert phase_ranks(2).tolist() == [[0, 2], [3, 1]]
    assert phase_ranks(4).tolist() == [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]


@pytest.mark.parametrize("period", PERIODS)
def test_every_place_of_a_cell_has_its_phase(period):
    ranks = phase_ranks(period)
    assert sorted(ranks.reshape(-1).tolist()) == list(range(period**2))
    for phase, (row, column) in enumerate(phase_offsets(period)):
        assert ranks[row, column] == phase


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_known_neighbours_are_those_of_earlier_phases(period, kernel):
    taps, ranks, offsets = known_taps(period, kernel), phase_ranks(period), phase_offsets(period)
    assert taps.shape == (period**2, kernel, kernel)
    assert not taps[0].any()
    reach = kernel // 2
    assert not taps[:, reach, reach].any()
    for phase, row, column in np.ndindex(taps.shape):
        y, x = offsets[phase][0] + row - reach, offsets[phase][1] + column - reach
        assert taps[phase, row, column] == (ranks[y % period, x % period] < phase)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 5), (8, 8)])
@pytest.mark.parametrize("most", [0, 1, 3, 1000])
def test_the_parts_of_phases_visit_every_position_once_and_in_every_sweep_again(
    period, height, width, most
):
    ranks = np.tile(phase_ranks(period), (height, width))[:height, :width]
    visits = np.zeros((height, width), int)
    for phase, rows, columns in phase_places(period, height, width, num_sweeps=2, most=most):
        own = ranks[rows, columns]
        last = period**2 - 1
        assert (own == phase).all() or (phase == last and visits[rows, columns].min() > 0)
        assert own.size <= max(most, own.shape[1])  # one row at least
        visits[rows, columns] += 1
    assert (visits == 3).all()
