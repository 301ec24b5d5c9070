"""The layers of the grid prior, in integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from vqcodec.priors.integer import Array, IntegerLinear, Tensors, activate, saturate
from vqcodec.priors.learnt import GroupLayers
from vqcodec.priors.order import known_taps
from vqcodec.priors.side_by_side import in_blocks


class GridGroup(GroupLayers):
    """The layers that predict one group of codebooks."""

    def __init__(
        self,
        tensors: Tensors,
        prefix: str,
        dtype: type[Any],
        period: int,
        kernel_size: int,
        sizes: tuple[int, int, int],
        *,
        last: bool,
    ) -> None:
        """Read the layers.

        Args:
            tensors: of the prior.
            prefix: of the layers' names.
            dtype: the type of the integers.
            period: of the phases, in positions each way.
            kernel_size: k, of the context.
            sizes: W, C and O, the numbers of a state, of features and of outputs at a position.
            last: whether no group follows.
        """
        width, num_features, num_outputs = sizes
        self.period, self.taps = period, known_taps(period, kernel_size)  # [P, k, k]
        update_shape = None if last else (3, 3, width + num_features, width)
        super().__init__(
            tensors, prefix, dtype, width=width, num_outputs=num_outputs, update_shape=update_shape
        )
        shape = (*self.taps.shape, num_features, width)
        bias_shape = (len(self.taps), width)
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
    ) -> Array:
        """Return outputs [h', w', O] at a phase's positions.

        Args:
            state: [h', w', W] at those positions.
            features: [h, w, C] of the group; unknown features are zero.
            is_seen: [C], which features are not zero everywhere: others are left out of products.
            phase: the number of the phase.
            offset: row and column of the first of those positions.
        """
        height, width = state.shape[:2]
        taps, period = self.taps[phase], self.period
        features, weight = _keep(is_seen, features, self.context.stored[phase])
        padded = _padded(features, len(weight) // 2)
        known = []  # the weights of each row of the kernel, of known neighbours only
        for row, columns in enumerate(map(np.flatnonzero, taps)):
            if len(columns) and features.shape[2]:
                stored = weight[row, columns].reshape(-1, weight.shape[3])
                scaled = np.multiply(stored, self.context.factor, dtype=features.dtype)
                known.append((row, columns.tolist(), scaled))
        outputs = np.empty((height, width, self.head.weight.shape[1]), features.dtype)

        def predict_rows(rows: slice) -> None:
            count = (rows.stop - rows.start) * width
            sums = np.zeros((count, weight.shape[-1]), features.dtype)
            for row, columns, of_row in known:
                line = padded[offset[0] + row :: period][rows, offset[1] :]
                seen = [line[:, column::period][:, :width] for column in columns]
                sums += np.concatenate(seen, axis=2).reshape(count, -1).dot(of_row)
            hidden = self.trunk(np.ascontiguousarray(state[rows]).reshape(count, -1))
            hidden += self.context.requantize(sums, self.context.bias[phase])
            hidden = self.hidden(activate(hidden, hidden))
            found = self.head(activate(hidden, hidden))
            outputs[rows] = found.reshape(-1, width, found.shape[1])

        in_blocks(predict_rows, height, width)
        return outputs

    def advance(self, state: Array, features: Array, is_seen: NDArray[np.bool_]) -> Array:
        """Return the state [h, w, W] once the group's features [h, w, C] are known."""
        height, width, num_states = state.shape
        features, weight = _keep(is_seen, features, self.update.weight, before=num_states)
        padded = _padded(np.concatenate([activate(state), features], axis=2), 1)
        of_rows = weight.reshape(3, -1, num_states)
        advanced = np.empty((height, width, num_states), features.dtype)

        def advance_rows(rows: slice) -> None:
            count = (rows.stop - rows.start) * width
            seen = _windows(padded[rows.start : rows.stop + 2], 3).reshape(-1, len(of_rows[0]))
            sums = seen[:count].dot(of_rows[0])
            sums += seen[width : width + count].dot(of_rows[1])
            sums += seen[2 * width :].dot(of_rows[2])
            sums = self.update.requantize(sums, self.update.bias)
            changed = self.merge(activate(sums, sums)).reshape(-1, width, num_states)
            changed += state[rows]
            saturate(changed, advanced[rows])

        in_blocks(advance_rows, height, width)
        return advanced


def _padded(features: Array, reach: int) -> Array:
    """Return features [h + 2 reach, w + 2 reach, C] with zeros around them."""
    height, width, num_features = features.shape
    padded = np.zeros((height + 2 * reach, width + 2 * reach, num_features), features.dtype)
    padded[reach : reach + height, reach : reach + width] = features
    return padded


def _windows(padded: Array, kernel: int) -> Array:
    """Return a view [h, w - kernel + 1, kernel * C] of rows [h, w, C]: `kernel` neighbours each."""
    height, width, num_features = padded.shape
    rows, step = padded.strides[0], padded.strides[1]
    shape = (height, width - kernel + 1, kernel * num_features)
    return as_strided(padded, shape, (rows, step, padded.strides[2]), writeable=False)


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
