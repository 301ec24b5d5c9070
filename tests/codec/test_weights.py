"""Weights of networks as a model file stores them."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.codec.weights import LEAST_VALUES, SCALE, restore_weight, store_weight


def drawn(*shape):
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(64, 64), (32, 16, 3, 3), (5000, 2)])
def test_large_weights_take_one_byte_a_value_and_come_back(shape):
    weight = drawn(*shape)
    weight[3] *= 1000  # a row of its own size
    weight[4] = 0
    stored = store_weight("decoder.units.0.weight", weight)
    assert stored["decoder.units.0.weight"].nbytes == weight.size
    restored = restore_weight(stored, "decoder.units.0.weight")
    assert restored.dtype == np.float32
    rows, found = weight.reshape(shape[0], -1), restored.reshape(shape[0], -1)
    steps = np.abs(rows).max(axis=1, keepdims=True) / 127
    assert (np.abs(found - rows) <= steps * 0.5001).all()
    assert not found[4].any()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("encoder.head.bias", (LEAST_VALUES,)),
        ("encoder.head.weight", (1, LEAST_VALUES - 1)),
        ("encoder.linear.weight", (64, 64)),
        ("decoder.linear_gains.weight", (64, 64, 1)),
    ],
)
def test_vectors_small_weights_and_linear_paths_keep_half_precision(name, shape):
    weight = drawn(*shape)
    stored = store_weight(name, weight)
    assert list(stored) == [name]
    assert stored[name].dtype == np.float16
    assert np.array_equal(restore_weight(stored, name), weight.astype(np.float16))


def test_storing_twice_changes_nothing():
    once = store_weight("decoder.a.weight", drawn(64, 64))
    twice = store_weight("decoder.a.weight", restore_weight(once, "decoder.a.weight"))
    assert all(np.array_equal(once[name], twice[name]) for name in once)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_shows_in_the_steps(value):
    weight = drawn(64, 64)
    weight[5, 5] = value
    assert not np.isfinite(
        store_weight("decoder.a.weight", weight)["decoder.a.weight" + SCALE]
    ).all()
