"""Layers with integer weights and integer arithmetic, exact on every machine.

Integers are stored in float64, so that fast matrix products can be used. Activations and weights
are 16-bit integers, and every sum of products and bias is within ±2 ** 51. So every sum is exact:
it does not depend on the order of summation, the threads or the library. With `dtype=numpy.int64`,
the same layers compute the same numbers in true integers, as a reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import ModelFileError

ACTIVATION_BITS = 10  # an activation of 1.0 is the integer 2 ** 10
ACTIVATION_LIMIT = 31 << ACTIVATION_BITS
LARGEST_WEIGHT = (1 << 15) - 1  # of frozen layers; a file may contain any 16-bit integer
LARGEST_FAN_IN = 1 << 19
LARGEST_BIAS = 1 << 50
MOST_WEIGHT_BITS = 20

Array = NDArray[Any]
Tensors = Mapping[str, Array]


def _has_avx512() -> bool:
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return any(name.startswith(("AVX512", "X86_V4")) for name in found)


# Smallest value, 0 and largest value, by dtype. 0-dimensional arrays make small calls faster.
_LIMITS = {
    np.dtype(dtype): tuple(np.array(n, dtype) for n in (-ACTIVATION_LIMIT, 0, ACTIVATION_LIMIT))
    for dtype in (np.float64, np.int64)
}
# Up to this number of rows, separate products are faster than one matrix product, unless the
# library has kernels for small matrices, which need AVX-512.
_FEW_ROWS = 1 if _has_avx512() else 3


def activate(values: Array, out: Array | None = None) -> Array:
    """Return values (float64 or int64) clamped to 0 … ACTIVATION_LIMIT, in `out` if given."""
    _, zero, largest = _LIMITS[values.dtype]
    clamped: Array = values.clip(zero, largest, out=out)
    return clamped


def saturate(values: Array, out: Array | None = None) -> Array:
    """Return values (float64 or int64) clamped to ±ACTIVATION_LIMIT, in `out` if given."""
    least, _, largest = _LIMITS[values.dtype]
    clamped: Array = values.clip(least, largest, out=out)
    return clamped


def product(values: Array, weight: Array) -> Array:
    """Return the product [..., O] of values [..., I] and a weight [I, O]."""
    if values.ndim == 2 and 1 < len(values) <= _FEW_ROWS:
        rows: Array = (values[:, None] @ weight)[:, 0]
        return rows
    products: Array = values.dot(weight) if weight.ndim == 2 else values @ weight
    return products


def freeze_activations(values: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Return real activations as integers, for stored tables."""
    scaled = np.floor(np.asarray(values, np.float64) * (1 << ACTIVATION_BITS) + 0.5)
    return saturate(scaled).astype(np.int16)


def freeze_linear(
    weight: NDArray[np.floating[Any]],
    bias: NDArray[np.floating[Any]],
    output_bits: int = ACTIVATION_BITS,
) -> dict[str, Array]:
    """Return the tensors of an `IntegerLinear` that approximates real weights.

    Weights too large for 16 bits are clamped.

    Args:
        weight: [..., I, O]; leading axes are separate products, which the caller adds up.
        bias: [..., O].
        output_bits: an output of 1.0 becomes the integer 2 ** output_bits.
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
    """Return the real weight [..., I, O] and bias [..., O]; the inverse of `freeze_linear`."""
    bits = int(tensors[f"{name}.shift"]) - ACTIVATION_BITS + output_bits
    weight = tensors[f"{name}.weight"] * 2.0**-bits
    return weight, tensors[f"{name}.bias"] * 2.0 ** -(bits + ACTIVATION_BITS)


def named(prefix: str, tensors: Tensors) -> dict[str, Array]:
    """Return the tensors with `prefix.` before their names."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


class IntegerLinear:
    """A linear layer of stored integers: matrix product, bias and requantization."""

    def __init__(
        self,
        tensors: Tensors,
        prefix: str,
        shape: tuple[int, ...],
        dtype: type[Any] = np.float64,
        *,
        bias_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Read and check `prefix.weight`, `.bias` and `.shift`; model files are untrusted.

        Args:
            tensors: of the model file.
            prefix: of the three names.
            shape: of the weight, [..., I, O].
            dtype: the type of the integers, float64 or int64.
            bias_shape: of the bias; None means [O].

        Raises:
            ModelFileError: a tensor is missing, or the arithmetic would not be exact.
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
        half = (1 << self.shift) >> 1  # makes floor round to nearest
        self.stored, self.dtype = weight, np.dtype(dtype)
        self.is_float = self.dtype.kind == "f"
        # Of a stored weight; scaling by a power of two is exact.
        self.factor: float | int = 2.0**-self.shift if self.is_float else 1
        self.bias = (bias.astype(dtype) + half) * self.factor

    @cached_property
    def weight(self) -> Array:
        """The stored integers times `factor`: four times as large, so made on first use."""
        return np.multiply(self.stored, self.factor, dtype=self.dtype, order="C")

    def __call__(self, values: Array) -> Array:
        """Return outputs [..., O] of activations [..., I], not clamped."""
        return self.requantize(product(values, self.weight), self.bias)

    def requantize(self, sums: Array, bias: Array) -> Array:
        """Return outputs from sums of products with `weight` and a bias; overwrites `sums`."""
        sums += bias
        if self.is_float:
            return np.floor(sums, out=sums)
        return sums >> self.shift


def fetch(
    tensors: Tensors, name: str, dtype: type[Any], shape: tuple[int, ...] | None = None
) -> Array:
    """Return the tensor of this name; a shape of None allows any shape.

    Raises:
        ModelFileError: the tensor is missing, or has a wrong type or shape.
    """
    tensor = tensors.get(name)
    if tensor is None:
        raise ModelFileError(f"model: tensor {name} is missing")
    if tensor.dtype != dtype:
        raise ModelFileError(f"model: tensor {name} is {tensor.dtype}, not {dtype.__name__}")
    if shape is not None and tensor.shape != shape:
        raise ModelFileError(f"model: tensor {name} has shape {tensor.shape}, not {shape}")
    return tensor
