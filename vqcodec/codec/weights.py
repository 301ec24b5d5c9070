"""How a model file stores the weights of networks: 8 bits for large matrices, 16 for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]

SCALE = ".scale"  # after the name of a weight in 8 bits: the tensor with the step of each row
LEAST_VALUES = 4_096  # of a weight that is worth 8 bits
LARGEST = 127


def store_weight(name: str, weight: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return the tensors that stand for a weight, by their names.

    A large matrix or kernel [O, ...] becomes integers of 8 bits and a step for each of its O rows.
    Linear paths stay in half precision: they carry the signal itself, and the values in a row
    differ by orders of magnitude.
    """
    is_linear_path = name.split(".")[1].startswith("linear")
    if weight.ndim < 2 or weight.size < LEAST_VALUES or is_linear_path:
        with np.errstate(over="ignore"):  # what is not finite is found when it is written
            return {name: weight.astype(np.float16)}
    rows = weight.reshape(len(weight), -1)
    steps = np.abs(rows).max(axis=1, initial=0) / LARGEST
    with np.errstate(invalid="ignore"):  # likewise: the steps are not finite then
        rounded = np.rint(rows / np.where(steps > 0, steps, 1)[:, None])
        integers = rounded.astype(np.int8).reshape(weight.shape)
    return {name: integers, name + SCALE: steps.astype(np.float32)}


def restore_weight(tensors: Tensors, name: str) -> NDArray[Any]:
    """Return a tensor as networks compute with it: weights as 32-bit floats, integers as they are.

    Raises:
        KeyError: there is no such tensor.
        ValueError: the steps do not fit the weight.
    """
    stored, steps = tensors[name], tensors.get(name + SCALE)
    if steps is not None:
        wide: NDArray[Any] = stored.astype(np.float32)
        wide *= steps.reshape(-1, *(1,) * (stored.ndim - 1))
        return wide
    return np.ascontiguousarray(stored.astype(np.float32) if stored.dtype.kind == "f" else stored)
