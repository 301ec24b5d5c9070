"""Ticks of axes: few, round, and where the values are."""

import pytest

from vqcodec.evaluation.ticks import logarithmic_ticks, ticks_between, ticks_from_zero


def test_rates_have_ticks_at_1_2_and_5_or_at_powers_of_ten_alone():
    assert logarithmic_ticks(-1.1, 0.4) == pytest.approx([0.1, 0.2, 0.5, 1, 2])
    assert logarithmic_ticks(-2, 2) == pytest.approx([0.01, 0.1, 1, 10, 100])


def test_values_have_the_multiples_of_a_round_step_that_lie_inside():
    assert ticks_between(23.7, 36.1) == [25, 30, 35]
    assert ticks_between(0.95, 0.96) == [0.95, 0.952, 0.954, 0.956, 0.958, 0.96]
    assert ticks_between(-1, 1) == [-1, -0.5, 0, 0.5, 1]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1]),
        (-1, [0, 1]),
        (1, [0, 0.5, 1]),
        (0.3, [0, 0.1, 0.2, 0.3]),
        (4, [0, 1, 2, 3, 4]),
        (17, [0, 5, 10, 15, 20]),
        (1100, [0, 500, 1000, 1500]),
    ],
)
def test_amounts_have_ticks_from_zero_to_the_highest_or_just_above(highest, ticks):
    assert ticks_from_zero(highest, 4) == pytest.approx(ticks)
