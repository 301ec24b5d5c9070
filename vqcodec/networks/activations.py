"""Activations whose gradient depends on their result alone.

The usual gradients depend on the input. A compiled network then stores a mask for each activation,
and masks are slow on processors: torch.compile writes them byte by byte. The result is stored
anyway, because the next layer needs it. Values and gradients are the same in both forms.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class _Clamp(torch.autograd.Function):
    """Values clamped to two limits."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, low: float, high: float) -> Tensor:
        """Return the clamped values."""
        result = values.clamp(low, high)
        ctx.save_for_backward(result)
        ctx.low, ctx.high = low, high
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient, which is 0 at and beyond the limits."""
        (result,) = ctx.saved_tensors
        inside = (result > ctx.low) & (result < ctx.high)
        return torch.where(inside, gradient, 0.0), None, None


class _ReturningClamp(torch.autograd.Function):
    """Values clamped to two limits, with a gradient that leads back to them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, low: float, high: float) -> Tensor:
        """Return the clamped values."""
        ctx.save_for_backward(values)
        ctx.low, ctx.high = low, high
        return values.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient, without what would lead further out."""
        (values,) = ctx.saved_tensors
        outward = ((values <= ctx.low) & (gradient > 0)) | ((values >= ctx.high) & (gradient < 0))
        return torch.where(outward, 0.0, gradient), None, None


class _LeakyRectifier(torch.autograd.Function):
    """Values, those below 0 times a slope."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slope: float) -> Tensor:
        """Return the values, those below 0 times the slope."""
        result = functional.leaky_relu(values, slope)
        ctx.save_for_backward(result)
        ctx.slope = slope
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient, times the slope where the result is not above 0."""
        (result,) = ctx.saved_tensors
        return torch.where(result > 0, gradient, gradient * ctx.slope), None


def clamp(values: Tensor, low: float, high: float) -> Tensor:
    """Return values clamped to `low` … `high`, with a gradient of 0 at the limits."""
    if _is_compiling():
        return _Clamp.apply(values, low, high)  # type: ignore[no-any-return]
    return functional.hardtanh(values, low, high)  # clamp() has a slower gradient


def returning_clamp(values: Tensor, low: float, high: float) -> Tensor:
    """Return values clamped to `low` … `high`, with the gradient that leads back to the limits.

    So a value beyond a limit is not lost for the training. Outputs need it; in hidden layers,
    other contexts bring a unit back.
    """
    return _ReturningClamp.apply(values, low, high)  # type: ignore[no-any-return]


def leaky_relu(values: Tensor, slope: float) -> Tensor:
    """Return values, those below 0 times a slope above 0."""
    if _is_compiling():
        return _LeakyRectifier.apply(values, slope)  # type: ignore[no-any-return]
    return functional.leaky_relu(values, slope)


def _is_compiling() -> bool:
    return torch.compiler.is_compiling() and not torch.compiler.is_exporting()
