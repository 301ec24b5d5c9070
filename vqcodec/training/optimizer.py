"""The optimizers of networks and prior, with an own learning rate for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vqcodec.networks.precision import gains_by_bfloat16, in_memory_order
from vqcodec.training.old_layout import in_order_of
from vqcodec.training.recipe import ScheduleConfig
from vqcodec.training.soap import Soap

NETWORKS = "autoencoder"  # the part whose kernels and matrices SOAP updates
LAYERS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear)


class PartsOptimizer(torch.optim.AdamW):
    """Updates the parts of a module by the gradients of its weights, with AdamW.

    The optimizer's own parameters are contiguous views of the weights, on which it is fastest.
    """

    def __init__(
        self,
        parts: nn.ModuleDict,
        rates: Mapping[str, float],
        gradient_limit: float,
        leave_out: Sequence[Tensor] = (),
    ) -> None:
        """Take the parts, and how to update them.

        Args:
            parts: of the module, by name.
            rates: the learning rate of each.
            gradient_limit: the largest norm of the gradients of a part.
            leave_out: weights that another optimizer updates.
        """
        others = set(map(id, leave_out))
        weights = {
            name: [weight for weight in part.parameters() if id(weight) not in others]
            for name, part in parts.items()
        }
        groups: list[dict[str, Any]] = [
            {"params": list(map(in_memory_order, own)), "base": rates[name]}
            for name, own in weights.items()
        ]
        super().__init__(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        self.parts, self.gradient_limit = parts, gradient_limit
        self.weights = [weight for own in weights.values() for weight in own]

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
            views = [view for group in self.param_groups for view in group["params"]]
            for weight, view in zip(self.weights, views, strict=True):
                view.grad = None if weight.grad is None else in_memory_order(weight.grad)
            self.step()
        return norms

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of a checkpoint, also of one in the layout of an older version."""
        super().load_state_dict(in_order_of(self.weights, state_dict))


class SoapOptimizer(PartsOptimizer):
    """SOAP for the kernels and matrices of encoder and decoder, AdamW for everything else.

    Tables stay with AdamW, because rows of steps or of a codebook may have to stay as they are. So
    does the prior, which diverged with SOAP.
    """

    def __init__(
        self,
        parts: nn.ModuleDict,
        rates: Mapping[str, float],
        gradient_limit: float,
        dtype: torch.dtype,
    ) -> None:
        """Take what `PartsOptimizer` takes, and the type of products with bases."""
        self.kernels = [
            layer.weight for layer in parts[NETWORKS].modules() if isinstance(layer, LAYERS)
        ]
        super().__init__(parts, rates, gradient_limit, self.kernels)
        self.number = list(parts).index(NETWORKS)
        self.soap = Soap([kernel.detach().movedim(1, -1) for kernel in self.kernels], dtype)

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all weights that have gradients."""
        super().step(closure)
        (group,) = self.soap.param_groups
        group["lr"] = self.param_groups[self.number]["lr"]
        for kernel, view in zip(self.kernels, group["params"], strict=True):
            view.grad = None if kernel.grad is None else kernel.grad.movedim(1, -1)
        self.soap.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both optimizers."""
        return {**super().state_dict(), "soap": self.soap.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of a checkpoint.

        Raises:
            ValueError: it is of an older version, which had a state for each kernel.
        """
        states = state_dict["soap"]["state"].items()
        if any(own["mean"].dim() == self.kernels[number].dim() for number, own in states):
            raise ValueError("the state of SOAP is of an older version")
        torch.optim.AdamW.load_state_dict(self, state_dict)
        self.soap.load_state_dict(state_dict["soap"])


def build_optimizer(
    schedule: ScheduleConfig, parts: nn.ModuleDict, rates: Mapping[str, float], device: str
) -> PartsOptimizer:
    """Return the optimizer of a schedule for parts on a device; see `PartsOptimizer`."""
    if schedule.optimizer == "adamw":
        return PartsOptimizer(parts, rates, schedule.gradient_limit)
    dtype = torch.bfloat16 if gains_by_bfloat16(device) else torch.float32
    return SoapOptimizer(parts, rates, schedule.gradient_limit, dtype)
