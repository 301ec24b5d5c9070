"""The prior of sounds, evaluated in integers; `frames_network` trains it."""

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
from vqcodec.priors.config import FramesPriorConfig


class FramesPrior(Prior):
    """Codes indices [K, F] frame by frame, and within a frame group by group.

    Segments run side by side: a step of the network serves one frame of each.
    """

    kind = "frames"

    def __init__(
        self,
        config: FramesPriorConfig,
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
        self.first = IntegerLinear(tensors, "first", dtype)
        self.layers = [
            (
                IntegerLinear(tensors, f"layers.{number}.mix", dtype),
                IntegerLinear(tensors, f"layers.{number}.merge", dtype),
            )
            for number in range(len(config.dilations))
        ]
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
        """Run segments [K', F] through their coders, frame after frame."""
        if not shapes:
            return []
        num_codebooks = shapes[0][0]
        lengths = np.array([shape[1] for shape in shapes])
        coded = [np.zeros(shape, np.int64) for shape in shapes]
        num_features = sum(self.config.groups) * self.features.shape[2]
        before = np.zeros((len(shapes), num_features), self.dtype)
        history = [
            np.zeros((dilation, len(shapes), self.config.width), self.dtype)
            for dilation in self.config.dilations
        ]
        for frame in range(int(lengths.max(initial=0))):
            alive = np.flatnonzero(lengths > frame).tolist()
            state = self._time_step(before, rate, history, frame)
            before = np.zeros_like(before)
            first = 0
            for size, group in zip(self.config.groups, self.groups, strict=True):
                if first >= num_codebooks:
                    break
                outputs = group.predict(state)  # [S, n * O]
                values = np.zeros((len(shapes), size), np.int64)
                for segment in alive:
                    rows = outputs[segment].reshape(size, -1)
                    known = None
                    if indices is not None:
                        known = indices[segment][first : first + size, frame]
                    values[segment] = self.coding.code(coders[segment], rows, known)
                    coded[segment][first : first + size, frame] = values[segment]
                features = self._features_of(values, first)  # [S, n * E]
                place = first * self.features.shape[2]
                before[:, place : place + features.shape[1]] = features
                if first + size < num_codebooks:
                    state = group.advance(state, features)
                first += size
        return coded

    def _time_step(self, before: Array, rate: int, history: list[Array], frame: int) -> Array:
        """Return the state [S, W] that predicts a frame, and keep what later frames look back at.

        Args:
            before: [S, C], features of the frame before.
            rate: the stream's rate byte.
            history: for each layer, its inputs [dilation, S, W] in a ring.
            frame: the number of the frame.
        """
        state = saturate(self.first(before) + self.rate_state[rate])
        for (mix, merge), ring in zip(self.layers, history, strict=True):
            place = frame % len(ring)
            both = activate(np.concatenate([state, ring[place]], axis=1))
            ring[place] = state
            state = saturate(state + merge(activate(mix(both))))
        return state

    def _features_of(self, indices: Indices, first: int) -> Array:
        """Return features [S, n * E] of indices [S, n] of codebooks `first` onwards."""
        books = np.arange(first, first + indices.shape[1]) % len(self.features)
        features: Array = self.features[books, indices].reshape(len(indices), -1)
        return features


class _Group:
    """The layers that predict one group of codebooks of a frame."""

    def __init__(self, tensors: Tensors, prefix: str, dtype: type[Any], *, last: bool) -> None:
        self.hidden = IntegerLinear(tensors, f"{prefix}.hidden", dtype)
        self.head = IntegerLinear(tensors, f"{prefix}.head", dtype)
        if not last:
            self.update = IntegerLinear(tensors, f"{prefix}.update", dtype)
            self.merge = IntegerLinear(tensors, f"{prefix}.merge", dtype)

    def predict(self, state: Array) -> Array:
        """Return outputs [S, O] of states [S, W]."""
        return self.head(activate(self.hidden(activate(state))))

    def advance(self, state: Array, features: Array) -> Array:
        """Return the state [S, W] once the group's features [S, C] are known."""
        known = np.concatenate([activate(state), features], axis=1)
        return saturate(state + self.merge(activate(self.update(known))))
