"""Predictions to frequencies: tables of logistics, exponents of logits, and their checks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from predictions import outputs, there_and_back

from vqcodec.entropy.frequencies import (
    TOTAL,
    freqs_from_probabilities,
    make_exp2_table,
    uniform_freqs,
)
from vqcodec.entropy.range_coder import SymbolDecoder, SymbolEncoder, SymbolSampler
from vqcodec.errors import CorruptStreamError, ModelFileError
from vqcodec.networks.priors.heads import IndexFeatures, logistic_bits, prediction_bits
from vqcodec.priors.categorical_coding import CategoricalCoding
from vqcodec.priors.logistic import (
    FRACTION_BITS,
    LARGEST_REACH,
    LOG2_SCALE_LIMIT,
    SCALES_PER_OCTAVE,
    TOTAL_BITS,
    feature_table,
    logistic_probabilities,
    make_logistic_tables,
    num_scales,
    reach_of,
    read_logistic_tables,
    scale_of,
)
from vqcodec.priors.logistic_coding import LogisticCoding

LIMIT = 15
NUM_FRACTIONS = 1 << FRACTION_BITS
TABLES = make_logistic_tables()
ROWS = read_logistic_tables(TABLES).freqs


def coarser_tables(per_octave, num_fractions):
    """Tables with other numbers of scales and fractions than those of new models."""
    offsets = np.arange(num_fractions) / num_fractions - 0.5
    rows = []
    for number in range(num_scales(per_octave)):
        scale = scale_of(number, per_octave)
        shares = np.stack([logistic_probabilities(scale, offset) for offset in offsets])
        rows.append(freqs_from_probabilities(shares, 1 << TOTAL_BITS).reshape(-1))
    return np.concatenate(rows)


@pytest.fixture(scope="module")
def logistic():
    return LogisticCoding(TABLES, 2 * LIMIT + 1, bit_weight=0.05)


@pytest.mark.parametrize("scale", [-9.0, -5.0, 0.0, 2.3, 5.0, 9.0])
@pytest.mark.parametrize("mean", [-1000.0, -LIMIT, -0.5, 0.0, 0.47, LIMIT, 1000.0])
def test_every_index_comes_back_wherever_it_is_expected(logistic, mean, scale):
    indices = np.arange(2 * LIMIT + 1)
    predicted = outputs(np.full(len(indices), mean), scale)
    assert np.array_equal(there_and_back(logistic, predicted, indices)[1], indices)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_either_dtype_of_the_outputs_gives_the_same_payload(logistic, dtype):
    generator = np.random.default_rng(0)
    predicted = outputs(generator.normal(0, 4, 200), generator.normal(0, 2, 200))
    indices = generator.integers(0, 2 * LIMIT + 1, 200)
    payload, decoded = there_and_back(logistic, predicted.astype(dtype), indices)
    assert payload == there_and_back(logistic, predicted, indices)[0]
    assert np.array_equal(decoded, indices)


def test_an_index_far_from_its_prediction_costs_an_escape_and_itself(logistic):
    predicted = outputs(np.zeros(100), -5.0)
    distant = np.random.default_rng(0).integers(0, 10, 100)
    near, far = (
        len(there_and_back(logistic, predicted, indices)[0])
        for indices in (np.full(100, LIMIT), distant)
    )
    assert near < 4
    assert far == pytest.approx(100 * (TOTAL_BITS + np.log2(31)) / 8, rel=0.02)


def test_a_payload_that_leads_past_the_codebook_is_refused(logistic):
    predicted = outputs(np.full(50, float(LIMIT)), 4.0)
    sampler = SymbolSampler(np.random.default_rng(0))
    number = (4 + LOG2_SCALE_LIMIT) * SCALES_PER_OCTAVE
    table = np.full(50, number * NUM_FRACTIONS + NUM_FRACTIONS // 2, np.int32)  # mean in the middle
    encoder = SymbolEncoder()
    drawn = sampler.code_with_tables(logistic.tables, table)
    encoder.code_with_tables(logistic.tables, table, drawn)
    with pytest.raises(CorruptStreamError, match="does not have"):
        logistic.code(SymbolDecoder(encoder.finish()), predicted, None)


@pytest.mark.parametrize("mean", [-200.0, -LIMIT, LIMIT, 200.0])
def test_samples_past_the_codebook_are_clamped(logistic, mean):
    sampler = SymbolSampler(np.random.default_rng(0))
    drawn = logistic.code(sampler, outputs(np.full(200, mean), 4.0), None)
    assert 0 <= drawn.min() <= drawn.max() <= 2 * LIMIT


def test_the_cost_is_that_of_the_logistic_in_floats(logistic):
    generator = np.random.default_rng(0)
    means, scales = generator.normal(0, 3, 4000), generator.uniform(-1, 2, 4000)
    values = (means + generator.logistic(size=4000) * 2**scales).round().clip(-LIMIT, LIMIT)
    payload, _ = there_and_back(logistic, outputs(means, scales), values.astype(np.int64) + LIMIT)
    expected = logistic_bits(*(torch.from_numpy(array) for array in (values, means, scales)))
    assert 8 * len(payload) == pytest.approx(float(expected.sum()), rel=0.002)


def test_the_tables_are_frequencies_of_each_scale_and_fraction():
    count = num_scales(SCALES_PER_OCTAVE)
    assert ROWS.shape == (count * NUM_FRACTIONS, 2 * LARGEST_REACH + 2)
    assert (ROWS.sum(axis=1) == 1 << TOTAL_BITS).all()
    assert np.array_equal(ROWS[ROWS > 0], TABLES)
    for number in (0, count // 2, count - 1):
        scale = scale_of(number, SCALES_PER_OCTAVE)
        length = 2 * reach_of(scale) + 2
        for fraction in (0, NUM_FRACTIONS // 2):
            probabilities = logistic_probabilities(scale, fraction / NUM_FRACTIONS - 0.5)
            assert probabilities.shape == (length,)
            assert probabilities.sum() == pytest.approx(1)
            row = ROWS[number * NUM_FRACTIONS + fraction] / (1 << TOTAL_BITS)
            assert np.allclose(row[:length], probabilities, atol=length / (1 << TOTAL_BITS))
            assert not row[length:].any()


def test_scales_reach_from_the_smallest_to_the_largest():
    assert [scale_of(n, 4) for n in (0, 20, num_scales(4) - 1)] == [1 / 32, 1, 32]


@pytest.mark.parametrize("per_octave", [1, 2, 4, 8, 16])
def test_coarser_tables_are_read(logistic, per_octave):
    coding = LogisticCoding(coarser_tables(per_octave, 16), 2 * LIMIT + 1)
    generator = np.random.default_rng(0)
    means, scales = generator.normal(0, 3, 4000), generator.uniform(-1, 2, 4000)
    values = (means + generator.logistic(size=4000) * 2**scales).round().clip(-LIMIT, LIMIT)
    indices = values.astype(np.int64) + LIMIT
    payload, decoded = there_and_back(coding, outputs(means, scales, 16), indices)
    assert np.array_equal(decoded, indices)
    finer, _ = there_and_back(logistic, outputs(means, scales), indices)
    assert 0.999 * len(finer) < len(payload) < 1.1 * len(finer)


def test_a_mean_in_the_middle_is_symmetric():
    inside = logistic_probabilities(1.0, 0.0)[:-1]
    assert np.allclose(inside, inside[::-1])


def equal_tables(num_rows, length):
    """Rows of equally likely symbols."""
    return lambda _: np.full(num_rows * length, (1 << TOTAL_BITS) // length)


def one_lent_to_the_next_row(tables):
    """A row that lacks 1, and one that has 1 too many."""
    length = np.count_nonzero(ROWS[0])
    changed = tables.copy()
    changed[tables[:length].argmax()] -= 1
    changed[length] += 1
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tables: tables[:0], "shape"),
        (lambda tables: tables[None], "shape"),
        (lambda _: ROWS, "shape"),
        (lambda tables: np.insert(tables, 6, np.uint32(0)), "not rows"),
        (lambda tables: tables + np.uint32(3 << TOTAL_BITS), "not rows"),
        (equal_tables(81 * 64, 1024), "too long"),
        (equal_tables(1 << 17, 1), "too many"),
        (equal_tables(81 * 64, 1), "wrong length"),
        (lambda tables: tables[6:], "any number of scales"),
        (lambda tables: np.roll(tables, 1), "logistic tables"),
        (lambda tables: tables - (tables == tables.max()), "logistic tables"),
        (one_lent_to_the_next_row, "sum"),
    ],
)
def test_other_tables_are_refused(change, message):
    with pytest.raises(ModelFileError, match=message):
        LogisticCoding(change(TABLES).astype(np.uint32), 2 * LIMIT + 1)


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((2, 2), np.int64),
        np.zeros(1, np.int64),
        np.zeros((1 << 16) + 1, np.int64),
        np.array([1, 2], np.int64),
        np.array([1, -1], np.int64),
        np.array([(1 << 32) + 1, 0], np.int64),
        # The differences of these overflow, and seem to fall.
        np.array([1, -(1 << 62) - 1, 1 << 62, 0], np.int64),
        np.array([0, -(1 << 63) + 1, 1 << 62, 0], np.int64),
    ],
)
def test_other_exponents_are_refused(table):
    with pytest.raises(ModelFileError, match="exponent table"):
        CategoricalCoding(table, 4)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_logits_of_any_size_become_frequencies(dtype):
    coding = CategoricalCoding(make_exp2_table(), 4)
    logits = np.array([[0, 0, 0, 0], [1 << 50, -(1 << 50), 0, 1], [256, 0, -256, -512]], dtype)
    freqs = coding.freqs(logits)
    assert (freqs.sum(axis=1) == TOTAL).all()
    assert freqs[0].tolist() == [TOTAL // 4] * 4
    assert freqs[1].tolist() == [TOTAL - 3, 1, 1, 1]
    assert np.allclose(freqs[2] / TOTAL, np.array([8, 4, 2, 1]) / 15, atol=1e-3)


def test_real_numbers_are_rounded_under_a_categorical_head():
    coding = CategoricalCoding(make_exp2_table(), 4)
    targets = np.array([-7.0, -0.4, 0.6, 1.4, 2.51, 99.0])
    decoded = there_and_back(coding, np.zeros((6, 4)), targets)[1]
    assert decoded.tolist() == [0, 0, 1, 1, 3, 3]


@pytest.mark.parametrize("weight", [0.0, 0.05, 1.0])
def test_real_numbers_go_to_an_index_beside_them_that_is_cheaper(weight):
    logistic = LogisticCoding(TABLES, 2 * LIMIT + 1, weight)
    targets = np.linspace(0, 2 * LIMIT, 301)
    chosen = logistic.code(SymbolEncoder(), outputs(np.full(301, 0.0), 1.0), targets)
    outwards = np.abs(chosen - LIMIT) - np.abs(np.rint(targets) - LIMIT)
    assert outwards.max() == 0  # towards the prediction, or where they are
    assert outwards.min() == (-1 if weight else 0)
    assert weight == 1 or np.abs(chosen - targets).max() < 1
    far = logistic.code(SymbolEncoder(), outputs(np.full(2, 0.0), 1.0), np.array([-1e9, 1e9]))
    assert far.tolist() == [0, 2 * LIMIT]


@pytest.mark.parametrize(("freq", "is_coded"), [((1 << 20) - 17, True), ((1 << 20) - 16, False)])
def test_an_index_is_certain_from_a_frequency_on(freq, is_coded):
    tables = TABLES.copy()
    first = tables[6 * 32 : 6 * 33]  # of the least scale, for a mean at an index
    first[:] = 1
    first[2] = freq
    first[5] = (1 << 20) - freq - 4
    coding = LogisticCoding(tables, 2 * LIMIT + 1, skip_certain=True)
    encoder, indices = SymbolEncoder(), np.array([0, LIMIT, LIMIT + 1])
    predicted = outputs([0.0, 0.0, 100.0], -5.0)
    coded = coding.code(encoder, predicted, indices)
    payload = encoder.finish()
    assert coded.tolist() == ([0, LIMIT, LIMIT + 1] if is_coded else [LIMIT, LIMIT, 2 * LIMIT])
    assert coding.settled(predicted, indices).tolist() == coded.tolist()
    assert (payload != b"") == is_coded
    assert (coding.bits_of(predicted, indices) > 0).all() == is_coded
    assert np.array_equal(coding.code(SymbolDecoder(payload), predicted, None), coded)


@pytest.mark.parametrize("size", [1, 3, 31, 511])
def test_uniform_frequencies_are_nearly_equal(size):
    freqs = uniform_freqs(size)
    assert freqs.sum() == TOTAL
    assert freqs.max() - freqs.min() <= size


def test_features_of_a_scalar_grid_are_the_same_in_floats_and_integers():
    features = feature_table(511)
    assert features.shape == (511, 2)
    assert np.array_equal(features * 1024, np.round(features * 1024))
    assert np.abs(features).max() <= 31
    assert not features[255].any()
    assert np.array_equal(features, -features[::-1])


def test_features_of_codebooks_out_of_use_are_zero():
    torch.manual_seed(0)
    features = IndexFeatures("categorical", (4, 4, 4), 2)
    indices = torch.randint(4, (2, 3, 5))
    in_use = torch.tensor([[True, False, False], [True, True, True]])
    seen = features(indices, 0, in_use).reshape(2, 3, 2, 5)
    assert not seen[0, 1:].any()
    assert torch.equal(seen[1], features(indices, 0, None).reshape(2, 3, 2, 5)[1])
    alone = features(indices[:, 1:2], 1, None)
    assert torch.equal(alone, features(indices, 0, None)[:, 2:4])


def test_no_index_has_more_bits_than_the_coder_allows():
    bits = logistic_bits(torch.tensor([1000.0]), torch.tensor([0.0]), torch.tensor([-5.0]))
    assert bits.tolist() == [16]


def test_a_relaxed_index_gives_the_cost_a_gradient():
    prediction = torch.zeros(1, 6, 2, 2)  # [B, F, n, O]
    relaxed = torch.full((1, 2, 6), 0.3, requires_grad=True)
    indices = torch.full((1, 2, 6), LIMIT)
    bits = prediction_bits("logistic", prediction, indices, relaxed, 2 * LIMIT + 1)
    assert bits.shape == (1, 2, 6)
    bits.sum().backward()
    assert (relaxed.grad > 0).all()  # towards the mean is cheaper


def test_a_soft_choice_gives_the_cost_a_gradient_and_leaves_its_value():
    prediction = torch.tensor([2.0, 0.0, -2.0]).expand(1, 6, 2, 3).clone().requires_grad_()
    indices = torch.randint(3, (1, 2, 6))
    shares = torch.full((1, 2, 6, 3), 1 / 3, requires_grad=True)
    bits = prediction_bits("categorical", prediction, indices, shares, 3)
    plain = prediction_bits("categorical", prediction, indices, None, 3)
    assert torch.allclose(bits, plain)
    assert torch.allclose(
        plain, -prediction.log_softmax(-1).movedim(2, 1).gather(3, indices[..., None])[..., 0]
        / np.log(2)
    )  # fmt: skip
    (ours,) = torch.autograd.grad(bits.sum(), shares)
    assert (ours[..., 0] < ours[..., 1]).all()  # the likely entry is the cheap one
