"""Layers with integer weights and arithmetic, equal on every machine.

Integers travel in float64, so that ordinary matrix products carry them: activations and weights
are 16-bit integers, every sum of products and bias stays within ±2 ** 51, and so each is exact
whatever the order of summation, the threads or the library. Evaluated with `dtype=numpy.int64`, the
same layers compute the same numbers in integers proper; that is the reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import ModelFileError

ACTIVATION_BITS = 10  # an activation of 1.0 is the integer 2 ** 10
ACTIVATION_LIMIT = 31 << ACTIVATION_BITS
LARGEST_WEIGHT = (1 << 15) - 1  # of what is frozen; a file may hold any 16-bit integer
LARGEST_FAN_IN = 1 << 19
LARGEST_BIAS = 1 << 50
MOST_WEIGHT_BITS = 20

Array = NDArray[Any]
Tensors = Mapping[str, Array]


# Least, zero and largest by type of number: arrays of no axes spare numpy half of a small call.
_LIMITS = {
    np.dtype(dtype): tuple(np.array(n, dtype) for n in (-ACTIVATION_LIMIT, 0, ACTIVATION_LIMIT))
    for dtype in (np.float64, np.int64)
}
_FEW_ROWS = 3  # so few are multiplied faster one by one than as a matrix


def activate(values: Array) -> Array:
    """Return values, float64 or int64, clamped to 0 … ACTIVATION_LIMIT."""
    _, zero, largest = _LIMITS[values.dtype]
    clamped: Array = np.maximum(values, zero)
    return np.minimum(clamped, largest, out=clamped)


def saturate(values: Array) -> Array:
    """Return values, float64 or int64, clamped to ±ACTIVATION_LIMIT."""
    least, _, largest = _LIMITS[values.dtype]
    clamped: Array = np.maximum(values, least)
    return np.minimum(clamped, largest, out=clamped)


def product(values: Array, weight: Array) -> Array:
    """Return [..., O] of values [..., I] and a weight [I, O]."""
    if values.ndim == 2 and len(values) == 1:
        row: Array = values[0].dot(weight)
        return row[None]
    if values.ndim == 2 and len(values) <= _FEW_ROWS:
        rows: Array = (values[:, None] @ weight)[:, 0]
        return rows
    products: Array = values @ weight
    return products


def freeze_activations(values: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Return real activations as integers, for tables that are stored."""
    scaled = np.floor(np.asarray(values, np.float64) * (1 << ACTIVATION_BITS) + 0.5)
    return saturate(scaled).astype(np.int16)


def freeze_linear(
    weight: NDArray[np.floating[Any]],
    bias: NDArray[np.floating[Any]],
    output_bits: int = ACTIVATION_BITS,
) -> dict[str, Array]:
    """Return the tensors of an `IntegerLinear` that stands for real weights.

    Args:
        weight: [..., I, O]; leading axes are separate products whose sums are added by the caller.
        bias: [..., O].
        output_bits: an output of 1.0 becomes the integer 2 ** output_bits.

    Weights too large for 16 bits are clamped.
    """
    weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
    largest = max(float(np.abs(weight).max(initial=0)), 1e-9)
    bits = int(min(MOST_WEIGHT_BITS, np.floor(np.log2(LARGEST_WEIGHT / largest))))
    bits = max(bits, output_bits - ACTIVATION_BITS)  # the shift is never negative
    scaled_bias = np.floor(bias * 2.0 ** (bits + ACTIVATION_BITS) + 0.5)
    return {
        "weight": np.floor(weight * 2.0**bits + 0.5)
        .clip(-LARGEST_WEIGHT, LARGEST_WEIGHT)
        .astype(np.int16),
        "bias": scaled_bias.clip(-LARGEST_BIAS, LARGEST_BIAS).astype(np.int64),
        "shift": np.array(bits + ACTIVATION_BITS - output_bits, np.int32),
    }


def thaw_linear(
    tensors: Tensors, name: str, output_bits: int = ACTIVATION_BITS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the real weight [..., I, O] and bias [..., O] of what `freeze_linear` made."""
    bits = int(tensors[f"{name}.shift"]) - ACTIVATION_BITS + output_bits
    weight = tensors[f"{name}.weight"] * 2.0**-bits
    return weight, tensors[f"{name}.bias"] * 2.0 ** -(bits + ACTIVATION_BITS)


def named(prefix: str, tensors: Tensors) -> dict[str, Array]:
    """Return tensors with `prefix.` before their names."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


class IntegerLinear:
    """A matrix product with bias and requantization, of stored integers."""

    def __init__(
        self,
        tensors: Tensors,
        prefix: str,
        shape: tuple[int, ...],
        dtype: type[Any] = np.float64,
        *,
        bias_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Read `prefix.weight`, `.bias` and `.shift`; a model file is a stranger's, so check them.

        Args:
            tensors: of the model file.
            prefix: of the names of the three.
            shape: of the weight, [..., I, O].
            dtype: what the integers travel in.
            bias_shape: where it is not [O].

        Raises:
            ModelFileError: a tensor is missing or is not what the arithmetic needs.
        """
        bias_shape = bias_shape or shape[-1:]
        weight = fetch(tensors, f"{prefix}.weight", np.int16, shape)
        bias = fetch(tensors, f"{prefix}.bias", np.int64, bias_shape)
        shift = fetch(tensors, f"{prefix}.shift", np.int32, ())
        fan_in = math.prod(shape) // math.prod(bias_shape)
        too_large = (bias < -LARGEST_BIAS) | (bias > LARGEST_BIAS)
        if fan_in > LARGEST_FAN_IN or too_large.any():
            raise ModelFileError(f"model: {prefix} is too large for exact arithmetic")
        if not 0 <= int(shift) <= 48:
            raise ModelFileError(f"model: {prefix}.shift is {int(shift)}, not 0 … 48")
        self.shift = int(shift)
        half = (1 << self.shift) >> 1  # so that cutting off rounds
        self.weight, self.bias = weight.astype(dtype, order="C"), bias.astype(dtype) + half
        self.is_float = self.weight.dtype.kind == "f"
        if self.is_float:  # a power of two: the same bits with another exponent
            self.weight *= 2.0**-self.shift
            self.bias *= 2.0**-self.shift

    def __call__(self, values: Array) -> Array:
        """Return [..., O] of activations [..., I], not clamped."""
        return self.requantize(product(values, self.weight), self.bias)

    def requantize(self, sums: Array, bias: Array) -> Array:
        """Return sums of products with `weight`, plus the bias, as outputs; `sums` is used up."""
        sums += bias
        if self.is_float:
            return np.floor(sums, out=sums)
        return sums >> self.shift


def fetch(
    tensors: Tensors, name: str, dtype: type[Any], shape: tuple[int, ...] | None = None
) -> Array:
    """Return a tensor by name; None allows any shape.

    Raises:
        ModelFileError: it is missing, or of another type or shape.
    """
    tensor = tensors.get(name)
    if tensor is None:
        raise ModelFileError(f"model: tensor {name} is missing")
    if tensor.dtype != dtype:
        raise ModelFileError(f"model: tensor {name} is {tensor.dtype}, not {dtype.__name__}")
    if shape is not None and tensor.shape != shape:
        raise ModelFileError(f"model: tensor {name} has shape {tensor.shape}, not {shape}")
    return tensor
