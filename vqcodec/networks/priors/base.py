"""The interface of prior networks in training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vqcodec.networks.priors.heads import IndexFeatures, prediction_bits
from vqcodec.networks.priors.storing import (
    StoredLayer,
    coding_tables,
    freeze_rates,
    freeze_table,
    thaw_rates,
    thaw_table,
)
from vqcodec.priors.config import Head
from vqcodec.priors.integer import Tensors


class PriorNetwork(nn.Module, ABC):
    """Predicts indices in floats; `freeze` gives the weights of a prior that uses integers.

    Attributes:
        head: the form of its predictions.
        group_sizes: codebooks that are predicted together; they add up to K.
        codebook_size: N.
        tables: stored tables that turn outputs into frequencies.
        features: input features of indices.
        rate_state: [J, W], initial states at J rates, from coarse to fine.
        counts_tables: whether a training of the prior ends with the counting of `tables`.
    """

    head: Head
    group_sizes: tuple[int, ...]
    codebook_size: int
    tables: dict[str, NDArray[Any]]
    features: IndexFeatures
    rate_state: nn.Parameter
    counts_tables = False

    def make_tables(self) -> dict[str, NDArray[Any]]:
        """Return the tables that turn outputs into frequencies, as a formula gives them."""
        return coding_tables(self.head)

    @abstractmethod
    def forward(self, indices: Tensor, rate: Tensor, in_use: Tensor | None) -> list[Tensor]:
        """Return the prediction for every group, [B, ..., n, O], from the indices coded before it.

        Args:
            indices: [B, K, ...] int64.
            rate: [B] float, 0 … 1.
            in_use: [B, K], which codebooks streams at these rates hold; None for all.
        """

    @abstractmethod
    def stored_layers(self) -> Iterator[StoredLayer]:
        """Yield every layer that a model file stores."""

    def freeze(self, positions: Tensor) -> dict[str, NDArray[Any]]:
        """Return the integer tensors that the frozen prior reads.

        Args:
            positions: [256], the rate fraction 0 … 1 of each rate byte.

        Raises:
            ModelFileError: a weight is not finite.
        """
        tensors = dict(self.tables)
        tensors["features"] = freeze_table(self.features.table)
        tensors["rate_state"] = freeze_rates(self.rate_state, positions)
        for layer in self.stored_layers():
            tensors |= layer.freeze()
        return tensors

    def thaw(self, tensors: Tensors, positions: Tensor) -> None:
        """Load the weights that `freeze` stored, with the precision of its integers.

        Args:
            tensors: of a frozen prior of the same shape.
            positions: [256], the rate fraction 0 … 1 of each rate byte.
        """
        self.tables = {name: tensors[name] for name in self.tables}
        if self.head == "categorical":  # a logistic head has fixed features
            thaw_table(self.features.table, tensors["features"])
        thaw_rates(self.rate_state, positions, tensors["rate_state"])
        for layer in self.stored_layers():
            layer.thaw(tensors)

    def bits(
        self,
        indices: Tensor,
        rate: Tensor,
        in_use: Tensor | None = None,
        relaxed: Tensor | None = None,
    ) -> Tensor:
        """Return the cost in bits of every index, [B, K, ...]; zero for codebooks not in use.

        `relaxed` replaces the indices as the values to code, not as the input of the network, so
        that the cost has a gradient to the encoder. See `prediction_bits` for its form.
        """
        prediction = torch.cat(self(indices, rate, in_use), dim=-2)  # [B, ..., K, O]
        bits = prediction_bits(self.head, prediction, indices, relaxed, self.codebook_size)
        if in_use is None:
            return bits
        return bits * in_use.reshape(in_use.shape + (1,) * (bits.dim() - 2))
