"""The [quantizer] tables of recipes and model files; commands read them without NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from vqcodec.config import check_least, check_range, check_share
from vqcodec.errors import ConfigError

LARGEST_CODEBOOK = 4096
Update = Literal["average", "gradient"]


class QuantizerConfig(Protocol):
    """The [quantizer] table of a recipe.

    A rate, 0 … 255, is the stream's byte that sets the precision of quantization.
    """

    @property
    def dim(self) -> int:
        """D, the channels of the latents."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The number of entries of each of the K codebooks."""

    def rate_of(self, quality: float) -> int:
        """Return the rate byte for a quality, 1 … 10."""

    def rate_fraction(self, rate: Any) -> Any:
        """Return rates as fractions, from the coarsest (0) to the finest (1).

        Args:
            rate: a number, an array or a tensor of floats; the result has the same type.
        """

    def has_rate(self, rate: int) -> bool:
        """Return whether this rate byte is valid."""

    def codebooks_at(self, rate: int) -> int:
        """Return K', the number of codebooks in use at this rate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LatticeConfig:
    """The number of channels, the range of indices and the initial step sizes."""

    dim: int = 192
    limit: int = 255  # indices are -limit … limit
    num_knots: int = 8  # rates at which steps are learnt; others are interpolated
    coarsest_step: float = 2.5  # step at rate 0 before training, in units of the signal
    finest_step: float = 0.16  # the same at rate 255
    learn_steps: bool = True  # whether training changes the steps
    num_integers: int = 0  # first channels, whose latents are integers: their step is always 1
    rounding: float = 0.5  # the least fraction of a step that is rounded away from zero

    def __post_init__(self) -> None:
        check_range(self, "quantizer", 1, 4096, "dim")
        check_range(self, "quantizer", 1, 2047, "limit")
        check_range(self, "quantizer", 0, self.dim, "num_integers")
        check_range(self, "quantizer", 2, 256, "num_knots")
        check_range(self, "quantizer", 0.5, 0.99, "rounding")
        check_range(self, "quantizer", 1e-6, 1e6, "coarsest_step", "finest_step")

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """One codebook of evenly spaced entries for each channel."""
        return (2 * self.limit + 1,) * self.dim

    def rate_of(self, quality: float) -> int:
        """Return the rate byte, 0 … 255, of a quality 1 … 10."""
        return round((quality - 1) / 9 * 255)

    def rate_fraction(self, rate: Any) -> Any:
        """Return rates as fractions, 0 … 1."""
        return rate / 255

    def has_rate(self, rate: int) -> bool:  # noqa: ARG002
        """Return True: every byte is a rate."""
        return True

    def codebooks_at(self, rate: int) -> int:  # noqa: ARG002
        """Return D: all channels are coded at every rate."""
        return self.dim


@dataclass(frozen=True, kw_only=True, slots=True)
class ResidualConfig:
    """The number and size of codebooks, and their training."""

    dim: int
    num_codebooks: int = 1
    codebook_size: int = 512
    update: Update = "average"
    decay: float = 0.99
    commitment: float = 0.25  # beta of the VQ-VAE paper
    full_share: float = 0.25  # of items trained with all codebooks; the others use fewer

    def __post_init__(self) -> None:
        check_range(self, "quantizer", 1, 64, "num_codebooks")
        check_range(self, "quantizer", 2, 4096, "codebook_size")
        check_range(self, "quantizer", 1, 4096, "dim")
        check_range(self, "quantizer", 0, 1, "full_share")
        check_share(self, "quantizer", "decay")  # with 1, entries would never move
        check_least(self, "quantizer", 0, "commitment")

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """All codebooks have the same size."""
        return (self.codebook_size,) * self.num_codebooks

    def rate_of(self, quality: float) -> int:
        """Return the number of codebooks, 1 … K, in proportion to the quality, 1 … 10."""
        return max(1, min(self.num_codebooks, round(quality / 10 * self.num_codebooks)))

    def rate_fraction(self, rate: Any) -> Any:
        """Return numbers of codebooks as fractions of K."""
        return rate / self.num_codebooks

    def has_rate(self, rate: int) -> bool:
        """Return whether a rate byte is a number of codebooks, 1 … K."""
        return 1 <= rate <= self.num_codebooks

    def codebooks_at(self, rate: int) -> int:
        """Return the number of codebooks in use, which is the rate."""
        return rate


@dataclass(frozen=True, kw_only=True, slots=True)
class FiniteScalarConfig:
    """The number of values of each latent channel."""

    levels: tuple[int, ...] = (7, 5, 5, 5)  # odd, so that zero is one of the values

    def __post_init__(self) -> None:
        for level in self.levels:
            if level < 3 or level % 2 == 0:
                raise ConfigError(f"quantizer.levels: {level} is not an odd number above 2")
        if not self.levels or math.prod(self.levels) > LARGEST_CODEBOOK:
            raise ConfigError(
                f"quantizer.levels: {list(self.levels)} make {math.prod(self.levels)} "
                f"combinations, not 3 … {LARGEST_CODEBOOK}"
            )

    @property
    def dim(self) -> int:
        """D, the channels of the latents."""
        return len(self.levels)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """One codebook, with an entry for every combination of the channels' values."""
        return (math.prod(self.levels),)

    def rate_of(self, quality: float) -> int:  # noqa: ARG002
        """Return 0, the only rate."""
        return 0

    def rate_fraction(self, rate: Any) -> Any:
        """Return zeros: there is only one rate."""
        return rate * 0.0

    def has_rate(self, rate: int) -> bool:  # noqa: ARG002
        """Return True: all rate bytes mean the same."""
        return True

    def codebooks_at(self, rate: int) -> int:  # noqa: ARG002
        """Return 1."""
        return 1
