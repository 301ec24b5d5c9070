"""The layers of the grid prior, in integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from vqcodec.priors.integer import Array, IntegerLinear, Tensors, activate, saturate
from vqcodec.priors.learnt import GroupLayers
from vqcodec.priors.order import Size, known_taps
from vqcodec.priors.side_by_side import in_blocks

# Known neighbours in one product: more of them leave the cache of a core.
_TAPS_AT_ONCE, _FEATURES_AT_ONCE = 5, 256


class GridGroup(GroupLayers):
    """The layers that predict one group of codebooks."""

    def __init__(
        self,
        tensors: Tensors,
        prefix: str,
        dtype: type[Any],
        cell: Size,
        kernel: Size,
        update_kernel: Size,
        sizes: tuple[int, int, int],
        *,
        last: bool,
    ) -> None:
        """Read the layers.

        Args:
            tensors: of the prior.
            prefix: of the layers' names.
            dtype: the type of the integers.
            cell: rows and columns, each of whose positions is a phase.
            kernel: rows and columns of the context.
            update_kernel: rows and columns of the convolution that updates the state.
            sizes: W, C and O, the numbers of a state, of features and of outputs at a position.
            last: whether no group follows.
        """
        width, num_features, num_outputs = sizes
        self.cell, self.taps = cell, known_taps(cell, kernel)  # [P, *kernel]
        update_shape = None if last else (*update_kernel, width + num_features, width)
        super().__init__(
            tensors, prefix, dtype, width=width, num_outputs=num_outputs, update_shape=update_shape
        )
        shape = (*self.taps.shape, num_features, width)
        bias_shape = (len(self.taps), width)
        self.is_narrow = not last and _sees_no_states_around(self.update.stored, width)
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
        taps, (high, wide) = self.taps[phase], self.cell
        features, weight = _keep(is_seen, features, self.context.stored[phase])
        padded = _padded(features, weight.shape)
        known = []  # known neighbours, some at a time, and their weights
        places = np.argwhere(taps) if features.shape[2] else np.empty((0, 2), np.int64)
        at_once = max(_TAPS_AT_ONCE, _FEATURES_AT_ONCE // max(1, features.shape[2]))
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            stored = weight[some[:, 0], some[:, 1]].reshape(-1, weight.shape[3])
            scaled = np.multiply(stored, self.context.factor, dtype=features.dtype)
            known.append((some.tolist(), scaled))
        outputs = np.empty((height, width, self.head.weight.shape[1]), features.dtype)

        def predict_rows(rows: slice) -> None:
            count = (rows.stop - rows.start) * width
            sums = np.zeros((count, weight.shape[-1]), features.dtype)
            for some, of_some in known:
                seen = [
                    padded[offset[0] + row :: high, offset[1] + column :: wide][rows, :width]
                    for row, column in some
                ]
                sums += np.concatenate(seen, axis=2).reshape(count, -1).dot(of_some)
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
        if not width:  # a stream may say that no column is in use
            return state
        features, weight = _keep(is_seen, features, self.update.weight, before=num_states)
        find_sums = _narrow_sums if self.is_narrow else _wide_sums
        sums_of = find_sums(activate(state), features, weight)
        advanced = np.empty((height, width, num_states), features.dtype)

        def advance_rows(rows: slice) -> None:
            sums = sums_of(rows)
            sums = self.update.requantize(sums, self.update.bias)
            changed = self.merge(activate(sums, sums)).reshape(-1, width, num_states)
            changed += state[rows]
            saturate(changed, advanced[rows])

        in_blocks(advance_rows, height, width)
        return advanced


def _wide_sums(state: Array, features: Array, weight: Array) -> Callable[[slice], Array]:
    """Return a function from some rows to the sums [rows * w, W] of an update.

    Args:
        state: [h, w, W], clamped.
        features: [h, w, C].
        weight: [*kernel, W + C, W].
    """
    width, num_states = state.shape[1:]
    padded = _padded(np.concatenate([state, features], axis=2), weight.shape)
    of_rows = weight.reshape(len(weight), -1, num_states)

    def sums_of(rows: slice) -> Array:
        count = (rows.stop - rows.start) * width
        around = padded[rows.start : rows.stop + len(weight) - 1]
        seen = _windows(around, weight.shape[1]).reshape(-1, len(of_rows[0]))
        sums: Array = seen[:count].dot(of_rows[0])
        for row, of_row in enumerate(of_rows[1:], start=1):
            sums += seen[row * width : row * width + count].dot(of_row)
        return sums

    return sums_of


def _narrow_sums(state: Array, features: Array, weight: Array) -> Callable[[slice], Array]:
    """Return what `_wide_sums` does, for a weight without states around a position."""
    (high, wide), (width, num_states) = weight.shape[:2], state.shape[1:]
    padded = _padded(features, weight.shape)
    of_own = weight[high // 2, wide // 2, :num_states]
    of_all = np.concatenate([of_own, weight[:, :, num_states:].reshape(-1, weight.shape[3])])

    def sums_of(rows: slice) -> Array:
        around = (padded[a:, b:][rows, :width] for a, b in np.ndindex(high, wide))
        seen = np.concatenate([state[rows], *around], axis=2)
        sums: Array = seen.reshape(-1, len(of_all)).dot(of_all)
        return sums

    return sums_of


def _sees_no_states_around(weight: Array, width: int) -> bool:
    """Return whether an update [*kernel, W + C, W] has only zeros for states around a position."""
    high, wide = weight.shape[:2]
    around = set(np.ndindex(high, wide)) - {(high // 2, wide // 2)}
    return not any(weight[place][:width].any() for place in around)


def _padded(features: Array, kernel: tuple[int, ...]) -> Array:
    """Return features [h + kh - 1, w + kw - 1, C] with zeros around them; kernel: kh, kw, …."""
    height, width, num_features = features.shape
    above, left = kernel[0] // 2, kernel[1] // 2
    padded = np.zeros((height + 2 * above, width + 2 * left, num_features), features.dtype)
    padded[above : above + height, left : left + width] = features
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
