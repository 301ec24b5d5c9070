"""Checkpoints in the memory layouts of versions before 0.2.0, converted to today's layouts.

Two things had another layout, and nothing else has changed:

- The context weights of the grid prior were masked kernels, [P, W, C, k, k] for P phases. Now they
  are the known taps alone, [W, taps, C], phase after phase; see `GroupPredictor`.
- The optimizer kept its averages of kernels as [O, I, k, k]. Now they are in memory order, which is
  [O, k, k, I] for kernels that are stored channels last; see `in_memory_order`.

Both conversions only move numbers. Masked weights never had an effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from vqcodec.networks.precision import in_memory_order
from vqcodec.priors.order import known_taps

_CONTEXT_AXES = 5  # of an old context; no other weight has so many


def with_known_taps(state: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint whose contexts, and the optimizer's averages of them, are known taps."""
    changed = dict(state)
    for part in ("module", "average"):
        weights = changed.get(part)
        if isinstance(weights, dict):
            changed[part] = {name: _known_taps_of(weight) for name, weight in weights.items()}
    if isinstance(changed.get("optimizer"), dict):
        changed["optimizer"] = _with_averages(
            changed["optimizer"], lambda _, average: _known_taps_of(average)
        )
    return changed


def in_order_of(weights: Sequence[Tensor], optimizer: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's state with its averages in the memory order of their weights.

    A state is old if an average has another shape than its weight. Then all kernels are reordered,
    because some have the same shape in both orders.

    Args:
        weights: all of the networks, in the order of the optimizer's state.
        optimizer: its `state_dict`.
    """
    shapes = [in_memory_order(weight).shape for weight in weights]
    kept = {number: own["exp_avg"].shape for number, own in optimizer["state"].items()}
    if all(shapes[number] == shape for number, shape in kept.items()):
        return optimizer

    def reordered(number: int, average: Tensor) -> Tensor:
        if weights[number].is_contiguous():
            return average
        return average.permute(0, 2, 3, 1).contiguous()

    return _with_averages(optimizer, reordered)


def _known_taps_of(weight: Tensor) -> Tensor:
    """Return an old context [P, W, C, k, k] as [W, taps, C]; any other weight as it is."""
    if weight.dim() != _CONTEXT_AXES:
        return weight
    period, size = math.isqrt(len(weight)), weight.shape[-1]
    known = torch.from_numpy(known_taps((period, period), (size, size)))  # [P, k, k]
    # Boolean indexing gives the taps of a phase in the order of `numpy.argwhere`.
    taps = [own[:, :, places] for own, places in zip(weight, known, strict=True)]  # [W, C, taps]
    return torch.cat(taps, dim=2).transpose(1, 2).contiguous()


def _with_averages(
    optimizer: dict[str, Any], convert: Callable[[int, Tensor], Tensor]
) -> dict[str, Any]:
    """Return an optimizer's state with its averages of gradients and their squares converted."""
    state = {
        number: {
            name: convert(number, value) if name.startswith("exp_avg") else value
            for name, value in own.items()
        }
        for number, own in optimizer["state"].items()
    }
    return {**optimizer, "state": state}
