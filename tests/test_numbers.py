import math

import numpy as np
import pytest

from vqcodec.errors import UsageError
from vqcodec.numbers import as_number, counted, plain


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (63_084.4, 4, "63084"),
        (1e9, 6, "1000000000"),
        (0.33333333, 4, "0.3333"),
        (9.99999, 4, "10"),
        (1e-6, 6, "0.000001"),
        (2.50, 6, "2.5"),
        (100, 6, "100"),
        (0, 6, "0"),
        (-0.5, 6, "-0.5"),
        (float("nan"), 6, "nan"),
        (float("inf"), 6, "inf"),
    ],
)
def test_numbers_have_no_exponent(value, digits, text):
    assert plain(value, digits) == text


def test_nouns_fit_their_number():
    assert [counted(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]


@pytest.mark.parametrize("value", ["1", None, 1j, math.nan, [1]])
def test_what_is_no_number_is_named(value):
    with pytest.raises(UsageError, match=r"start_s: .* is not a number"):
        as_number(value, "start_s")


def test_numbers_become_floats_and_too_large_ones_infinite():
    assert as_number(np.float32(0.5), "x") == 0.5
    assert as_number(10**400, "x") == math.inf
    assert as_number(-(10**400), "x") == -math.inf
