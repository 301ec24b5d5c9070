"""Training of a prior for a given processor time."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from vqcodec.networks.priors.base import PriorNetwork

FLAT = 0.6  # share of the time at the full learning rate, which then falls to a fiftieth
LAST = 0.02


def fit(
    network: PriorNetwork,
    loss_of_step: Callable[[], Tensor],
    seconds: float,
    learning_rate: float,
    limit: float = 1.0,
) -> int:
    """Train a prior for `seconds` of processor time, and return the number of steps.

    loss_of_step draws a batch and returns its loss []; limit is the largest length of a gradient.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.0)
    began, steps = time.process_time(), 0
    while (spent := time.process_time() - began) < seconds:
        factor = min(1.0, (1 - spent / seconds) / (1 - FLAT) + LAST)
        optimizer.param_groups[0]["lr"] = learning_rate * factor
        loss = loss_of_step()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), limit)
        optimizer.step()
        steps += 1
    return steps
