"""Integer layers: they are exact in float64, and tensors of an untrusted file are checked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from vqcodec.errors import ModelFileError
from vqcodec.priors.integer import (
    ACTIVATION_BITS,
    ACTIVATION_LIMIT,
    LARGEST_BIAS,
    LARGEST_FAN_IN,
    LARGEST_WEIGHT,
    IntegerLinear,
    activate,
    fetch,
    freeze_activations,
    freeze_linear,
    named,
    saturate,
)
from vqcodec.priors.side_by_side import single_threaded

SMALLEST_INT16, LARGEST_INT16 = -(1 << 15), (1 << 15) - 1


def layer_tensors(weight, bias, shift):
    return {
        "layer.weight": np.asarray(weight, np.int16),
        "layer.bias": np.asarray(bias, np.int64),
        "layer.shift": np.array(shift, np.int32),
    }


def evaluate(tensors, values, dtype, **options):
    layer = IntegerLinear(tensors, "layer", tensors["layer.weight"].shape, dtype, **options)
    return layer(np.asarray(values).astype(dtype))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 5),
    fan_in=st.integers(1, 300),
    fan_out=st.integers(1, 8),
    shift=st.integers(0, 48),
)
def test_floats_carry_the_integers_exactly(seed, rows, fan_in, fan_out, shift):
    generator = np.random.default_rng(seed)
    tensors = layer_tensors(
        generator.integers(SMALLEST_INT16, LARGEST_INT16 + 1, (fan_in, fan_out)),
        generator.integers(-LARGEST_BIAS, LARGEST_BIAS + 1, fan_out),
        shift,
    )
    values = generator.integers(SMALLEST_INT16, LARGEST_INT16 + 1, (rows, fan_in))
    floats = evaluate(tensors, values, np.float64)
    integers = evaluate(tensors, values, np.int64)
    assert np.array_equal(floats.astype(np.int64), integers)
    assert np.array_equal(floats, np.floor(floats))


@pytest.mark.parametrize("shift", [0, 1, 48])
@pytest.mark.parametrize("sign", [-1, 1])
def test_floats_carry_the_largest_sums_exactly(sign, shift):
    weight = np.full((LARGEST_FAN_IN, 1), SMALLEST_INT16)
    tensors = layer_tensors(weight, [sign * LARGEST_BIAS], shift)
    values = np.full((1, LARGEST_FAN_IN), SMALLEST_INT16 if sign > 0 else LARGEST_INT16)
    floats = evaluate(tensors, values, np.float64)
    integers = evaluate(tensors, values, np.int64)
    assert np.array_equal(floats.astype(np.int64), integers)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (2, [-1, -1, -1, -1, 0, 0, 0, 0, 1, 1]),
        (1, [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2]),
        (0, [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3]),
    ],
)
def test_halves_are_rounded_up_also_below_zero(dtype, shift, expected):
    values = np.arange(-6, 4)[:, None]
    outputs = evaluate(layer_tensors([[1]], [0], shift), values, dtype)
    assert outputs[:, 0].tolist() == expected


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_activations_are_clamped(dtype):
    values = np.array([-(1 << 40), -1, 0, 1, 1 << 40], dtype)
    assert activate(values).tolist() == [0, 0, 0, 1, ACTIVATION_LIMIT]
    assert saturate(values).tolist() == [-ACTIVATION_LIMIT, -1, 0, 1, ACTIVATION_LIMIT]


def test_activations_for_tables_are_rounded_and_clamped():
    frozen = freeze_activations(np.array([-100.0, -0.5 / 1024, 0.3, 1.0, 100.0]))
    assert frozen.dtype == np.int16
    assert frozen.tolist() == [-ACTIVATION_LIMIT, 0, 307, 1024, ACTIVATION_LIMIT]


@pytest.mark.parametrize("scale", [1e-4, 0.03, 1.0, 40.0])
def test_a_frozen_layer_is_as_accurate_as_its_bits(scale):
    generator = np.random.default_rng(5)
    weight = generator.normal(size=(64, 16)) * scale
    bias = generator.normal(size=16) * scale
    values = generator.normal(size=(100, 64))
    frozen = named("layer", freeze_linear(weight, bias))
    outputs = evaluate(frozen, freeze_activations(values), np.float64) / (1 << ACTIVATION_BITS)
    error = np.abs(outputs - (values @ weight + bias)).max()
    assert error < 0.51 / (1 << ACTIVATION_BITS) + 64 * 4 * (scale * 2**-13 + 2**-21)


def test_output_bits_scale_the_outputs():
    frozen = named("layer", freeze_linear(np.array([[1.5]]), np.array([0.25]), output_bits=4))
    one = np.array([[1 << ACTIVATION_BITS]])
    assert evaluate(frozen, one, np.float64).tolist() == [[28]]  # 1.75 * 16


@pytest.mark.parametrize("output_bits", [4, 8, ACTIVATION_BITS])
def test_weights_beyond_16_bits_are_clamped_and_still_load(output_bits):
    frozen = freeze_linear(np.array([[1e9], [-1e9]]), np.array([1e30]), output_bits)
    assert frozen["weight"].tolist() == [[LARGEST_WEIGHT], [-LARGEST_WEIGHT]]
    assert frozen["bias"].tolist() == [LARGEST_BIAS]
    IntegerLinear(named("layer", frozen), "layer", (2, 1))


def test_an_all_zero_layer_freezes():
    frozen = named("layer", freeze_linear(np.zeros((3, 2)), np.zeros(2)))
    assert evaluate(frozen, np.full((1, 3), ACTIVATION_LIMIT), np.float64).tolist() == [[0, 0]]


def changed(**changes):
    tensors = layer_tensors(np.ones((3, 2)), [1, 2], 10)
    for name, value in changes.items():
        tensors[f"layer.{name}"] = value
    return tensors


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "layer.weight is missing"),
        (changed(weight=np.ones((3, 2), np.float32)), "layer.weight is float32, not int16"),
        (changed(weight=np.ones((2, 3), np.int16)), r"layer.weight has shape \(2, 3\)"),
        (changed(weight=np.ones(6, np.int16)), r"layer.weight has shape \(6,\)"),
        (changed(bias=np.ones(3, np.int64)), r"layer.bias has shape \(3,\)"),
        (changed(bias=np.ones(2, np.int32)), "layer.bias is int32"),
        (changed(bias=np.array([0, LARGEST_BIAS + 1])), "too large for exact"),
        (changed(bias=np.array([0, np.iinfo(np.int64).min])), "too large for exact"),
        (changed(shift=np.zeros(1, np.int32)), r"layer.shift has shape \(1,\)"),
        (changed(shift=np.array(49, np.int32)), "shift is 49, not 0 … 48"),
        (changed(shift=np.array(-1, np.int32)), "shift is -1"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tensors, message):
    with pytest.raises(ModelFileError, match=message):
        IntegerLinear(tensors, "layer", (3, 2))


def test_more_inputs_than_exact_sums_allow_are_refused():
    tensors = layer_tensors(np.zeros((LARGEST_FAN_IN + 1, 1)), [0], 0)
    with pytest.raises(ModelFileError, match="too large for exact"):
        IntegerLinear(tensors, "layer", (LARGEST_FAN_IN + 1, 1))


def test_products_with_a_bias_each_count_their_own_inputs():
    tensors = layer_tensors(np.zeros((2, LARGEST_FAN_IN, 1)), [[1], [2]], 0)
    IntegerLinear(tensors, "layer", (2, LARGEST_FAN_IN, 1), bias_shape=(2, 1))


def test_fetch_allows_any_shape_if_none_is_asked_for():
    assert fetch({"table": np.zeros((3, 5), np.uint32)}, "table", np.uint32).shape == (3, 5)


def test_products_take_one_thread_for_a_while():
    def threads():
        return {library["num_threads"] for library in threadpool_info() if is_numpys(library)}

    def is_numpys(library):
        return library["user_api"] == "blas" and "numpy" in library["filepath"]

    with threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("numpy multiplies with a library that threadpoolctl does not know")
        with single_threaded():
            assert threads() == {1}
        assert threads() == {2}
