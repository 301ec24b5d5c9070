"""The layers of the grid prior, in integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.priors.integer import Array, IntegerLinear, Tensors, activate, saturate
from vqcodec.priors.learnt import GroupLayers
from vqcodec.priors.side_by_side import in_blocks


class GridGroup(GroupLayers):
    """The layers that predict one group of codebooks."""

    def __init__(
        self,
        tensors: Tensors,
        prefix: str,
        dtype: type[Any],
        taps: tuple[int, ...],
        sizes: tuple[int, int, int],
        *,
        last: bool,
    ) -> None:
        """Read the layers for taps [P, k, k] and for W, C and O numbers a position."""
        width, num_features, num_outputs = sizes
        update_shape = None if last else (3, 3, width + num_features, width)
        super().__init__(
            tensors, prefix, dtype, width=width, num_outputs=num_outputs, update_shape=update_shape
        )
        shape = (*taps, num_features, width)
        bias_shape = (taps[0], width)
        self.context = IntegerLinear(
            tensors, f"{prefix}.context", shape, dtype, bias_shape=bias_shape
        )
        self.trunk = IntegerLinear(tensors, f"{prefix}.trunk", (width, width), dtype)

    def predict(
        self,
        state: Array,
        features: Array,
        is_seen: NDArray[np.bool_],
        phase: int,
        offset: tuple[int, int],
        taps: NDArray[np.bool_],
        period: int,
    ) -> Array:
        """Return outputs [h', w', O] at a phase's positions.

        Args:
            state: [h', w', W] at those positions.
            features: [h, w, C] of the group; unknown features are zero.
            is_seen: [C], which features are not zero everywhere: others are left out of products.
            phase: the number of the phase.
            offset: row and column of the first of those positions.
            taps: [P, k, k], the neighbours that each phase sees.
            period: of the phases, in positions each way.
        """
        height, width = state.shape[:2]
        features, weight = _keep(is_seen, features, self.context.weight[phase])
        kernel = len(weight)
        reach = kernel // 2
        padded = np.pad(features, ((reach, reach), (reach, reach), (0, 0)))
        outputs = np.empty((height, width, self.head.weight.shape[1]), features.dtype)

        def predict_rows(rows: slice) -> None:
            count = (rows.stop - rows.start) * width
            sums = np.zeros((count, weight.shape[-1]), features.dtype)
            for row, column in zip(*np.nonzero(taps[phase]), strict=True):
                seen = padded[offset[0] + row :: period, offset[1] + column :: period]
                sums += seen[rows, :width].reshape(count, -1) @ weight[row, column]
            context = self.context.requantize(sums, self.context.bias[phase])
            trunk = self.trunk(np.ascontiguousarray(state[rows]).reshape(count, -1))
            found = self.head(activate(self.hidden(activate(trunk + context))))
            outputs[rows] = found.reshape(-1, width, found.shape[1])

        in_blocks(predict_rows, height, width)
        return outputs

    def advance(self, state: Array, features: Array, is_seen: NDArray[np.bool_]) -> Array:
        """Return the state [h, w, W] once the group's features [h, w, C] are known."""
        height, width, num_states = state.shape
        features, weight = _keep(is_seen, features, self.update.weight, before=num_states)
        known = np.concatenate([activate(state), features], axis=2)
        padded = np.pad(known, ((1, 1), (1, 1), (0, 0)))
        advanced = np.empty((height, width, state.shape[2]), features.dtype)

        def advance_rows(rows: slice) -> None:
            count = (rows.stop - rows.start) * width
            sums = np.zeros((count, state.shape[2]), features.dtype)
            for row in range(3):
                for column in range(3):
                    seen = padded[rows.start + row : rows.stop + row, column : column + width]
                    sums += seen.reshape(count, -1) @ weight[row, column]
            changed = activate(self.update.requantize(sums, self.update.bias))
            advanced[rows] = saturate(
                state[rows] + self.merge(changed).reshape(-1, width, state.shape[2])
            )

        in_blocks(advance_rows, height, width)
        return advanced


def _keep(
    is_seen: NDArray[np.bool_], features: Array, weight: Array, before: int = 0
) -> tuple[Array, Array]:
    """Return the columns of features [h, w, C] that are seen, and their weights.

    The weight is [k, k, before + C, O]: the rows before the features are kept.
    """
    if is_seen.all():
        return features, weight
    kept = np.flatnonzero(is_seen)
    weights_kept = np.concatenate([np.arange(before), before + kept])
    return features.take(kept, axis=2), weight.take(weights_kept, axis=2)
