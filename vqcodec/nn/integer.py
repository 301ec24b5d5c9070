"""Layers with integer weights and arithmetic, equal on every machine.

Integers travel in float64, so that ordinary matrix products carry them: activations and weights
have at most 15 bits and a sign, every sum of products stays below 2 ** 53, and so each is exact
whatever the order of summation, the threads or the library. Evaluated with `dtype=numpy.int64`, the
same layers compute the same numbers in integers proper; that is the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import ModelFileError

ACTIVATION_BITS = 10  # an activation of 1.0 is the integer 2 ** 10
ACTIVATION_LIMIT = 31 << ACTIVATION_BITS
LARGEST_WEIGHT = (1 << 15) - 1
LARGEST_FAN_IN = 1 << 14
LARGEST_BIAS = 1 << 50
MOST_WEIGHT_BITS = 20

Array = NDArray[Any]
Tensors = Mapping[str, Array]


def round_shift(values: Array, shift: int) -> Array:
    """Return values / 2 ** shift, halves rounded up; exact for integers in either dtype."""
    if shift <= 0:
        return values * (1 << -shift)
    if values.dtype.kind == "i":
        return (values + (1 << (shift - 1))) >> shift
    return np.floor(values * 2.0**-shift + 0.5)


def activate(values: Array) -> Array:
    """Return values clamped to 0 … ACTIVATION_LIMIT."""
    return np.clip(values, 0, ACTIVATION_LIMIT)


def saturate(values: Array) -> Array:
    """Return values clamped to ±ACTIVATION_LIMIT."""
    return np.clip(values, -ACTIVATION_LIMIT, ACTIVATION_LIMIT)


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
    """
    weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
    largest = max(float(np.abs(weight).max(initial=0)), 1e-9)
    bits = int(min(MOST_WEIGHT_BITS, np.floor(np.log2(LARGEST_WEIGHT / largest))))
    scaled_bias = np.floor(bias * 2.0 ** (bits + ACTIVATION_BITS) + 0.5)
    return {
        "weight": np.floor(weight * 2.0**bits + 0.5)
        .clip(-LARGEST_WEIGHT, LARGEST_WEIGHT)
        .astype(np.int16),
        "bias": scaled_bias.clip(-LARGEST_BIAS, LARGEST_BIAS).astype(np.int64),
        "shift": np.array(bits + ACTIVATION_BITS - output_bits, np.int32),
    }


def named(prefix: str, tensors: Tensors) -> dict[str, Array]:
    """Return tensors with `prefix.` before their names."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


class IntegerLinear:
    """A matrix product with bias and requantization, of stored integers."""

    def __init__(self, tensors: Tensors, prefix: str, dtype: type[Any] = np.float64) -> None:
        """Read `prefix.weight`, `.bias` and `.shift`; a model file is a stranger's, so check them.

        Raises:
            ModelFileError: a tensor is missing or is not what the arithmetic needs.
        """
        weight = fetch(tensors, f"{prefix}.weight", np.int16)
        bias = fetch(tensors, f"{prefix}.bias", np.int64)
        shift = fetch(tensors, f"{prefix}.shift", np.int32)
        if weight.ndim < 2 or bias.shape[-1:] != weight.shape[-1:] or shift.ndim:
            raise ModelFileError(f"{prefix}: shapes {weight.shape} and {bias.shape} do not fit")
        fan_in = weight.size // weight.shape[-1]
        if fan_in > LARGEST_FAN_IN * 32 or np.abs(bias).max(initial=0) > LARGEST_BIAS:
            raise ModelFileError(f"{prefix}: too large for exact arithmetic")
        if not 0 <= int(shift) <= 48:
            raise ModelFileError(f"{prefix}.shift: {int(shift)} is not 0 … 48")
        self.weight = weight.astype(dtype)
        self.bias = bias.astype(dtype)
        self.shift = int(shift)

    def __call__(self, values: Array) -> Array:
        """Return [..., O] of activations [..., I], not clamped."""
        return self.requantize(values @ self.weight + self.bias)

    def requantize(self, sums: Array) -> Array:
        """Return sums of products as outputs."""
        return round_shift(sums, self.shift)


def fetch(tensors: Tensors, name: str, dtype: type[Any]) -> Array:
    """Return a tensor by name.

    Raises:
        ModelFileError: it is missing, or of another type.
    """
    tensor = tensors.get(name)
    if tensor is None:
        raise ModelFileError(f"model: tensor {name} is missing")
    if tensor.dtype != dtype:
        raise ModelFileError(f"model: tensor {name} is {tensor.dtype}, not {dtype.__name__}")
    return tensor
