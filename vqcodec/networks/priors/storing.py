"""Layers of a prior to stored integers and back; one declaration of a layer serves both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vqcodec.entropy.frequencies import make_exp2_table
from vqcodec.errors import ModelFileError
from vqcodec.networks.priors.heads import saturate
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.config import Head
from vqcodec.priors.integer import (
    ACTIVATION_BITS,
    Tensors,
    freeze_activations,
    freeze_linear,
    named,
    thaw_linear,
)
from vqcodec.priors.learnt import OUTPUT_BITS
from vqcodec.priors.logistic import make_logistic_tables

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class StoredLayer:
    """A layer of a network, and how a model file stores it.

    Attributes:
        name: of the stored tensors, `name.weight`, `name.bias` and `name.shift`.
        weight: of the layer.
        bias: of the layer.
        axes: the axes of the weight in stored order, [..., I, O].
        head: the head whose outputs these are; None if they are activations.
        places: a mask over the leading axes of the stored tensor. The items of the weight's first
            axis are stored where it is True, zeros elsewhere. None for no mask.
    """

    name: str
    weight: Tensor
    bias: Tensor
    axes: tuple[int, ...] = (1, 0)  # of nn.Linear
    head: Head | None = None
    places: NDArray[np.bool_] | None = None

    def freeze(self) -> dict[str, NDArray[Any]]:
        """Return the integer tensors of the layer.

        Raises:
            ModelFileError: a weight is not finite.
        """
        weight, bias = self.stored_weight(), as_array(self.bias)
        frozen = freeze_linear(weight / self._unit, bias / self._unit, self._output_bits)
        return named(self.name, frozen)

    def stored_weight(self) -> Floats:
        """Return the weight as a model file lays it out, in floats.

        Raises:
            ModelFileError: a value is not finite.
        """
        weight = as_array(self.weight).transpose(self.axes)
        if self.places is None:
            return weight
        stored = np.zeros((*self.places.shape, *weight.shape[1:]))
        stored[self.places] = weight
        return stored

    def thaw(self, tensors: Tensors) -> None:
        """Load the weights that `freeze` stored, with the precision of its integers."""
        weight, bias = thaw_linear(tensors, self.name, self._output_bits)
        if self.places is not None:
            weight = weight[self.places]
        assign(self.weight, weight.transpose(np.argsort(self.axes)) * self._unit)
        assign(self.bias, bias * self._unit)

    @property
    def _unit(self) -> float:
        """Return the unit of stored outputs: logits are stored as base-2 logarithms."""
        return math.log(2) if self.head == "categorical" else 1.0

    @property
    def _output_bits(self) -> int:
        return ACTIVATION_BITS if self.head is None else OUTPUT_BITS[self.head]


def linear(name: str, layer: nn.Module, head: Head | None = None) -> StoredLayer:
    """Return how a linear layer is stored."""
    assert isinstance(layer, nn.Linear)
    return StoredLayer(name, layer.weight, layer.bias, head=head)


def convolution(name: str, layer: nn.Module) -> StoredLayer:
    """Return how a convolution over two axes is stored, [k, k, I, O]."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    return StoredLayer(name, layer.weight, layer.bias, axes=(2, 3, 1, 0))


def coding_tables(head: Head) -> dict[str, NDArray[Any]]:
    """Return the tables that turn the outputs of a head into frequencies."""
    if head == "logistic":
        return {"tables": make_logistic_tables()}
    return {"exponents": make_exp2_table()}


def freeze_table(table: Tensor) -> NDArray[np.int16]:
    """Return activations of any shape as integers.

    Raises:
        ModelFileError: one is not finite.
    """
    return freeze_activations(as_array(table))


def thaw_table(table: Tensor, stored: NDArray[np.int16]) -> None:
    """Load the activations that `freeze_table` stored."""
    assign(table, _activations(stored))


def freeze_rates(knots: Tensor, positions: Tensor) -> NDArray[np.int16]:
    """Return the initial state [256, W] of every rate byte.

    Raises:
        ModelFileError: one is not finite.
    """
    with torch.no_grad():
        return freeze_table(saturate(interpolate_knots(knots, positions)))


def thaw_rates(knots: Tensor, positions: Tensor, stored: NDArray[np.int16]) -> None:
    """Set knots [J, W] to the least-squares fit to the stored states [256, W] of all rate bytes."""
    shares = interpolate_knots(torch.eye(len(knots)), positions).double().numpy()  # [256, J]
    assign(knots, np.linalg.lstsq(shares, _activations(stored), rcond=None)[0])


def as_array(tensor: Tensor) -> Floats:
    """Return a tensor as a float64 array.

    Raises:
        ModelFileError: a value is not finite.
    """
    array: Floats = tensor.detach().cpu().double().numpy()
    if not np.isfinite(array).all():
        raise ModelFileError("prior: has weights that are not finite, and cannot be frozen")
    return array


def assign(parameter: Tensor, values: Floats) -> None:
    """Copy values of the same shape into a parameter."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def _activations(stored: NDArray[np.int16]) -> Floats:
    return stored.astype(np.float64) / (1 << ACTIVATION_BITS)
