"""Means over a window that slides across a picture, as the metrics of pictures weight them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]  # [N, H, W]
Weights = Sequence[float] | NDArray[np.float64]

_STRIP = 32  # positions computed by one product of matrices


def weighted_means(maps: Maps, across: Weights, down: Weights) -> Maps:
    """Return weighted sums over all windows that lie inside maps [N, H, W].

    The result is [N, H - len(down) + 1, W - len(across) + 1]. A banded matrix times a strip of the
    maps is several times faster than one pass for each weight, although most entries are zero.

    Args:
        maps: values of any size.
        across: the weights of a row of the window.
        down: the weights of a column.
    """
    num_maps, height, width = maps.shape
    rows, columns = height - len(down) + 1, width - len(across) + 1
    lowered = np.empty((num_maps, rows, width), np.float32)
    band = _band(down)
    for start in range(0, rows, _STRIP):
        size = min(_STRIP, rows - start)
        around = size + len(down) - 1
        np.matmul(
            band[:around, :size].T,
            maps[:, start : start + around],
            out=lowered[:, start : start + size],
        )
    flat = lowered.reshape(num_maps * rows, width)
    result = np.empty((num_maps * rows, columns), np.float32)
    band = _band(across)
    for start in range(0, columns, _STRIP):
        size = min(_STRIP, columns - start)
        around = size + len(across) - 1
        np.matmul(
            flat[:, start : start + around],
            band[:around, :size],
            out=result[:, start : start + size],
        )
    return result.reshape(num_maps, rows, columns)


def mean_of_pairs(maps: Maps) -> Maps:
    """Return the means of 2 x 2 values of maps [N, H, W] with even sides."""
    rows = maps[:, ::2] + maps[:, 1::2]
    means: Maps = (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)
    return means


def _band(weights: Weights) -> NDArray[np.float32]:
    """Return the matrix [_STRIP + L - 1, _STRIP] whose columns are the weights, each one lower."""
    band = np.zeros((_STRIP + len(weights) - 1, _STRIP), np.float32)
    for column in range(_STRIP):
        band[column : column + len(weights), column] = weights
    return band
