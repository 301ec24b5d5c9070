"""The loop of every fitting: steps, checks on held-out files, and the best weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.interrupts import uninterrupted
from vqcodec.training.adapt.budget import Budget
from vqcodec.training.adapt.interruption import Interruption
from vqcodec.training.state import AveragedWeights

CHECKS = 20  # evenly over the time
PATIENCE = 4  # checks without a better figure, then the learning rate falls to 0
COOLDOWN_SHARE = 0.25  # of the time so far: how long that takes
LEAST_GAIN = 1e-3  # relative, of a better figure that resets the patience
WARMUP_SHARE = 0.05  # of the time
AVERAGE_DECAY = 0.99


class Fitting(ABC):
    """A module whose parameters with gradients are fitted.

    Attributes:
        name: for messages.
        module: all that is saved and restored.
        learning_rate: the highest.
        gradient_limit: the largest norm of gradients; others are clipped.
    """

    name: str
    module: nn.Module
    learning_rate: float
    gradient_limit: float = 1.0

    @abstractmethod
    def loss(self, generator: np.random.Generator) -> Tensor:
        """Return the loss [] of a random batch."""

    def groups(self) -> list[tuple[nn.Module, float]]:
        """Return parts of the module and the highest learning rate of each."""
        return [(self.module, self.learning_rate)]

    @abstractmethod
    def held_out(self) -> float:
        """Return the figure of held-out files for the present weights; lower is better."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fitting did.

    Attributes:
        before: the figure of held-out files at first.
        after: with the weights that were kept.
        steps: that were made.
        seconds: that it took.
        interrupted: whether Ctrl-C stopped it.
    """

    before: float
    after: float
    steps: int
    seconds: float
    interrupted: bool

    @property
    def improved(self) -> bool:
        """Whether the weights that were kept are other ones than at first."""
        return self.after < self.before


Report = Callable[[float, float, float], None]  # takes the share done, the figure, the first figure


def fit(
    fitting: Fitting,
    budget: Budget,
    seed: int,
    report: Report = lambda *_: None,
    interruption: Interruption | None = None,
) -> Fitted:
    """Fit until the held-out figure no longer falls or the time is over; keep the best weights.

    The weights that are kept are moving averages. The learning rate rises at first, then falls
    linearly to 0 at the end of the time. Once the figure no longer falls, the end is earlier: the
    last steps, at low rates, gain most. Ctrl-C stops the fitting at once. Before the first figure
    there are no weights to keep, and it raises KeyboardInterrupt.
    """
    interruption = interruption or Interruption()
    groups = [
        {"params": [p for p in part.parameters() if p.requires_grad], "lr": rate, "base": rate}
        for part, rate in fitting.groups()
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    average = AveragedWeights(fitting.module, AVERAGE_DECAY)
    generator = np.random.default_rng([seed, 7])
    torch.manual_seed(seed)
    before = best = _figure(fitting)
    kept = _copy(fitting.module)
    interruption.keep()
    steps = waited = checks = 0
    reference = math.inf  # the first steps, with a fresh optimizer, may be a loss
    end = 1.0  # the share of the time at which the fitting ends
    rate_then, share_then = 1.0, 0.0  # of the learning rate and the time, where it falls from
    with interruption.ends_block():
        report(0.0, best, before)
        while (share := budget.share) < end:
            rate = rate_then * (end - share) / (end - share_then)
            with uninterrupted():
                _step(fitting, optimizer, min(share / WARMUP_SHARE, rate), generator)
                steps += 1
                average.update(fitting.module, steps)
            share = budget.share
            if share * CHECKS < checks + 1 and share < end:
                continue
            checks = int(share * CHECKS)
            with average.in_place_of_weights(fitting.module):
                figure = _figure(fitting)
                if figure < best:
                    best, kept = figure, _copy(fitting.module)
            waited += 1
            if figure < reference * (1 - LEAST_GAIN):
                reference, waited = figure, 0
            if waited == PATIENCE and end == 1:
                share_then, rate_then = share, 1 - share
                end = min(1.0, share_then * (1 + COOLDOWN_SHARE))
            report(share, figure, before)
    fitting.module.load_state_dict(kept)
    return Fitted(before, best, steps, budget.elapsed_s, interruption.asked)


def _step(
    fitting: Fitting,
    optimizer: torch.optim.Optimizer,
    rate: float,
    generator: np.random.Generator,
) -> None:
    """Make one step at a share 0 … 1 of the learning rates; none if gradients are not finite."""
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * rate
    optimizer.zero_grad(set_to_none=True)
    fitting.loss(generator).backward()  # type: ignore[no-untyped-call]
    # Clipped separately, so that large gradients of one part do not scale down the others.
    norms = [
        nn.utils.clip_grad_norm_(group["params"], fitting.gradient_limit)
        for group in optimizer.param_groups
    ]
    if all(torch.isfinite(norm) for norm in norms):
        optimizer.step()


@torch.no_grad()
def _figure(fitting: Fitting) -> float:
    fitting.module.eval()
    figure = fitting.held_out()
    fitting.module.train()
    return figure


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
