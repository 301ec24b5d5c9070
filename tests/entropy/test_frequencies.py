from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.entropy.frequencies import (
    MAX_ALPHABET,
    TOTAL,
    freqs_from_exponents,
    freqs_from_probabilities,
    make_exp2_table,
    uniform_freqs,
)

TABLE = make_exp2_table()


def freqs_in_fractions(z, table):
    """One row of `freqs_from_exponents`, without numpy and without rounding."""
    weights = [int(table[min(value, len(table) - 1)]) for value in z]
    scale = Fraction(TOTAL - len(z), max(sum(weights), 1))
    shares = [weight * scale for weight in weights]
    freqs = [1 + share.numerator // share.denominator for share in shares]
    freqs[z.index(min(z))] += TOTAL - sum(freqs)
    return freqs


@pytest.mark.parametrize("size", [1, 2, 3, 7, 511, 1024, MAX_ALPHABET])
def test_uniform_frequencies_differ_by_the_remainder_only(size):
    first, *others = uniform_freqs(size)[0].tolist()
    assert first == TOTAL // size + TOTAL % size
    assert others == [TOTAL // size] * (size - 1)


@pytest.mark.parametrize("num_rows", [0, 1, 2, 65])
@pytest.mark.parametrize("alphabet", [1, 2, 3, 1024, MAX_ALPHABET])
def test_rows_are_positive_and_sum_to_the_total(num_rows, alphabet):
    rng = np.random.default_rng(alphabet)
    z = rng.integers(0, 7000, (num_rows, alphabet))
    probabilities = rng.random((num_rows, alphabet)) ** 20 + 1e-300
    for freqs in (freqs_from_exponents(z, TABLE), freqs_from_probabilities(probabilities)):
        assert freqs.shape == (num_rows, alphabet)
        assert freqs.dtype == np.uint32
        assert np.all(freqs >= 1)
        assert np.all(freqs.sum(axis=1) == TOTAL)


@given(
    st.lists(st.integers(0, 6000), min_size=1, max_size=40),
    st.lists(st.integers(0, 2**32), min_size=1, max_size=40),
)
def test_frequencies_from_exponents_equal_exact_fractions(z, weights):
    for table in (TABLE, np.array(weights)):
        assert freqs_from_exponents(np.array([z]), table)[0].tolist() == freqs_in_fractions(
            z, table
        )


@pytest.mark.parametrize("alphabet", [2, 3, 7, 255, MAX_ALPHABET])
@pytest.mark.parametrize("weight", [1, 2**20, 2**32])
def test_quotients_next_to_an_integer_are_truncated_exactly(alphabet, weight):
    rng = np.random.default_rng(alphabet)
    table = weight - np.sort(rng.integers(0, min(weight, 3) + 1, 50))
    z = rng.integers(0, 50, (4, alphabet))
    freqs = freqs_from_exponents(z, table)
    for row, expected in zip(freqs.tolist(), z.tolist(), strict=True):
        assert row == freqs_in_fractions(expected, table)


def test_the_remainder_goes_to_the_first_of_the_most_likely_symbols():
    assert freqs_from_exponents(np.array([[9, 0, 0]]), np.array([1, 1]))[0].tolist() == [
        21845,
        21846,
        21845,
    ]
    assert freqs_from_probabilities(np.array([[0.0, 0.5, 0.5]]))[0].tolist() == [1, 32768, 32767]


def test_rows_do_not_depend_on_one_another():
    z = np.random.default_rng(0).integers(0, 4000, (64, 200))
    together = freqs_from_exponents(z, TABLE)
    assert np.array_equal(
        together, np.concatenate([freqs_from_exponents(row[None], TABLE) for row in z])
    )


def test_the_exponents_are_not_changed():
    z = np.arange(12).reshape(2, 6)
    freqs_from_exponents(z, TABLE)
    assert np.array_equal(z, np.arange(12).reshape(2, 6))


def test_the_table_halves_every_256_steps_and_ends_at_its_first_zero():
    assert TABLE[::256].tolist() == [2**bits for bits in range(20, -1, -1)] + [0]
    assert np.flatnonzero(TABLE == 0).tolist() == [len(TABLE) - 1]
    assert np.all(np.diff(TABLE) <= 0)


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [-0.1, 1.0]])
def test_invalid_probabilities_are_refused(row):
    with pytest.raises(AssertionError):
        freqs_from_probabilities(np.array([row]))
