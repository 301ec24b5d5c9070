"""The common parts of the learnt priors of pictures and sounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.priors.base import Indices, Prior, Targets
from vqcodec.priors.categorical_coding import CategoricalCoding
from vqcodec.priors.config import (
    FramesPriorConfig,
    GridPriorConfig,
    check_codebooks,
    has_magnitudes,
    numbers_per_index,
)
from vqcodec.priors.hurdle_coding import HurdleCoding
from vqcodec.priors.integer import Array, IntegerLinear, Tensors, fetch
from vqcodec.priors.logistic import FRACTION_BITS
from vqcodec.priors.logistic_coding import LogisticCoding

NUM_RATES = 256  # the values of the rate byte

# The outputs of a logistic head are in fractions of a step and of an octave. Those of a categorical
# head are in 1/256 of a halving.
OUTPUT_BITS = {"logistic": FRACTION_BITS, "categorical": 8}


class LearntPrior(Prior):
    """A frozen learnt prior: features of indices, initial states, and the coding of the head.

    Attributes:
        features: [K or 1, N, E], of each index.
        rate_state: [NUM_RATES, W], the initial state for each rate.
        per_output: O, the numbers that predict one index.
        bit_weight: the weight of bits against error when indices are chosen; see
            `LogisticCoding`. With 0, the nearest index is chosen.
    """

    bit_weight = 0.0

    def __init__(
        self,
        config: GridPriorConfig | FramesPriorConfig,
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,
        dtype: type[Any],
    ) -> None:
        """Read the tensors that both kinds of prior store.

        Raises:
            ConfigError: the prior does not fit the codebooks.
            ModelFileError: a tensor is missing or does not fit.
        """
        check_codebooks(config, codebook_sizes)
        size = codebook_sizes[0]
        self.coding: LogisticCoding | CategoricalCoding
        if config.head == "logistic":
            skip_certain = isinstance(config, GridPriorConfig) and config.skip_certain
            kind = HurdleCoding if has_magnitudes(config) else LogisticCoding
            self.coding = kind(
                fetch(tensors, kind.tables_name, np.uint32),
                size,
                self.bit_weight,
                skip_certain=skip_certain,
            )
            num_tables = len(codebook_sizes) if has_magnitudes(config) else 1
        else:
            self.coding = CategoricalCoding(fetch(tensors, "exponents", np.int64), size)
            num_tables = len(codebook_sizes)
        self.per_index, self.per_output = numbers_per_index(config, size)
        features = fetch(tensors, "features", np.int16, (num_tables, size, self.per_index))
        rate_state = fetch(tensors, "rate_state", np.int16, (NUM_RATES, config.width))
        self.features, self.rate_state = features.astype(dtype), rate_state.astype(dtype)
        self.dtype = dtype
        self._tensors = dict(tensors)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the tensors that a model file stores."""
        return self._tensors

    def choose(self, targets: Sequence[Targets], rate: int) -> list[Indices]:
        """Return the indices that `compress` codes for each segment's targets."""
        if not (self.coding.bit_weight or self.coding.skip_certain):
            return [self.coding.nearest(segment) for segment in targets]
        return super().choose(targets, rate)

    def features_of(self, indices: Indices, first: int) -> Array:
        """Return features [..., n * E] of indices [..., n] of the n codebooks from `first` on."""
        if len(self.features) == 1:  # shared by all codebooks
            chosen = self.features[0].take(indices, axis=0)
        else:
            books = np.arange(first, first + indices.shape[-1])
            places = indices + books * self.features.shape[1]  # of the rows of all tables
            chosen = self.features.reshape(-1, self.per_index).take(places, axis=0)
        features: Array = chosen.reshape(*indices.shape[:-1], -1)
        return features


class GroupLayers:
    """The layers of one group of codebooks, for pictures and sounds."""

    def __init__(
        self,
        tensors: Tensors,
        prefix: str,
        dtype: type[Any],
        *,
        width: int,
        num_outputs: int,
        update_shape: tuple[int, ...] | None,
    ) -> None:
        """Read the layers.

        Args:
            tensors: of the prior.
            prefix: of the layers' names.
            dtype: the type of the integers, float64 or int64.
            width: W, of states.
            num_outputs: O, of outputs.
            update_shape: of the update layer's weight; None for the last group, which has none.
        """

        def linear(name: str, *shape: int) -> IntegerLinear:
            return IntegerLinear(tensors, f"{prefix}.{name}", shape, dtype)

        self.hidden = linear("hidden", width, width)
        self.head = linear("head", width, num_outputs)
        if update_shape is not None:
            self.update = linear("update", *update_shape)
            self.merge = linear("merge", width, width)
