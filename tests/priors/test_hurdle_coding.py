"""Indices around zero, whose signs nothing predicts: tables, costs and coding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from predictions import outputs, there_and_back

from vqcodec.errors import ConfigError
from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.priors.plane import MOST_ODDS, hurdle_bits, unbounded_bits
from vqcodec.priors import build_prior
from vqcodec.priors.hurdle_coding import HurdleCoding
from vqcodec.priors.logistic import (
    FRACTION_BITS,
    NUM_ODDS,
    TOTAL_BITS,
    magnitude_table,
    make_hurdle_tables,
    make_logistic_tables,
    read_logistic_tables,
)

LIMIT = 15
PARTS = 1 << FRACTION_BITS
TABLES = make_hurdle_tables()
ROWS = read_logistic_tables(TABLES).freqs
PLANE = {"kind": "plane", "groups": [2, 4, 4], "num_bands": 2, "num_exact": 1, "width": 8}


@pytest.fixture(scope="module")
def coding():
    return HurdleCoding(TABLES, 2 * LIMIT + 1)


@pytest.mark.parametrize("log2_scale", [-9.0, -5.0, 0.0, 2.3, 9.0])
@pytest.mark.parametrize("log2_odds", [-1000.0, -0.3, 0.0, 1.6, 3.75, 1000.0])
def test_every_index_comes_back_whatever_the_odds_of_zero(coding, log2_odds, log2_scale):
    indices = np.arange(2 * LIMIT + 1)
    predicted = outputs(np.full(len(indices), log2_odds), log2_scale)
    assert np.array_equal(there_and_back(coding, predicted, indices)[1], indices)


def test_the_cost_is_that_of_the_hurdle_model_in_floats(coding):
    generator = np.random.default_rng(0)
    log2_odds = generator.uniform(0, MOST_ODDS, 4000)
    log2_scale = generator.uniform(-1, 2, 4000)
    values = (generator.logistic(size=4000) * 2**log2_scale).round().clip(-LIMIT, LIMIT)
    values[::3] = 0
    predicted = outputs(log2_odds, log2_scale)
    payload, decoded = there_and_back(coding, predicted, values.astype(np.int64) + LIMIT)
    assert np.array_equal(decoded, values + LIMIT)
    expected = hurdle_bits(
        torch.from_numpy(values).long(), torch.from_numpy(log2_odds), torch.from_numpy(log2_scale)
    )
    assert 8 * len(payload) == pytest.approx(float(expected.sum()), rel=0.002)


def test_a_factor_of_one_leaves_the_logistic():
    values, scale = torch.arange(-9, 10), torch.full((19,), 0.7)
    hurdle = hurdle_bits(values, torch.zeros(19), scale)
    assert torch.allclose(hurdle, unbounded_bits(values, torch.zeros(19), scale), atol=1e-5)
    rows = read_logistic_tables(make_logistic_tables()).freqs[PARTS // 2 :: PARTS].astype(int)
    ours = ROWS[::NUM_ODDS].astype(int)
    assert np.abs(ours - rows).max() <= 2


@pytest.mark.parametrize("log2_odds", [1.25, 2.5])
def test_odds_of_zero_change_and_the_others_keep_their_proportions(log2_odds):
    values = torch.arange(-60, 61)
    bits = hurdle_bits(values, torch.full((121,), log2_odds), torch.full((121,), 1.2))
    chances = 2 ** -bits.double()
    plain = 2 ** -unbounded_bits(values, torch.zeros(121), torch.full((121,), 1.2)).double()
    assert chances.sum() == pytest.approx(1, abs=1e-4)
    odds = [share[60] / (1 - share[60]) for share in (chances, plain)]
    assert torch.log2(odds[0] / odds[1]) == pytest.approx(log2_odds, abs=1e-3)
    assert torch.allclose(chances[61] / chances[63], plain[61] / plain[63], rtol=1e-3)


def test_a_cost_between_integers_is_between_theirs_and_has_a_gradient():
    value = torch.tensor([0.25], requires_grad=True)
    odds, scale = torch.zeros(1), torch.zeros(1)
    cost = hurdle_bits(value, odds, scale)
    zero, one = hurdle_bits(torch.tensor([0, 1]), odds.expand(2), scale.expand(2))
    assert cost.item() == pytest.approx(0.75 * zero.item() + 0.25 * one.item())
    cost.backward()
    assert value.grad.item() == pytest.approx((one - zero).item())


@pytest.mark.parametrize(
    ("log2_odds", "value", "leads_up"),
    [(-2.0, 0, True), (-2.0, 1, None), (9.0, 1, False), (9.0, 0, None), (1.0, 1, False)],
)
def test_odds_beyond_their_limits_can_come_back_but_go_no_further(log2_odds, value, leads_up):
    odds = torch.tensor([log2_odds], requires_grad=True)
    hurdle_bits(torch.tensor([value]), odds, torch.zeros(1)).backward()
    slope = odds.grad.item()
    assert slope == 0 if leads_up is None else (slope < 0) == leads_up and slope != 0


def test_likelier_zeros_are_learnt_though_the_odds_begin_below_their_limit():
    generator = np.random.default_rng(0)
    values = generator.laplace(scale=2.0, size=2000).round() * (generator.random(2000) < 0.3)
    values = torch.from_numpy(values).long()
    odds, scale = torch.full((1,), -0.5, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([odds, scale], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        hurdle_bits(values, odds.expand(2000), scale.expand(2000)).mean().backward()
        optimizer.step()
    assert odds.item() > 2


def test_where_zero_is_certain_it_costs_nothing_and_others_have_a_finite_cost_and_gradient():
    log2_scale = torch.full((3,), -7.0, requires_grad=True)
    bits = hurdle_bits(torch.tensor([0, 1, -9]), torch.zeros(3), log2_scale)
    assert 0 <= bits[0] < 1e-5
    assert (bits[1:] > 20).all()
    assert bits.isfinite().all()
    bits.sum().backward()
    assert log2_scale.grad.isfinite().all()


def test_a_certain_zero_costs_no_bits_and_comes_back():
    coding = HurdleCoding(TABLES, 2 * LIMIT + 1, skip_certain=True)
    predicted = outputs(np.zeros(50), -5.0)
    payload, decoded = there_and_back(coding, predicted, np.full(50, LIMIT))
    assert payload == b""
    assert (decoded == LIMIT).all()
    assert (coding.likeliest(predicted) == LIMIT).all()
    assert (coding.settled(predicted, np.full(50, LIMIT + 1)) == LIMIT).all()


def test_rows_are_frequencies_that_add_up():
    assert (ROWS.sum(axis=1, dtype=np.int64) == 1 << TOTAL_BITS).all()
    middles = np.count_nonzero(ROWS, axis=1) // 2 - 1
    of_zero = ROWS[np.arange(len(ROWS)), middles].reshape(-1, NUM_ODDS).astype(int)
    assert (np.diff(of_zero, axis=1) >= 0).all()
    assert (np.diff(of_zero[40]) > 0).all()


def test_magnitudes_hide_the_sign_but_not_of_exact_codebooks():
    features = magnitude_table(31, 5, 2)
    assert features.shape == (5, 31, 1)
    assert np.array_equal(features * 1024, np.round(features * 1024))
    assert np.array_equal(features[2:], features[2:, ::-1])
    assert np.array_equal(features[:2], -features[:2, ::-1])
    assert (np.diff(features[:2, :, 0]) > 0).all()
    assert (np.diff(features[2:, 15:, 0]) > 0).all()


def test_a_prior_of_magnitudes_neither_sees_nor_predicts_signs():
    torch.manual_seed(0)
    network = build_prior_network({**PLANE, "magnitudes": True}, (2 * LIMIT + 1,) * 20)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    indices = torch.randint(2 * LIMIT + 1, (1, 20, 12))
    turned = indices.clone()
    turned[:, 4:] = 2 * LIMIT - indices[:, 4:]
    bits, rate = network.bits(indices, torch.tensor([0.5])), torch.tensor([0.5])
    assert torch.equal(network.bits(turned, rate), bits)
    turned[:, :4] = 2 * LIMIT - indices[:, :4]
    assert not torch.equal(network.bits(turned, rate), bits)


def test_signs_of_exact_codebooks_change_the_predictions_of_the_others():
    torch.manual_seed(0)
    network = build_prior_network({**PLANE, "magnitudes": True}, (2 * LIMIT + 1,) * 20)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    indices, rate = torch.randint(2 * LIMIT + 1, (1, 20, 12)), torch.tensor([0.5])
    turned = indices.clone()
    turned[:, :4] = 2 * LIMIT - indices[:, :4]
    before, after = (network.bits(each, rate)[:, 4:] for each in (indices, turned))
    assert not torch.allclose(before, after)


def test_untrained_priors_expect_small_indices():
    network = build_prior_network({**PLANE, "magnitudes": True}, (2 * LIMIT + 1,) * 20)
    zeros = torch.full((1, 20, 12), LIMIT)
    assert network.bits(zeros, torch.tensor([0.5]))[:, 4:].mean() < 1


def test_magnitudes_are_for_a_lattice_alone():
    table = {**PLANE, "head": "categorical", "magnitudes": True}
    with pytest.raises(ConfigError, match=r"prior\.magnitudes: is only for the head 'logistic'"):
        build_prior_network(table, (31,) * 20)


def test_ordinary_indices_are_means_where_they_are_predicted_and_zero_elsewhere():
    table = {**PLANE, "magnitudes": True, "skip_certain": True}
    torch.manual_seed(0)
    network = build_prior_network(table, (2 * LIMIT + 1,) * 20)
    with torch.no_grad():
        network.predictors[0].head.bias[0::2] = 3.0
    tensors = network.freeze(torch.arange(256) / 255)
    prior = build_prior(table, (2 * LIMIT + 1,) * 20, tensors)
    indices = prior.ordinary((20, 6), 99).reshape(10, 2, 6)
    assert (indices[:2, 0] == LIMIT + 3).all()  # of the only slot, in its first band
    assert (indices[:2, 1] == LIMIT).all()
    assert (indices[2:] == LIMIT).all()
