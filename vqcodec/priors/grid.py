"""The prior of pictures, evaluated in integers; `grid_network` trains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.range_coder import Coder
from vqcodec.errors import ModelFileError
from vqcodec.nn.integer import Array, IntegerLinear, Tensors, activate, fetch, saturate
from vqcodec.priors.base import Indices, Prior, Shape
from vqcodec.priors.coding import CategoricalCoding, LogisticCoding
from vqcodec.priors.config import GridPriorConfig
from vqcodec.priors.order import known_taps, phase_offsets


class GridPrior(Prior):
    """Codes indices [K, h, w] group by group, and within a group phase by phase."""

    kind = "grid"

    def __init__(
        self,
        config: GridPriorConfig,
        codebook_size: int,
        tensors: Tensors,
        dtype: type[Any] = np.float64,
    ) -> None:
        """Read a frozen prior's tensors.

        Raises:
            ModelFileError: one is missing or does not fit.
        """
        self.config = config
        self._tensors = dict(tensors)
        self.dtype = dtype
        self.coding: LogisticCoding | CategoricalCoding
        if config.head == "logistic":
            self.coding = LogisticCoding(fetch(tensors, "tables", np.uint32), codebook_size)
        else:
            self.coding = CategoricalCoding(fetch(tensors, "exponents", np.int64), codebook_size)
        self.features = fetch(tensors, "features", np.int16).astype(dtype)  # [K or 1, N, E]
        self.rate_state = fetch(tensors, "rate_state", np.int16).astype(dtype)  # [256, W]
        if self.features.ndim != 3 or self.features.shape[1] != codebook_size:
            raise ModelFileError(f"prior: features of shape {self.features.shape}")
        if self.rate_state.shape != (256, config.width):
            raise ModelFileError(f"prior: rate states of shape {self.rate_state.shape}")
        self.offsets = phase_offsets(config.period)
        self.taps = known_taps(config.period, config.kernel_size)
        self.groups = [
            _Group(tensors, f"groups.{number}", dtype, last=number + 1 == len(config.groups))
            for number in range(len(config.groups))
        ]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what a model file stores."""
        return self._tensors

    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Indices] | None = None,
    ) -> list[Indices]:
        """Run segments [K, h, w] through their coders, one after the other."""
        known = [None] * len(coders) if indices is None else indices
        return [
            self._code_segment(coder, shape, rate, segment)
            for coder, shape, segment in zip(coders, shapes, known, strict=True)
        ]

    def _code_segment(
        self, coder: Coder, shape: Shape, rate: int, known: Indices | None
    ) -> Indices:
        """Return the indices [K', h, w] of one segment; groups past K' are left out."""
        num_codebooks, height, width = shape
        indices = np.zeros(shape, np.int64)
        state = np.broadcast_to(self.rate_state[rate], (height, width, self.config.width))
        period, first = self.config.period, 0
        for size, group in zip(self.config.groups, self.groups, strict=True):
            if first >= num_codebooks:
                break
            books = slice(first, first + size)
            features = np.zeros((height, width, size * self.features.shape[2]), self.dtype)
            for phase, (row, column) in enumerate(self.offsets):
                if row >= height or column >= width:
                    continue
                place = (slice(row, None, period), slice(column, None, period))
                outputs = group.predict(
                    state[place], features, phase, (row, column), self.taps, period
                )
                rows = outputs.reshape(outputs.shape[0] * outputs.shape[1] * size, -1)
                values = None
                if known is not None:
                    values = known[(books, *place)].transpose(1, 2, 0).reshape(-1)
                coded = self.coding.code(coder, rows, values)
                coded = coded.reshape(*outputs.shape[:2], size)  # [h', w', n]
                indices[(books, *place)] = coded.transpose(2, 0, 1)
                features[place] = self._features_of(coded, first)
            if first + size < num_codebooks:
                state = group.advance(state, features)
            first += size
        return indices

    def _features_of(self, indices: Indices, first: int) -> Array:
        """Return features [h', w', n * E] of indices [h', w', n] of codebooks `first` onwards."""
        books = np.arange(first, first + indices.shape[2]) % len(self.features)
        features: Array = self.features[books, indices].reshape(*indices.shape[:2], -1)
        return features


class _Group:
    """The layers that predict one group of codebooks."""

    def __init__(self, tensors: Tensors, prefix: str, dtype: type[Any], *, last: bool) -> None:
        self.context = IntegerLinear(tensors, f"{prefix}.context", dtype)  # [P, k, k, C, W]
        self.trunk = IntegerLinear(tensors, f"{prefix}.trunk", dtype)
        self.hidden = IntegerLinear(tensors, f"{prefix}.hidden", dtype)
        self.head = IntegerLinear(tensors, f"{prefix}.head", dtype)
        if not last:
            self.update = IntegerLinear(tensors, f"{prefix}.update", dtype)  # [3, 3, W + C, W]
            self.merge = IntegerLinear(tensors, f"{prefix}.merge", dtype)

    def predict(
        self,
        state: Array,
        features: Array,
        phase: int,
        offset: tuple[int, int],
        taps: NDArray[np.bool_],
        period: int,
    ) -> Array:
        """Return outputs [h', w', O] at a phase's positions.

        Args:
            state: [h', w', W] at those positions.
            features: [h, w, C] of the group, as far as it is known.
        """
        height, width = state.shape[:2]
        weight = self.context.weight[phase]
        kernel = len(weight)
        reach = kernel // 2
        padded = np.pad(features, ((reach, reach), (reach, reach), (0, 0)))
        sums = np.zeros((height * width, weight.shape[-1]), features.dtype)
        for row, column in zip(*np.nonzero(taps[phase]), strict=True):
            seen = padded[offset[0] + row :: period, offset[1] + column :: period]
            seen = seen[:height, :width].reshape(height * width, -1)
            sums += seen @ weight[row, column]
        context = self.context.requantize(sums + self.context.bias[phase])
        trunk = self.trunk(np.ascontiguousarray(state).reshape(height * width, -1))
        outputs = self.head(activate(self.hidden(activate(trunk + context))))
        return outputs.reshape(height, width, -1)

    def advance(self, state: Array, features: Array) -> Array:
        """Return the state [h, w, W] once the group's features [h, w, C] are known."""
        height, width = features.shape[:2]
        known = np.concatenate([activate(state), features], axis=2)
        padded = np.pad(known, ((1, 1), (1, 1), (0, 0)))
        sums = np.zeros((height * width, state.shape[2]), features.dtype)
        for row in range(3):
            for column in range(3):
                seen = padded[row : row + height, column : column + width]
                sums += seen.reshape(height * width, -1) @ self.update.weight[row, column]
        changed = activate(self.update.requantize(sums + self.update.bias))
        return saturate(state + self.merge(changed).reshape(height, width, -1))
