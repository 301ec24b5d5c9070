"""The optimizer of networks and prior: AdamW, with an own learning rate for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vqcodec.networks.precision import in_memory_order
from vqcodec.training.old_layout import in_order_of


class PartsOptimizer(torch.optim.AdamW):
    """Updates the parts of a module by the gradients of its weights.

    The optimizer's own parameters are contiguous views of the weights, on which it is fastest.
    """

    def __init__(
        self, parts: nn.ModuleDict, rates: Mapping[str, float], gradient_limit: float
    ) -> None:
        """Take the parts, the learning rate of each by name, and the largest norm of gradients."""
        groups: list[dict[str, Any]] = [
            {
                "params": [in_memory_order(p) for p in part.parameters()],
                "base": rates[name],
            }
            for name, part in parts.items()
        ]
        super().__init__(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        self.parts, self.gradient_limit = parts, gradient_limit

    def update(self, factor: float) -> dict[str, Tensor]:
        """Make a step at the learning rates times a factor; return the gradients' norms by part.

        Without effect if a gradient is not finite.
        """
        for group in self.param_groups:
            group["lr"] = group["base"] * factor
        # Clipped separately, so that large gradients of the prior do not scale down the others.
        norms = {
            name: nn.utils.clip_grad_norm_(part.parameters(), self.gradient_limit)
            for name, part in self.parts.items()
        }
        if all(torch.isfinite(norm) for norm in norms.values()):
            for part, group in zip(self.parts.values(), self.param_groups, strict=True):
                for weight, own in zip(part.parameters(), group["params"], strict=True):
                    own.grad = None if weight.grad is None else in_memory_order(weight.grad)
            self.step()
        return norms

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of a checkpoint, also of one in the layout of an older version."""
        weights = [weight for part in self.parts.values() for weight in part.parameters()]
        super().load_state_dict(in_order_of(weights, state_dict))
