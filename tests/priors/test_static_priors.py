"""Priors without context, and the kinds of priors."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.entropy.frequencies import TOTAL
from vqcodec.errors import ConfigError, CorruptStreamError, ModelFileError
from vqcodec.networks.priors import build_prior_network
from vqcodec.priors import build_prior
from vqcodec.priors.static import count_indices

SIZES = (8, 8, 8)
SHAPES = [(3, 1), (3, 7), (2, 0), (1, 4, 5), (3, 1, 1)]


@pytest.fixture(params=["uniform", "histogram"])
def prior(request):
    tensors = {} if request.param == "uniform" else count_indices([skewed((3, 100))], SIZES)
    return build_prior({"kind": request.param}, SIZES, tensors)


def skewed(shape):
    return np.random.default_rng(0).geometric(0.5, shape).clip(1, 8).astype(np.int64) - 1


def test_indices_come_back(prior):
    segments = [skewed(shape) for shape in SHAPES]
    payloads = prior.compress(segments, 0)
    decoded = prior.decompress(payloads, SHAPES, 0)
    assert all(map(np.array_equal, decoded, segments))
    assert payloads[2] == b""


@pytest.mark.parametrize("shape", SHAPES)
def test_ordinary_indices_are_in_the_middle(prior, shape):
    assert np.array_equal(prior.ordinary(shape, 0), np.full(shape, 4))


def test_real_numbers_are_rounded(prior):
    targets = np.array([[-3.0, 0.4, 0.6], [6.4, 6.6, 99.0], [1, 2, 3]])
    (chosen,) = prior.choose([targets], 0)
    assert chosen.tolist() == [[0, 0, 1], [6, 7, 7], [1, 2, 3]]
    decoded = prior.decompress(prior.compress([targets], 0), [targets.shape], 0)
    assert np.array_equal(decoded[0], chosen)


def test_the_bits_of_indices_add_up_to_their_payload(prior):
    segments = [skewed(shape) for shape in SHAPES]
    bits = prior.bits_of(segments, 0)
    assert [costs.shape for costs in bits] == SHAPES
    for costs, payload in zip(bits, prior.compress(segments, 0), strict=True):
        assert costs.sum() == pytest.approx(8 * len(payload), abs=8)


def test_samples_are_indices_and_depend_on_the_seed(prior):
    drawn = [prior.sample((3, 40), 0, np.random.default_rng(seed), 1.0) for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert 0 <= min(map(np.min, drawn)) <= max(map(np.max, drawn)) < 8


def test_a_payload_with_data_left_is_refused(prior):
    payload = prior.compress([skewed((3, 7))], 0)[0]
    with pytest.raises(CorruptStreamError):
        prior.decompress([payload + b"\x01"], [(3, 7)], 0)


def test_the_stored_tensors_give_the_same_prior(prior):
    again = build_prior({"kind": prior.kind}, SIZES, prior.tensors())
    assert again.compress([skewed((3, 7))], 0) == prior.compress([skewed((3, 7))], 0)


def test_uniform_indices_have_a_fixed_width():
    prior = build_prior({"kind": "uniform"}, SIZES, {})
    payload = prior.compress([skewed((3, 800))], 0)[0]
    assert len(payload) == pytest.approx(3 * 800 * 3 / 8, abs=8)


def test_a_histogram_is_cheaper_where_some_indices_are_common():
    indices = skewed((3, 800))
    histogram = build_prior({"kind": "histogram"}, SIZES, count_indices([indices], SIZES))
    uniform = build_prior({"kind": "uniform"}, SIZES, {})
    small, large = (prior.compress([indices], 0)[0] for prior in (histogram, uniform))
    assert len(small) < 0.7 * len(large)


def test_a_histogram_allows_every_index():
    counted = count_indices([np.zeros((3, 10_000), np.int64)], SIZES)["histogram"]
    assert counted.shape == (3, 8)
    assert (counted >= 1).all()
    assert (counted.sum(axis=1) == TOTAL).all()


@pytest.mark.parametrize(
    "histogram",
    [
        None,
        np.ones((3, 8), np.int64),
        np.full((2, 8), TOTAL // 8, np.uint32),
        np.full((3, 4), TOTAL // 4, np.uint32),
        np.full((3, 8), TOTAL // 4, np.uint32),
        np.array([[TOTAL - 6, 1, 1, 1, 1, 1, 1, 0]] * 3, np.uint32),
    ],
)
def test_another_histogram_is_refused(histogram):
    tensors = {} if histogram is None else {"histogram": histogram}
    with pytest.raises(ModelFileError):
        build_prior({"kind": "histogram"}, SIZES, tensors)


GRID = {"kind": "grid", "head": "categorical", "groups": [1, 2], "width": 8}
PLANE = {"kind": "plane", "groups": [1, 2], "width": 8, "num_bands": 1}
FRAMES = {"kind": "frames", "groups": [1, 2], "width": 8}


@pytest.mark.parametrize("build", [build_prior_network, lambda *a: build_prior(*a, {})])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "prior.kind: None"),
        ({"kind": "magic"}, "prior.kind: 'magic'"),
        ({"kind": "uniform", "width": 8}, "prior.(kind|width)"),
        ({**GRID, "depth": 3}, "prior.depth: no such key"),
        ({**GRID, "groups": []}, "prior.groups"),
        ({**GRID, "groups": [0, 3]}, "prior.groups"),
        ({**GRID, "groups": [1, 1]}, "prior.groups: .* add up to 2, but there are 3 codebooks"),
        ({**GRID, "head": "logistic"}, "prior.head: 'logistic' is for a lattice"),
        ({**GRID, "head": "gaussian"}, "prior.head: 'gaussian'"),
        ({**GRID, "period": 3}, "prior.period: 3"),
        ({**GRID, "kernel_size": 2}, "prior.kernel_size: 2"),
        ({**GRID, "first_period": 3}, "prior.first_period: 3"),
        ({**GRID, "first_kernel_size": 2}, "prior.first_kernel_size: 2"),
        ({**GRID, "width": 4}, "prior.width"),
        ({**GRID, "skip_certain": 1}, "prior.skip_certain"),
        ({**GRID, "skip_certain": True}, "prior.skip_certain: is only for the head 'logistic'"),
        (
            {**GRID, "head": "logistic", "groups": [1] * 256, "skip_certain": True},
            "prior.skip_certain: there are 256 groups, but 255 is the most",
        ),
        ({**GRID, "embedding_dim": 0}, "prior.embedding_dim"),
        ({"kind": "grid"}, "prior.groups: missing"),
        ({**PLANE, "frame_period": 3}, "prior.frame_period: 3"),
        ({**PLANE, "frame_period": 2, "frame_kernel_size": 2}, "prior.frame_kernel_size: 2"),
        ({**PLANE, "narrow_updates": 1}, "prior.narrow_updates"),
        ({**FRAMES, "groups": [5000]}, "prior.groups"),
        ({**FRAMES, "groups": [4]}, "prior.groups: .* add up to 4"),
        ({**FRAMES, "dilations": [0]}, "prior.dilations"),
        ({**FRAMES, "width": 2000}, "prior.width"),
        ({**FRAMES, "dropout": 1.0}, "prior.dropout: 1.0"),
        ({**FRAMES, "head": "logistic"}, "prior.head"),
    ],
)
def test_a_bad_table_names_the_key(build, table, message):
    with pytest.raises(ConfigError, match=message):
        build(table, SIZES)


@pytest.mark.parametrize("kind", ["uniform", "histogram"])
def test_a_prior_without_a_network_is_not_trained(kind):
    with pytest.raises(ConfigError, match=f"prior.kind: '{kind}' has no network to train"):
        build_prior_network({"kind": kind}, SIZES)
