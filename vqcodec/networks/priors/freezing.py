"""Trained layers of a prior to stored integers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vqcodec.entropy.frequencies import make_exp2_table
from vqcodec.errors import ModelFileError
from vqcodec.networks.priors.heads import saturate
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.coding import OUTPUT_BITS
from vqcodec.priors.config import Head
from vqcodec.priors.integer import ACTIVATION_BITS, freeze_activations, freeze_linear, named
from vqcodec.priors.logistic import make_logistic_tables


def as_array(tensor: Tensor | nn.Module) -> NDArray[Any]:
    """Return a tensor as a float64 array.

    Raises:
        ModelFileError: a value is not finite, so that no integer stands for it.
    """
    assert isinstance(tensor, Tensor)
    array: NDArray[Any] = tensor.detach().cpu().double().numpy()
    if not np.isfinite(array).all():
        raise ModelFileError("prior: has weights that are not finite, and cannot be frozen")
    return array


def freeze_coding(head: Head) -> dict[str, NDArray[Any]]:
    """Return the tables with which a head's outputs become frequencies."""
    if head == "logistic":
        return {"tables": make_logistic_tables()}
    return {"exponents": make_exp2_table()}


def freeze_layer(name: str, layer: nn.Module, head: Head | None = None) -> dict[str, NDArray[Any]]:
    """Return a linear layer's integers; with `head`, its outputs are in that head's units."""
    assert isinstance(layer, nn.Linear)
    weight, bias = as_array(layer.weight).T, as_array(layer.bias)
    if head == "categorical":  # natural logits to powers of two
        weight, bias = weight / math.log(2), bias / math.log(2)
    bits = ACTIVATION_BITS if head is None else OUTPUT_BITS[head]
    return named(name, freeze_linear(weight, bias, bits))


def freeze_rates(knots: Tensor, positions: Tensor) -> NDArray[np.int16]:
    """Return the first state [256, W] of every rate byte."""
    with torch.no_grad():
        return freeze_activations(as_array(saturate(interpolate_knots(knots, positions))))
