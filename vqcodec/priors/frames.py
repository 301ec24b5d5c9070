"""The prior of sounds, in integer arithmetic; `networks.priors.frames` trains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vqcodec.entropy.range_coder import Coder, SymbolSampler
from vqcodec.priors.base import UNKNOWN, Bits, Indices, Shape, Targets
from vqcodec.priors.config import FramesPriorConfig
from vqcodec.priors.integer import (
    Array,
    IntegerLinear,
    Tensors,
    activate,
    product,
    saturate,
)
from vqcodec.priors.learnt import GroupLayers, LearntPrior
from vqcodec.priors.side_by_side import single_threaded


class FramesPrior(LearntPrior):
    """Codes indices [K, F] frame by frame, and within a frame group by group.

    Segments run side by side: one step of the network predicts one frame of every segment. An
    encoder takes the nearest indices: choosing indices by bits and error, with bit weights of 0.02
    and 0.05, lowered PESQ at equal rate for two held-out voices.
    """

    kind = "frames"
    num_axes = 1

    def __init__(
        self,
        config: FramesPriorConfig,
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,
        dtype: type[Any] = np.float64,
    ) -> None:
        """Read a frozen prior's tensors.

        Raises:
            ConfigError: the prior does not fit the codebooks.
            ModelFileError: a tensor is missing or does not fit.
        """
        super().__init__(config, codebook_sizes, tensors, dtype)
        self.config = config
        width, self.num_features = config.width, len(codebook_sizes) * self.per_index
        self.first = IntegerLinear(tensors, "first", (self.num_features, width), dtype)
        self.layers = [
            (
                IntegerLinear(tensors, f"layers.{number}.mix", (2 * width, width), dtype),
                IntegerLinear(tensors, f"layers.{number}.merge", (width, width), dtype),
            )
            for number in range(len(config.dilations))
        ]
        # Of earlier frames: activations, products, and new products. Outputs: frequencies, too.
        num_outputs = max(config.groups) * self.per_output
        self.states_per_segment = 3 * config.num_earlier + 4 * num_outputs
        self.groups = []
        for number, size in enumerate(config.groups):
            sizes = (width, size * self.per_index, size * self.per_output)
            last = number + 1 == len(config.groups)
            self.groups.append(_Group(tensors, f"groups.{number}", dtype, sizes, last=last))

    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Run segments [K', F] through their coders, frame by frame."""
        if indices is not None:
            nearest = [self.coding.nearest(segment) for segment in indices]
            for coder, segment in zip(coders, nearest, strict=True):
                if segment.size:
                    self._code_known(coder, segment, rate)
            return nearest
        with single_threaded():
            return self._code_in_turn(coders, shapes, rate)

    def fill(
        self,
        known: Indices,
        rate: int,
        generator: np.random.Generator,
        temperature: float = 1.0,
        num_sweeps: int = 0,  # noqa: ARG002 - later frames are not seen
    ) -> Indices:
        """Return indices [K', F] with those sampled that are `UNKNOWN`; see `Prior.fill`."""
        frames = np.flatnonzero((known == UNKNOWN).any(axis=0))
        if not len(frames):
            return known
        first = max(0, int(frames[0]) - self.num_frames_seen)
        part = known[:, first : int(frames[-1]) + 1]
        sampler = SymbolSampler(generator, temperature)
        with single_threaded():
            drawn = self._code_in_turn([sampler], [part.shape], rate, [part])[0]
        return np.concatenate([known[:, :first], drawn, known[:, first + part.shape[1] :]], axis=1)

    def ordinary(self, shape: Shape, rate: int) -> Indices:  # noqa: ARG002
        """Return the middle index everywhere."""
        return np.full(shape, self.features.shape[1] // 2)

    @property
    def num_frames_seen(self) -> int:
        """How many frames before a frame its prediction depends on."""
        return 1 + sum(self.config.dilations)

    def _code_known(self, coder: Coder, indices: Indices, rate: int) -> None:
        """Run known indices [K', F] through a coder."""
        for part, predicted in self._predict_known(indices, rate):
            rows = [self.coding.rows(outputs, part[books].T) for books, outputs in predicted]
            for frame in range(part.shape[1]):
                for code_row in rows:
                    code_row(coder, frame)

    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:
        """Return the bits of each index of segments [K', F]."""
        bits = [np.zeros(segment.shape) for segment in segments]
        for costs, segment in zip(bits, segments, strict=True):
            if segment.size:
                first = 0
                for part, predicted in self._predict_known(segment, rate):
                    frames = slice(first, first + part.shape[1])
                    for books, outputs in predicted:
                        costs[books, frames] = self.coding.bits_of(outputs, part[books].T).T
                    first = frames.stop
        return bits

    def _predict_known(
        self, indices: Indices, rate: int
    ) -> Iterator[tuple[Indices, list[tuple[slice, Array]]]]:
        """Yield batches of frames: indices [K', f], and the predictions of each group in use.

        A prediction is the group's codebooks and its outputs [f, n, O]. Batches bound memory.
        """
        states = list(self._states_known(indices, rate))
        outputs_of_frame = sum(len(range(len(indices))[books]) for books, _, _ in states)
        step = max(1, self.coding.outputs_at_once // (outputs_of_frame * self.per_output))
        for start in range(0, indices.shape[1], step):
            part = indices[:, start : start + step]
            predicted = []
            for books, group, state in states:
                outputs = group.predict(activate(state[start : start + step]))
                outputs = outputs.reshape(part.shape[1], -1, self.per_output)
                predicted.append((books, outputs[:, : books.stop - books.start]))
            yield part, predicted

    def _states_known(self, indices: Indices, rate: int) -> Iterator[tuple[slice, _Group, Array]]:
        """Yield the codebooks, the layers and the states [F, W] of each group in use.

        All indices [K', F] are known, so the network computes all frames at once.
        """
        num_codebooks, num_frames = indices.shape
        features = self.features_of(indices.T, 0)  # [F, K' * E]
        before = np.zeros((num_frames, self.num_features), self.dtype)
        before[1:, : features.shape[1]] = features[:-1]
        state = saturate(self.first(before) + self.rate_state[rate])
        for (mix, merge), dilation in zip(self.layers, self.config.dilations, strict=True):
            earlier = np.zeros_like(state)
            earlier[dilation:] = state[: max(0, num_frames - dilation)]
            both = activate(np.concatenate([state, earlier], axis=1))
            state = saturate(state + merge(activate(mix(both))))
        for first, size, group in self._groups_of(num_codebooks):
            yield slice(first, min(first + size, num_codebooks)), group, state
            if first + size < num_codebooks:
                columns = slice(first * self.per_index, (first + size) * self.per_index)
                state = group.advance(state, activate(state), features[:, columns])

    def _code_in_turn(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,
        known: Sequence[Indices] | None = None,
    ) -> list[Indices]:
        """Run segments frame by frame through coders that determine the indices.

        Indices that are known, [K', F] of each segment, replace those of the coders.
        """
        if not shapes:
            return []
        num_codebooks = shapes[0][0]
        lengths = np.array([shape[1] for shape in shapes])
        coded = np.zeros((len(shapes), num_codebooks, int(lengths.max())), np.int64)
        before = np.zeros((len(shapes), self.num_features), self.dtype)
        memories = [
            _Memory(dilation, len(shapes), mix.weight[self.config.width :])
            for (mix, _), dilation in zip(self.layers, self.config.dilations, strict=True)
        ]
        groups = list(self._groups_of(num_codebooks))
        shortest = int(lengths.min())
        alive, coders_alive = list(range(len(shapes))), list(coders)
        for frame in range(coded.shape[2]):
            everyone = frame < shortest
            if not everyone:
                alive = np.flatnonzero(lengths > frame).tolist()
                coders_alive = [coders[segment] for segment in alive]
            state = self._time_step(before, rate, memories, frame)
            for first, size, group in groups:
                books = slice(first, min(first + size, num_codebooks))
                active = activate(state)
                outputs = group.predict(active).reshape(len(shapes), size, self.per_output)
                outputs = outputs[:, : books.stop - first]
                if everyone:
                    values = self.coding.code_side_by_side(coders_alive, outputs)
                else:
                    values = np.zeros((len(shapes), books.stop - first), np.int64)
                    values[alive] = self.coding.code_side_by_side(coders_alive, outputs[alive])
                if known is not None:
                    given = np.stack([segment[books, frame] for segment in known])
                    values = np.where(given == UNKNOWN, values, given)
                coded[:, books, frame] = values
                features = self.features_of(values, first)  # [S, n * E]
                column = first * self.per_index
                before[:, column : column + features.shape[1]] = features
                if first + size < num_codebooks:
                    state = group.advance(state, active, features)
        return [part[:, :length] for part, length in zip(coded, lengths.tolist(), strict=True)]

    def _groups_of(self, num_codebooks: int) -> Iterator[tuple[int, int, _Group]]:
        """Yield the first codebook, the size and the layers of each group in use."""
        first = 0
        for size, group in zip(self.config.groups, self.groups, strict=True):
            if first >= num_codebooks:
                return
            yield first, size, group
            first += size

    def _time_step(
        self, before: Array, rate: int, memories: Sequence[_Memory], frame: int
    ) -> Array:
        """Return the state [S, W] that predicts a frame; store activations for later frames.

        Args:
            before: [S, C], features of the previous frame.
            rate: the stream's rate byte.
            memories: one for each layer.
            frame: the number of the frame.
        """
        state = saturate(self.first(before) + self.rate_state[rate])
        for (mix, merge), memory in zip(self.layers, memories, strict=True):
            active = activate(state)
            sums = product(active, mix.weight[: self.config.width])
            sums += memory.exchange(active, frame)
            mixed = mix.requantize(sums, mix.bias)
            state = saturate(state + merge(activate(mixed)))
        return state


class _Memory:
    """A dilated layer's products with its activations of `dilation` frames ago.

    A state is first needed `dilation` frames later, so that many are computed in one batch.
    """

    def __init__(self, dilation: int, num_segments: int, weight: Array) -> None:
        """Start with zero states; weight is [W, W]."""
        self.weight = weight
        self.states = np.zeros((dilation, num_segments, len(weight)), weight.dtype)
        self.products = np.zeros_like(self.states)

    def exchange(self, active: Array, frame: int) -> Array:
        """Store a frame's activations [S, W]; return the product [S, W] of the earlier frame."""
        place = frame % len(self.states)
        if place == 0 and frame:
            flat = self.states.reshape(-1, len(self.weight))
            self.products = product(flat, self.weight).reshape(self.states.shape)
        self.states[place] = active
        earlier: Array = self.products[place]
        return earlier


class _Group(GroupLayers):
    """The layers that predict the indices of one group of codebooks in a frame."""

    def __init__(
        self,
        tensors: Tensors,
        prefix: str,
        dtype: type[Any],
        sizes: tuple[int, int, int],
        *,
        last: bool,
    ) -> None:
        """Read the layers; sizes are W (states), C (features) and O (outputs)."""
        width, num_features, num_outputs = sizes
        update_shape = None if last else (width + num_features, width)
        super().__init__(
            tensors, prefix, dtype, width=width, num_outputs=num_outputs, update_shape=update_shape
        )

    def predict(self, active: Array) -> Array:
        """Return outputs [S, O] of activated states [S, W]."""
        return self.head(activate(self.hidden(active)))

    def advance(self, state: Array, active: Array, features: Array) -> Array:
        """Return the next group's state [S, W].

        Args:
            state: of this group, [S, W].
            active: the activated state, [S, W].
            features: of this group's indices, [S, C].
        """
        known = np.concatenate([active, features], axis=1)
        return saturate(state + self.merge(activate(self.update(known))))
