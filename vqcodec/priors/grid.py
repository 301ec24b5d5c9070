"""The prior of pictures, evaluated in integers; `networks.priors.grid` trains it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vqcodec.entropy.delayed_coder import DelayedCoder
from vqcodec.entropy.frequencies import uniform_freqs
from vqcodec.entropy.range_coder import Coder, SymbolSampler
from vqcodec.priors.base import UNKNOWN, Bits, Indices, Shape, Targets
from vqcodec.priors.categorical_coding import CategoricalCoding
from vqcodec.priors.config import GridPriorConfig
from vqcodec.priors.grid_layers import GridGroup
from vqcodec.priors.integer import Array, Tensors
from vqcodec.priors.learnt import LearntPrior
from vqcodec.priors.logistic_coding import LogisticCoding
from vqcodec.priors.order import phase_places
from vqcodec.priors.side_by_side import in_threads, single_threaded

Place = tuple[slice, slice, slice | Array]  # codebooks, rows and columns of indices [K, h, w]


class GridPrior(LearntPrior):
    """Codes indices [K, h, w] group by group, and within a group phase by phase.

    Every group is a level. With `skip_certain`, certain indices are not coded, but the number
    of groups in use is coded. The indices of unused groups stand for zero.
    """

    kind = "grid"
    num_axes = 2
    # Measured over qualities 2 to 9.5 on twelve held-out pictures, 0.05 needs 1.6 % more bits at
    # equal PSNR (`image`) and 1.4 % more at equal MS-SSIM (`image-msssim`). 0 is as good for the
    # first and 0.6 % worse for the second. High-rate theory gives 2 ln 2 / 12 = 0.12, but it
    # ignores that indices are the context of later indices.
    bit_weight = 0.01

    def __init__(
        self,
        config: GridPriorConfig,
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,
        dtype: type[Any] = np.float64,
    ) -> None:
        """Read a frozen prior's tensors.

        Raises:
            ConfigError: the prior is for other codebooks.
            ModelFileError: a tensor is missing or does not fit.
        """
        super().__init__(config, codebook_sizes, tensors, dtype)
        self.config = config
        self.zero = codebook_sizes[0] // 2  # the index that stands for zero
        self.groups = []
        for number, size in enumerate(config.groups):
            places = (config.cell_of(number), config.kernel_of(number))
            update_kernel = config.update_kernel_of(number)
            sizes = (config.width, size * self.per_index, size * self.per_output)
            last = number + 1 == len(config.groups)
            self.groups.append(
                GridGroup(
                    tensors, f"groups.{number}", dtype, *places, update_kernel, sizes, last=last
                )
            )

    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Code segments [K, h, w] with their coders, one segment after the other."""
        every_level = [[coder] * len(self.groups) for coder in coders]
        return self.code_levels(every_level, shapes, rate, indices)

    def num_levels(self, num_codebooks: int) -> int:
        """Return how many groups the indices of K' codebooks belong to."""
        return self.num_groups(num_codebooks)

    def num_groups(self, num_codebooks: int) -> int:
        """Return how many groups the indices of K' codebooks belong to."""
        starts = itertools.accumulate(self.config.groups, initial=0)
        return sum(start < num_codebooks for start in itertools.islice(starts, len(self.groups)))

    def code_levels(
        self,
        coders: Sequence[Sequence[Coder]],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Code the groups of segments [K, h, w]; groups without a coder are predicted."""
        known = [None] * len(coders) if indices is None else indices
        segments = list(zip(coders, shapes, known, strict=True))
        with single_threaded():
            return in_threads(lambda segment: self._code_segment(rate, *segment), segments)

    def _code_segment(
        self, rate: int, coders: Sequence[Coder], shape: Shape, known: Targets | None
    ) -> Indices:
        """Return the indices [K', h, w] of one segment."""
        if not self.config.skip_certain:
            return self._code_groups(coders, shape, rate, known, self.num_groups(shape[0]))
        if known is None:
            num_groups = self._find_groups_in_use(coders, shape[0])
            num_columns = self.code_columns(coders, shape[2], num_groups)
            return self._code_groups(coders, shape, rate, None, num_groups, num_columns)
        # The number of groups in use is coded first but known last: all indices of a group may
        # become zero.
        delayed = [DelayedCoder(coder) for coder in coders]
        num_groups, num_columns = self._groups_in_use(known), self.columns_in_use(known)
        indices = self._code_groups(delayed, shape, rate, known, num_groups, num_columns)
        num_groups = self._groups_in_use(indices)
        self._code_number(coders[0], shape[0], num_groups)
        self.code_columns(coders, shape[2], num_groups, num_columns)
        for coder in delayed[:num_groups]:
            coder.run()
        return indices

    def _code_groups(
        self,
        coders: Sequence[Coder],
        shape: Shape,
        rate: int,
        known: Targets | None,
        num_groups: int,
        num_columns: int | None = None,
    ) -> Indices:
        """Return the indices [K', h, w] of one segment with `num_groups` groups in use."""

        def code_place(outputs: Array, place: Place, number: int) -> Indices:
            if number >= len(coders):
                return self.coding_of(number).likeliest(outputs)
            values = None if known is None else known[place].transpose(1, 2, 0).reshape(-1)
            coding = self.coding_of(number)
            coded = coding.code(coders[number], outputs.reshape(-1, self.per_output), values)
            return coded.reshape(outputs.shape[:3])

        return self._walk(shape, rate, code_place, num_groups, num_columns=num_columns)

    def fill(
        self,
        known: Indices,
        rate: int,
        generator: np.random.Generator,
        temperature: float = 1.0,
        num_sweeps: int = 0,
    ) -> Indices:
        """Return indices [K', h, w] with those sampled that are `UNKNOWN`; see `Prior.fill`.

        The first phases are sampled without known neighbours of later phases. A sweep takes every
        position of a group in turn as one of the last phase, which sees its neighbours on all
        sides (Gibbs sampling), so that what is sampled fits what is known, and itself.
        """
        sampler = SymbolSampler(generator, temperature)

        def draw(outputs: Array, place: Place, number: int) -> Indices:
            given = known[place].transpose(1, 2, 0)
            if (given != UNKNOWN).all():
                return given
            coding = self.coding_of(number)
            drawn = coding.code(sampler, outputs.reshape(-1, self.per_output), None)
            return np.where(given == UNKNOWN, drawn.reshape(given.shape), given)

        with single_threaded():
            return self._walk(
                known.shape, rate, draw, self.num_groups(len(known)), num_sweeps=num_sweeps
            )

    def ordinary(self, shape: Shape, rate: int) -> Indices:
        """Return the likeliest indices [K', ...], each given those before it."""
        return self.code_levels([[]], [shape], rate)[0]

    def coding_of(self, number: int) -> LogisticCoding | CategoricalCoding:  # noqa: ARG002
        """Return how the indices of a group are coded."""
        return self.coding

    def initial_state(self, rate: int, height: int, width: int) -> Array:
        """Return the state [h, w, W] before the first group."""
        return np.broadcast_to(self.rate_state[rate], (height, width, self.config.width))

    def state_after(self, state: Array, number: int) -> Array:  # noqa: ARG002
        """Return the state [h, w, W] for the next group, after a group has advanced it."""
        return state

    def columns_at(self, columns: slice, number: int) -> slice | Array:  # noqa: ARG002
        """Return the columns of the grid that hold the indices of some columns of a group."""
        return columns

    def columns_in_use(self, targets: Targets) -> int | None:  # noqa: ARG002
        """Return how many columns hold indices that do not stand for zero; None for all."""
        return None

    def code_columns(
        self,
        coders: Sequence[Coder],  # noqa: ARG002
        width: int,  # noqa: ARG002
        num_groups: int,  # noqa: ARG002
        known: int | None = None,
    ) -> int | None:
        """Code the number of columns in use, and return it; None for all, which is not coded."""
        return known

    def widths_of(
        self,
        number: int,  # noqa: ARG002
        width: int,
        num_groups: int,  # noqa: ARG002
        num_columns: int | None,  # noqa: ARG002
    ) -> tuple[int, int]:
        """Return how many columns of a group are computed, and how many are coded."""
        return width, width

    def _groups_in_use(self, targets: Targets) -> int:
        """Return the number of groups up to the last group with an index other than zero's."""
        num_groups = self.num_groups(len(targets))
        starts = [0, *itertools.accumulate(self.config.groups)]
        while num_groups:
            group = self.coding.nearest(targets[starts[num_groups - 1] : starts[num_groups]])
            if np.any(group != self.zero):
                break
            num_groups -= 1
        return num_groups

    def _find_groups_in_use(self, coders: Sequence[Coder], num_codebooks: int) -> int:
        """Return the number of groups that a stream uses."""
        if not coders:
            return self.num_groups(num_codebooks)
        return self._code_number(coders[0], num_codebooks)

    def _code_number(self, coder: Coder, num_codebooks: int, known: int | None = None) -> int:
        """Code the number of groups in use, and return it."""
        freqs = uniform_freqs(self.num_groups(num_codebooks) + 1)
        symbols = None if known is None else np.array([known], np.int32)
        return int(coder.code(freqs, symbols)[0])

    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:
        """Return the bits of each index of segments [K', h, w], as `compress` codes it.

        The number of groups in use is not counted.
        """
        with single_threaded():
            return in_threads(lambda segment: self._bits_of_segment(segment, rate), segments)

    def _bits_of_segment(self, indices: Indices, rate: int) -> Bits:
        bits = np.zeros(indices.shape)

        def look_up(outputs: Array, place: Place, number: int) -> Indices:
            coding = self.coding_of(number)
            values = coding.settled(outputs, indices[place].transpose(1, 2, 0))
            bits[place] = coding.bits_of(outputs, values).transpose(2, 0, 1)
            return values

        if not self.config.skip_certain:
            self._walk(indices.shape, rate, look_up, len(self.groups))
            return bits
        coded = self._walk(
            indices.shape,
            rate,
            look_up,
            self._groups_in_use(indices),
            num_columns=self.columns_in_use(indices),
        )
        bits[sum(self.config.groups[: self._groups_in_use(coded)]) :] = 0
        return bits

    def _walk(
        self,
        shape: Shape,
        rate: int,
        find: Callable[[Array, Place, int], Indices],
        num_groups: int,
        *,
        num_sweeps: int = 0,
        num_columns: int | None = None,
    ) -> Indices:
        """Return the indices [K', h, w] of one segment; codebooks past K' are left out.

        Args:
            shape: K', h and w.
            rate: the stream's rate byte.
            find: takes outputs [h', w', n, O] for a place, the place and the number of its group,
                and returns its indices [h', w', n].
            num_groups: in use; the indices of the other groups stand for zero.
            num_sweeps: further visits to every position of a group, as one of the last phase.
            num_columns: in use, see `widths_of`; None for all.
        """
        num_codebooks, height, full_width = shape
        indices = np.full(shape, self.zero, np.int64)
        state = self.initial_state(rate, height, full_width)
        first = 0
        for number, (size, group) in enumerate(zip(self.config.groups, self.groups, strict=True)):
            if first >= num_codebooks or number >= num_groups:
                break
            num = min(size, num_codebooks - first)
            books = slice(first, first + num)
            width, num_coded = self.widths_of(number, full_width, num_groups, num_columns)
            state = state[:, :width]
            features = np.zeros((height, width, size * self.per_index), self.dtype)
            is_seen = np.zeros(size * self.per_index, np.bool_)  # not zero everywhere
            most = self.coding.outputs_at_once // (size * self.per_output)
            visits = phase_places(group.cell, height, num_coded, num_sweeps, most)
            for phase, rows, columns in visits:
                outputs = group.predict(
                    state[rows, columns],
                    features,
                    is_seen,
                    phase,
                    (rows.start, columns.start),
                )
                outputs = outputs.reshape(*outputs.shape[:2], size, self.per_output)
                place = (books, rows, self.columns_at(columns, number))
                found = find(outputs[:, :, :num], place, number)
                indices[place] = found.transpose(2, 0, 1)
                known = slice(num * self.per_index)
                seen = self.features_of(found, first)
                features[rows, columns, known] = seen
                is_seen[known] |= seen.any(axis=(0, 1))
            if first + size < num_codebooks and number + 1 < num_groups:
                state = self.state_after(group.advance(state, features, is_seen), number)
            first += size
        return indices
