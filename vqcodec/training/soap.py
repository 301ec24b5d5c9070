"""SOAP: Adam in the eigenbasis of the gradients (Vyas et al. 2024, arXiv:2409.11321)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

LARGEST_SIDE = 800  # of a covariance: those of longer sides would take too long
FIRST_STEPS = 20  # give the first bases; no weight changes meanwhile
COVARIANCE_EVERY, BASIS_EVERY = 3, 10  # steps
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.98  # per step
LEAST = 1e-8  # of a root mean square that divides
LARGEST = 2.0  # of a number of an update, in learning rates; those of Adam are below 1.5
RIDGE = 1e-10  # of the mean variance, so that the first eigenvectors exist

SIDES = ("first", "last")


class Soap(torch.optim.Optimizer):
    """Updates matrices and kernels in bases in which their gradients are uncorrelated.

    The bases are eigenvectors of the covariances of the first and of the last axis of a gradient.
    They follow the gradients by one step of orthogonal iteration at a time. In these bases, an
    update is that of Adam. Zhang and Zhu 2026 (arXiv:2601.20769) report that picture codecs need
    up to 70 % fewer steps with it.

    Weights of one shape are updated together, because many small products are slow on a GPU. Their
    state is that of the first of them, stacked along a new first axis.
    """

    def __init__(self, weights: Iterable[Tensor], dtype: torch.dtype) -> None:
        """Take weights [O, ..., I] for I inputs, and the type of products with bases."""
        super().__init__(weights, {"lr": 0.0})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Update every weight that has a gradient, at the learning rate "lr" of its group."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                alike.setdefault(weight.shape, []).append(weight)
            for weights in alike.values():
                if all(weight.grad is None for weight in weights):
                    continue
                gradients = torch.stack([_gradient_of(weight) for weight in weights])
                updates = self._updates_of(gradients, self.state[weights[0]])
                if updates is not None:
                    pairs = zip(weights, updates.unbind(), strict=True)
                    own, theirs = zip(*[p for p in pairs if p[0].grad is not None], strict=True)
                    torch._foreach_add_(own, theirs, alpha=-group["lr"])

    def _updates_of(self, gradients: Tensor, state: dict[str, Any]) -> Tensor | None:
        """Return the updates [N, O, ..., I] of gradients [N, O, ..., I]; None before the bases."""
        if not state:
            _begin(state, gradients)
        state["step"] += 1
        step = state["step"]
        if step <= FIRST_STEPS or step % COVARIANCE_EVERY == 0:
            self._follow(gradients, state)
        if step <= FIRST_STEPS:
            if step == FIRST_STEPS:
                _start_bases(state)
            return None
        if step % BASIS_EVERY == 0:
            self._turn_bases(state)
        turned = self._turned(gradients, state)
        mean, square = state["mean"], state["square"]
        mean.lerp_(turned, 1 - MEAN_DECAY)
        square.lerp_(turned.square(), 1 - SQUARE_DECAY)
        count = step - FIRST_STEPS
        deviation = (square / (1 - SQUARE_DECAY**count)).sqrt_().add_(LEAST)
        # A new basis vector may have a mean, and squares of another direction that are nearly zero.
        update = (mean / (1 - MEAN_DECAY**count) / deviation).clamp_(-LARGEST, LARGEST)
        return self._turned_back(update, state)

    def _follow(self, gradients: Tensor, state: dict[str, Any]) -> None:
        """Move the covariances towards those of gradients."""
        share = 1 - SQUARE_DECAY**COVARIANCE_EVERY
        for side in SIDES:
            if f"{side}_covariance" in state:
                rows = _rows(gradients, side).to(self.dtype)
                state[f"{side}_covariance"].lerp_((rows @ rows.mT).to(gradients.dtype), share)

    def _turn_bases(self, state: dict[str, Any]) -> None:
        """Make one step of orthogonal iteration, and turn the mean; its squares are only sorted."""
        mean = self._turned_back(state["mean"], state)
        for axis, side in ((1, "first"), (-1, "last")):
            if f"{side}_basis" not in state:
                continue
            basis = state[f"{side}_basis"]
            product = state[f"{side}_covariance"] @ basis
            order = (basis * product).sum(1).argsort(dim=1, descending=True)  # [N, n]
            product = product.gather(2, order[:, None].expand_as(product))
            state[f"{side}_basis"] = torch.linalg.qr(product)[0].contiguous()
            square = state["square"].movedim(axis, 1)
            places = order.reshape(*order.shape, *[1] * (square.dim() - 2)).expand_as(square)
            state["square"] = square.gather(1, places).movedim(1, axis).contiguous()
        state["mean"] = self._turned(mean, state)

    def _turned(self, values: Tensor, state: dict[str, Any]) -> Tensor:
        """Return values of the shape of the gradients in their bases."""
        return self._product(values, state, back=False)

    def _turned_back(self, values: Tensor, state: dict[str, Any]) -> Tensor:
        """Return what `_turned` was given."""
        return self._product(values, state, back=True)

    def _product(self, values: Tensor, state: dict[str, Any], *, back: bool) -> Tensor:
        found = values.to(self.dtype)
        if "last_basis" in state:
            basis = state["last_basis"].to(self.dtype)
            found = found.flatten(1, -2) @ (basis.mT if back else basis)
        if "first_basis" in state:
            basis = state["first_basis"].to(self.dtype)
            rows = found.reshape(*values.shape[:2], -1)
            found = (basis if back else basis.mT) @ rows
        return found.reshape(values.shape).to(values.dtype)


def _gradient_of(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _begin(state: dict[str, Any], gradients: Tensor) -> None:
    """Set the state of gradients [N, O, ..., I] before the first step."""
    state.update(step=0, mean=torch.zeros_like(gradients), square=torch.zeros_like(gradients))
    for side, size in zip(SIDES, (gradients.shape[1], gradients.shape[-1]), strict=True):
        if 1 < size <= LARGEST_SIDE:
            state[f"{side}_covariance"] = gradients.new_zeros(len(gradients), size, size)


def _rows(gradients: Tensor, side: str) -> Tensor:
    """Return gradients [N, O, ..., I] as rows of a side, [N, O, M] or [N, I, M]."""
    return gradients.flatten(2) if side == "first" else gradients.flatten(1, -2).mT


def _start_bases(state: dict[str, Any]) -> None:
    """Set the bases to the eigenvectors of the covariances, largest variance first."""
    for side in SIDES:
        covariance = state.get(f"{side}_covariance")
        if covariance is not None:
            ridge = RIDGE * covariance.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
            eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
            vectors = torch.linalg.eigh(covariance + ridge * eye)[1]
            state[f"{side}_basis"] = vectors.flip(2).contiguous()
