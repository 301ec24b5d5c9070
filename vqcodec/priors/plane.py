"""The prior of a plane of time and frequency; `networks.priors.plane` trains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vqcodec.entropy.frequencies import uniform_freqs
from vqcodec.entropy.range_coder import Coder
from vqcodec.errors import ConfigError
from vqcodec.priors.base import Bits, Indices, Shape, Targets
from vqcodec.priors.categorical_coding import CategoricalCoding
from vqcodec.priors.config import PlanePriorConfig
from vqcodec.priors.grid import GridPrior
from vqcodec.priors.integer import Array, Tensors, fetch, saturate
from vqcodec.priors.logistic_coding import LogisticCoding


class PlanePrior(GridPrior):
    """Codes indices [K * bands, F] of frames as a grid [K, F, bands], like a picture's.

    Unlike the columns of a picture, bands differ: each has an initial state of its own. The first
    groups are coded as a grid of slots [F, S], which are one or more bands wide. Then every band
    continues with the state of its slot.
    """

    kind = "plane"
    num_axes = 1
    config: PlanePriorConfig

    def __init__(
        self,
        config: PlanePriorConfig,
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,
        dtype: type[Any] = np.float64,
    ) -> None:
        """Read a frozen prior's tensors.

        Raises:
            ConfigError: the prior is for other codebooks.
            ModelFileError: a tensor is missing or does not fit.
        """
        super().__init__(config, books_of_band(config, codebook_sizes), tensors, dtype)
        self.columns, self.slots = np.array(config.columns), np.array(config.slots)
        sizes = {"slot_state": len(config.starts), "band_state": config.num_bands}
        self.slot_state, self.band_state = (
            fetch(tensors, name, np.int16, (size, config.width)).astype(dtype)
            for name, size in sizes.items()
        )
        self.exact = self.coding
        if isinstance(self.coding, LogisticCoding):
            tables = fetch(tensors, "tables", np.uint32)
            self.exact = LogisticCoding(tables, codebook_sizes[0])

    @property
    def codings(self) -> list[LogisticCoding]:
        """How indices are coded, exact ones first, if their head is logistic."""
        return [each for each in (self.exact, self.coding) if isinstance(each, LogisticCoding)]

    def num_levels(self, num_codebooks: int) -> int:  # noqa: ARG002
        """Return 1: a stream has all groups."""
        return 1

    def coding_of(self, number: int) -> LogisticCoding | CategoricalCoding:
        """Return how the indices of a group are coded: the first ones exactly as they are."""
        return self.exact if number < self.config.num_exact else self.coding

    def initial_state(self, rate: int, height: int, width: int) -> Array:  # noqa: ARG002
        """Return the state [F, slots, W] before the first group."""
        state = saturate(self.rate_state[rate] + self.slot_state)
        return np.broadcast_to(state, (height, *state.shape))

    def state_after(self, state: Array, number: int) -> Array:
        """Return the state for the group after a group: of bands, from the last slots on."""
        if number + 1 != self.config.num_exact:
            return state
        return saturate(state[:, self.slots] + self.band_state)

    def columns_at(self, columns: slice, number: int) -> slice | Array:
        """Return the bands that hold the indices of some columns of a group."""
        return self.columns[columns] if number < self.config.num_exact else columns

    def columns_in_use(self, targets: Targets) -> int | None:
        """Return the number of bands up to the last with a coefficient that is not zero."""
        first = sum(self.config.groups[: self.config.num_exact])
        used = np.any(self.coding.nearest(targets[first:]) != self.zero, axis=(0, 1))
        return int(np.flatnonzero(used).max(initial=-1)) + 1

    def code_columns(
        self, coders: Sequence[Coder], width: int, num_groups: int, known: int | None = None
    ) -> int | None:
        """Code the number of bands in use, if a group is in use that has such a number."""
        if not coders or num_groups <= self.config.num_exact:
            return None
        symbols = None if known is None else np.array([known], np.int32)
        return int(coders[0].code(uniform_freqs(width + 1), symbols)[0])

    def widths_of(
        self, number: int, width: int, num_groups: int, num_columns: int | None
    ) -> tuple[int, int]:
        """Return how many bands of a group are computed, and how many are coded.

        A band that is coded must be exact, so the bands that its state sees are computed, too.
        """
        if number < self.config.num_exact:
            return len(self.columns), len(self.columns)
        if num_columns is None:
            return width, width
        reach = self.config.update_kernel_of(number)[1] // 2
        return min(width, num_columns + reach * (num_groups - 1 - number)), num_columns

    def code_levels(
        self,
        coders: Sequence[Sequence[Coder]],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Code segments [K * bands, F]; see `GridPrior`."""
        known = None if indices is None else [self._plane(segment) for segment in indices]
        planes = [
            (num_codebooks // self.config.num_bands, num_frames, self.config.num_bands)
            for num_codebooks, num_frames in shapes
        ]
        coded = super().code_levels(coders, planes, rate, known)
        return [_frames(plane) for plane in coded]

    def fill(
        self,
        known: Indices,
        rate: int,
        generator: np.random.Generator,
        temperature: float = 1.0,
        num_sweeps: int = 0,
    ) -> Indices:
        """Return indices [K * bands, F] with those sampled that are unknown; see `GridPrior`."""
        plane = self._plane(known)
        return _frames(super().fill(plane, rate, generator, temperature, num_sweeps))

    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:
        """Return the bits of each index of segments [K * bands, F]; see `GridPrior`."""
        bits = super().bits_of([self._plane(segment) for segment in segments], rate)
        return [_frames(plane) for plane in bits]

    def _plane(self, segment: Array) -> Array:
        """Return [K, F, bands] of [K * bands, F]."""
        return segment.reshape(-1, self.config.num_bands, segment.shape[1]).transpose(0, 2, 1)


def _frames(plane: Array) -> Array:
    """Return [K * bands, F] of [K, F, bands]."""
    return plane.transpose(0, 2, 1).reshape(-1, plane.shape[1])


def books_of_band(config: PlanePriorConfig, codebook_sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of the K codebooks of a band.

    Raises:
        ConfigError: the codebooks are not whole bands.
    """
    if len(codebook_sizes) % config.num_bands:
        raise ConfigError(
            f"prior.num_bands: {len(codebook_sizes)} codebooks are not a multiple of "
            f"{config.num_bands}"
        )
    return codebook_sizes[: len(codebook_sizes) // config.num_bands]
