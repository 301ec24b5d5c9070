"""The shapes of the learnt priors, for training and for coding."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from vqcodec.config import check_range, check_share
from vqcodec.errors import ConfigError
from vqcodec.priors.order import Size

Head = Literal["logistic", "categorical"]

KERNEL_SIZES = (1, 3, 5, 7, 9)  # of the context of a grid
PERIODS = (1, 2, 4, 8)  # of its phases

LOGISTIC_NUMBERS = 2  # features of an index, and numbers that predict it

# Limits of one prior, in numbers of 64 bits.
MOST_WEIGHTS = 1 << 26
MOST_FEATURES = 1 << 11  # of one group, at every position
MOST_OUTPUTS = 1 << 16  # of one group, at every position
MOST_EARLIER = 1 << 18  # in states of earlier frames, for every segment
MOST_COUNTED_GROUPS = 255  # `skip_certain` codes the number in use


@dataclass(frozen=True, kw_only=True, slots=True)
class StaticPriorConfig:
    """Priors without a network have no settings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GridPriorConfig:
    """The order and the context in which the indices of a grid are predicted."""

    num_earlier: ClassVar[int] = 0

    groups: tuple[int, ...]  # codebooks that are predicted together; they add up to K
    head: Head = "logistic"
    period: int = 2  # a cell of period x period positions is coded in period ** 2 phases
    kernel_size: int = 3
    width: int = 128
    embedding_dim: int = 16  # of a categorical index; those of a logistic one are fixed
    skip_certain: bool = False  # whether certain indices and unused groups are not coded
    first_period: int | None = None  # of the first group, where the others have `period`
    first_kernel_size: int | None = None  # of the first group, likewise
    narrow_updates: bool = False  # whether no state around a position updates its state

    def __post_init__(self) -> None:
        _check_groups(self)
        if self.skip_certain and self.head != "logistic":
            raise ConfigError("prior.skip_certain: is only for the head 'logistic'")
        if self.skip_certain and len(self.groups) > MOST_COUNTED_GROUPS:
            raise ConfigError(
                f"prior.skip_certain: there are {len(self.groups)} groups, "
                f"but {MOST_COUNTED_GROUPS} is the most"
            )
        for prefix, number in (("", 1), ("first_", 0)):
            _check_phases(prefix, self.period_of(number), self.kernel_size_of(number))

    def period_of(self, number: int) -> int:
        """Return the period of a group's phases."""
        return self.period if number or self.first_period is None else self.first_period

    def kernel_size_of(self, number: int) -> int:
        """Return the size of the context within a group."""
        own = None if number else self.first_kernel_size
        return self.kernel_size if own is None else own

    def cell_of(self, number: int) -> Size:
        """Return the size of a cell, each of whose positions is a phase of a group."""
        return self.period_of(number), self.period_of(number)

    def kernel_of(self, number: int) -> Size:
        """Return the size of the context within a group."""
        return self.kernel_size_of(number), self.kernel_size_of(number)

    def update_kernel_of(self, number: int) -> Size:  # noqa: ARG002
        """Return the size of the convolution that updates the state after a group."""
        return 3, 3

    def num_weights(self, per_index: int, per_output: int) -> int:
        """Return how many weights the prior has, for E features and O outputs of an index."""
        width = self.width
        square = width * width
        total = 0
        for number, size in enumerate(self.groups):
            taps = math.prod(self.cell_of(number)) * math.prod(self.kernel_of(number))
            update = math.prod(self.update_kernel_of(number))
            total += size * width * ((taps + update) * per_index + per_output)
            total += (update + 3) * square
        return total


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanePriorConfig(GridPriorConfig):
    """The settings of a grid, and how the codebooks of a frame make its columns.

    The first groups describe slots, which are half a band or more wide. An encoder never changes
    their indices, which stand in the first band of each slot, or in the next one that is free.
    """

    num_bands: int  # columns; the codebooks of a frame are `num_bands` of each of K kinds
    num_exact: int = 1  # first groups, whose columns are slots
    starts: tuple[int, ...] = (0,)  # the first band of each slot
    magnitudes: bool = False  # whether the signs of later groups are neither seen nor predicted
    frame_period: int | None = None  # phases of later groups, if these are whole frames
    frame_kernel_size: int = 9  # in frames, of their context

    def __post_init__(self) -> None:
        # Not super(): the zero-argument form fails in dataclasses with slots.
        GridPriorConfig.__post_init__(self)
        check_range(self, "prior", 1, 4096, "num_bands")
        check_range(self, "prior", 1, len(self.groups) - 1, "num_exact")
        check_range(self, "prior", 0, self.num_bands - 1, "starts")
        if self.magnitudes and self.head != "logistic":
            raise ConfigError("prior.magnitudes: is only for the head 'logistic'")
        if self.frame_period is not None:
            _check_phases("frame_", self.frame_period, self.frame_kernel_size)
        if self.starts[:1] != (0,) or list(self.starts) != sorted(self.starts):
            raise ConfigError(f"prior.starts: {self.starts} are not ascending numbers from 0 on")
        if self.columns[-1] >= self.num_bands:
            raise ConfigError(f"prior.starts: {self.num_bands} bands have no place for so many")

    def cell_of(self, number: int) -> Size:
        """Return the size of a cell, each of whose positions is a phase of a group."""
        if number < self.num_exact or self.frame_period is None:
            return GridPriorConfig.cell_of(self, number)
        return self.frame_period, 1

    def kernel_of(self, number: int) -> Size:
        """Return the size of the context within a group."""
        if number < self.num_exact or self.frame_period is None:
            return GridPriorConfig.kernel_of(self, number)
        return self.frame_kernel_size, 1

    def update_kernel_of(self, number: int) -> Size:
        """Return the size of the convolution that updates the state after a group."""
        if number < self.num_exact or self.frame_period is None:
            return GridPriorConfig.update_kernel_of(self, number)
        return 3, 1

    @property
    def columns(self) -> list[int]:
        """The band in which the indices of each slot stand."""
        return free_columns(self.starts)

    @property
    def slots(self) -> list[int]:
        """The slot of each band, the last one that begins in it."""
        return [bisect.bisect(self.starts, band) - 1 for band in range(self.num_bands)]


def free_columns(starts: Iterable[int]) -> list[int]:
    """Return the columns of a grid that begin at ascending numbers, or at the next free ones."""
    columns: list[int] = []
    for start in starts:
        columns.append(max(start, columns[-1] + 1 if columns else 0))
    return columns


@dataclass(frozen=True, kw_only=True, slots=True)
class FramesPriorConfig:
    """How the indices of a frame are predicted from earlier frames and from one another."""

    groups: tuple[int, ...]  # codebooks that are predicted together; they add up to K
    head: Head = "categorical"
    width: int = 256
    dilations: tuple[int, ...] = (1, 2, 4, 8)  # in frames, of each layer over time
    embedding_dim: int = 16  # of a categorical index; a logistic one has two fixed features
    dropout: float = 0.0  # of features, while training

    def __post_init__(self) -> None:
        _check_groups(self)
        check_share(self, "prior", "dropout")
        check_range(self, "prior", 1, 256, "dilations")

    @property
    def num_earlier(self) -> int:
        """Return how many numbers of earlier states are kept for every segment."""
        return self.width * sum(self.dilations)

    def num_weights(self, per_index: int, per_output: int) -> int:
        """Return how many weights the prior has, for E features and O outputs of an index."""
        width = self.width
        square = width * width
        groups = sum(
            size * width * (2 * per_index + per_output) + 3 * square for size in self.groups
        )
        return groups + 3 * square * len(self.dilations)


def _check_phases(prefix: str, period: int, kernel_size: int) -> None:
    """Check the period of a group's phases, and the size of its context."""
    if period not in PERIODS:
        raise ConfigError(f"prior.{prefix}period: {period} is not 1, 2, 4 or 8")
    if kernel_size not in KERNEL_SIZES:
        raise ConfigError(f"prior.{prefix}kernel_size: {kernel_size} is not 1, 3, 5, 7 or 9")


def _check_groups(config: GridPriorConfig | FramesPriorConfig) -> None:
    """Check the settings that both kinds have."""
    if not config.groups:
        raise ConfigError("prior.groups: is empty")
    check_range(config, "prior", 1, 4096, "groups")
    check_range(config, "prior", 8, 1024, "width")
    check_range(config, "prior", 1, 256, "embedding_dim")


def numbers_per_index(
    config: GridPriorConfig | FramesPriorConfig, codebook_size: int
) -> tuple[int, int]:
    """Return E, the features of an index, and O, the numbers that predict one."""
    if config.head == "logistic":
        return 1 if has_magnitudes(config) else LOGISTIC_NUMBERS, LOGISTIC_NUMBERS
    return config.embedding_dim, codebook_size


def has_magnitudes(config: GridPriorConfig | FramesPriorConfig) -> bool:
    """Return whether a prior sees the magnitudes of indices, with features for every codebook."""
    return isinstance(config, PlanePriorConfig) and config.magnitudes


def check_codebooks(
    config: GridPriorConfig | FramesPriorConfig, codebook_sizes: tuple[int, ...]
) -> None:
    """Check that a prior is for these codebooks, and that its memory is bounded.

    A model file is untrusted: call this before any memory is allocated.

    Raises:
        ConfigError: it is for other codebooks, or has too many weights or outputs.
    """
    if sum(config.groups) != len(codebook_sizes):
        raise ConfigError(
            f"prior.groups: {config.groups} add up to {sum(config.groups)}, "
            f"but there are {len(codebook_sizes)} codebooks"
        )
    if config.head == "logistic" and codebook_sizes[0] % 2 == 0:
        raise ConfigError(
            f"prior.head: 'logistic' is for a lattice, not for codebooks of {codebook_sizes[0]}"
        )
    _check_size(config, codebook_sizes)


def _check_size(
    config: GridPriorConfig | FramesPriorConfig, codebook_sizes: tuple[int, ...]
) -> None:
    per_index, per_output = numbers_per_index(config, codebook_sizes[0])
    num_weights = config.num_weights(per_index, per_output)
    if config.head == "categorical":
        num_weights += len(codebook_sizes) * codebook_sizes[0] * per_index  # the features
    largest = max(config.groups)
    for what, number, limit in (
        ("weights", num_weights, MOST_WEIGHTS),
        ("features in a group", largest * per_index, MOST_FEATURES),
        ("outputs in a group", largest * per_output, MOST_OUTPUTS),
        ("states of earlier frames", config.num_earlier, MOST_EARLIER),
    ):
        if number > limit:
            raise ConfigError(f"prior: {number} {what}, but {limit} is the most")
