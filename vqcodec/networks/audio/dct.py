"""The DCT-IV as products of matrices: one for short blocks, two for long ones."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Constant = TypeVar("Constant")
SHORTEST_IN_TWO = 1024  # samples of a block; for shorter ones, one product is faster


def dct4(folded: Tensor, num_bins: int) -> Tensor:
    """Return the lowest coefficients [R, num_bins] of folded blocks [R, N].

    The transform is orthonormal. A folded block has its first half, then its second half mirrored.
    A long block is transformed as a complex block of half its length (a classic way to a fast
    DCT-IV), and that in two steps (Cooley and Tukey 1965). In both, all factors that depend on
    one index are part of the matrices.
    """
    num_rows, length = folded.shape
    if length < SHORTEST_IN_TWO:
        return torch.matmul(folded, _basis(length, num_bins, folded))
    first, second = _steps(length, num_bins, folded)
    num_sums = len(second)
    sums = torch.matmul(first, folded.reshape(num_rows, num_sums, -1))  # [R, (sum, re/im), r]
    sums = sums.reshape(num_rows, num_sums, -1).transpose(0, 1)  # [sum, R, (re/im, r)]
    bins = torch.matmul(sums, second).reshape(num_sums, num_rows, 2, -1)
    bins = bins.permute(1, 3, 0, 2).flatten(2)[:, :, _order(num_sums)]
    return bins.flatten(1)[:, :num_bins]


def inverse_dct4(bins: Tensor, length: int) -> Tensor:
    """Return folded blocks [R, length] of coefficients [R, num_bins]; others are zero."""
    num_rows, num_bins = bins.shape
    if length < SHORTEST_IN_TWO:
        return torch.matmul(bins, _basis(length, num_bins, bins).transpose(0, 1))
    first, second = _steps(length, num_bins, bins)
    num_sums = len(second)
    order = _order(num_sums)
    back = [order.index(number) for number in range(len(order))]
    bins = functional.pad(bins, (0, -num_bins % len(order)))
    bins = bins.reshape(num_rows, -1, len(order))[:, :, back]
    bins = bins.reshape(num_rows, -1, num_sums, 2).permute(2, 0, 3, 1).flatten(2)
    sums = torch.matmul(bins, second.transpose(1, 2)).transpose(0, 1)
    sums = sums.reshape(num_rows, 2 * num_sums, -1)
    return torch.matmul(first.transpose(0, 1), sums).flatten(1)


class Kind(NamedTuple):
    """What a tensor of constants has in common with another tensor."""

    device: torch.device
    dtype: torch.dtype


class Steps(NamedTuple):
    """The matrices of a long block's two products."""

    first: Tensor  # [2 * sums, sums]
    second: Tensor  # [sums, 4 * N / 2 / sums, 2 * rows of coefficients]


def _make_steps(length: int, num_bins: int, kind: Kind) -> Steps:
    """Return the matrices of blocks of N samples.

    Let x be the block, z[n] = x[2 n] + i x[N - 1 - 2 n] and
    y[k] = sum over n of z[n] exp(-i pi / N (2 n + 1/2) (2 k + 1/2)). Then the coefficients 2 k
    and N - 1 - 2 k are Re y[k] and -Im y[k]. With n = n1 M2 + n2 and k = k1 + M1 k2, sums over n1
    do not depend on k2. They are the first step, of residues r of samples: even ones are 2 n2, and
    odd ones come from the second half of n, where the sums are conjugates.
    """
    num_sums = _num_sums(length)  # M1
    num_residues = length // num_sums  # 2 * M2
    num_rows = -(-num_bins // (2 * num_sums))  # of coefficients, 2 * M1 in each
    turn = 4 * num_sums
    sums, blocks = _tensor(range(num_sums), kind), _tensor(range(num_sums // 2), kind)
    units = (4 * sums[:, None, None, None] + 1) * blocks
    quarters = _tensor([[0, -1], [1, 0]], kind)[:, :, None]  # [re/im, first or second half, 1]
    first = _cosines(units + quarters * num_sums, turn).reshape(2 * num_sums, num_sums)
    # As [sum, re/im, r, even or odd coefficients, row].
    turn = 8 * length
    rows = _tensor(range(num_rows), kind)
    places = torch.stack([rows, num_residues // 2 - 1 - rows])
    residues = _tensor(range(num_residues), kind)[:, None, None]
    units = (2 * residues + 1) * (4 * (sums[:, None, None, None, None] + num_sums * places) + 1)
    quarters = _tensor([[0, -1], [-1, 2]], kind)[:, None, :, None]
    odd = _tensor([0, 2], kind)[:, None] * (residues % 2)
    second = _cosines(units + (quarters + odd) * (turn // 4), turn) * math.sqrt(2 / length)
    return Steps(first, second.reshape(num_sums, 2 * num_residues, 2 * num_rows))


def _num_sums(length: int) -> int:
    """Return an even divisor of half a length, near to its square root."""
    half = length // 2
    return max(n for n in range(2, math.isqrt(half) + 1, 2) if half % n == 0)


def _order(num_sums: int) -> list[int]:
    """Return which of (k1, even or odd) has each coefficient of a row."""
    return [c if c % 2 == 0 else 2 * num_sums - c for c in range(2 * num_sums)]


def _make_basis(length: int, num_bins: int, kind: Kind) -> Tensor:
    """Return the lowest basis functions [length, num_bins], for folded blocks."""
    odd = range(1, 2 * length, 2)
    places = [*odd[: length // 2], *odd[: length // 2 - 1 : -1]]
    units = _tensor(places, kind)[:, None] * _tensor(range(1, 2 * num_bins, 2), kind)
    return _cosines(units, 8 * length) * math.sqrt(2 / length)


def _tensor(numbers: Sequence[Any], kind: Kind) -> Tensor:
    """Return numbers as a tensor: ONNX Runtime does not compute a Range beforehand."""
    return torch.tensor(numbers, device=kind.device, dtype=kind.dtype)


def _cosines(units: Tensor, turn: int) -> Tensor:
    """Return the cosines of whole units of a turn, which are exact below 2 ** 24.

    They are reduced to one turn, because the cosine of a large angle is not precise.
    """
    return torch.cos((units - torch.floor(units / turn) * turn) / turn * (2 * math.pi))


def _known(
    make: Callable[[int, int, Kind], Constant],
) -> Callable[[int, int, Tensor], Constant]:
    """Return a function of constants for a length, a number of coefficients and a like tensor.

    A graph computes the constants when it is loaded: stored, they would be most of a model file.
    """
    cached = functools.lru_cache(maxsize=16)(make)

    def constant(length: int, num_bins: int, like: Tensor) -> Constant:
        find = make if torch.compiler.is_exporting() else cached
        return find(length, num_bins, Kind(like.device, like.dtype))

    return constant


_basis, _steps = _known(_make_basis), _known(_make_steps)
