"""Stored integers back to the layers of a prior that trains: the way back from `freezing`."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.coding import OUTPUT_BITS
from vqcodec.priors.config import Head
from vqcodec.priors.integer import ACTIVATION_BITS, Tensors

Floats = NDArray[np.float64]


def thaw_activations(stored: NDArray[np.int16]) -> Floats:
    """Return the real activations that stored integers stand for."""
    return stored.astype(np.float64) / (1 << ACTIVATION_BITS)


def thaw_linear(
    tensors: Tensors, name: str, output_bits: int = ACTIVATION_BITS
) -> tuple[Floats, Floats]:
    """Return the real weight [..., I, O] and bias [..., O] of what `freeze_linear` made."""
    bits = int(tensors[f"{name}.shift"]) - ACTIVATION_BITS + output_bits
    weight = tensors[f"{name}.weight"] * 2.0**-bits
    return weight, tensors[f"{name}.bias"] * 2.0 ** -(bits + ACTIVATION_BITS)


def thaw_layer(layer: nn.Module, tensors: Tensors, name: str, head: Head | None = None) -> None:
    """Give a linear layer the weights that `freeze_layer` stored."""
    assert isinstance(layer, nn.Linear)
    bits = ACTIVATION_BITS if head is None else OUTPUT_BITS[head]
    weight, bias = thaw_linear(tensors, name, bits)
    unit = math.log(2) if head == "categorical" else 1.0
    assign(layer.weight, weight.T * unit)
    assign(layer.bias, bias * unit)


def thaw_rates(knots: nn.Parameter, positions: Tensor, stored: NDArray[np.int16]) -> None:
    """Set knots [J, W] to what comes nearest to the stored states [256, W] of all rate bytes."""
    shares = interpolate_knots(torch.eye(len(knots)), positions).double().numpy()  # [256, J]
    assign(knots, np.linalg.lstsq(shares, thaw_activations(stored), rcond=None)[0])


def assign(parameter: Tensor, values: Floats) -> None:
    """Copy values of the same shape into a parameter."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
