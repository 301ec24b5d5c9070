"""What training, evaluation and the codec may ask of sounds or pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.modalities.media import Signal
from vqcodec.nn.windows import Geometry

Facts = AudioFacts | ImageFacts


class Dataset(ABC):
    """Training excerpts out of files, as a function of a random generator: resuming is exact."""

    @abstractmethod
    def batch(self, batch_size: int, generator: np.random.Generator) -> Tensor:
        """Return random excerpts [B, C, ...]."""


class Modality(ABC):
    """A kind of signal: its networks, files, losses. One object per model."""

    name: Literal["image", "audio"]  # as recipes and model files name it
    wire_id: HeaderModality  # as streams name it
    suffixes: Collection[str]  # of the files it trains on
    dims: int  # axes of its grid of indices: 1 for sound, 2 for pictures

    @abstractmethod
    def build_networks(self, table: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
        """Return encoder and decoder for the [network] table of a recipe.

        Both are called with (tensor, rate), rate [B] float in 0 … 1.
        """

    @abstractmethod
    def geometry(self) -> Geometry:
        """Return how signals lie on the grid, for the networks built last."""

    @abstractmethod
    def facts(self, signal: Signal, *, separate_channels: bool) -> Facts:
        """Return what a header says of a signal.

        Raises:
            UsageError: the signal is not of this modality.
        """

    @abstractmethod
    def num_planes(self, facts: Facts) -> int:
        """Return how many times the networks run: once for every coded channel of a sound."""

    @abstractmethod
    def grid(self, facts: Facts) -> tuple[int, ...]:
        """Return the size of a plane's grid of indices."""

    @abstractmethod
    def facts_of_size(self, size: tuple[int, ...]) -> Facts:
        """Return the facts of a colour picture (height, width) or a mono sound (samples).

        A sound has the model's own rate.
        """

    @abstractmethod
    def planes(self, signal: Signal, facts: Facts) -> list[Tensor]:
        """Return what the encoder takes, [1, C, ...] each, padded to the grid."""

    @abstractmethod
    def restore(self, planes: list[Tensor], facts: Facts) -> Signal:
        """Return the signal of decoded planes [1, C, ...], cut and converted as facts say."""

    @abstractmethod
    def dataset(self, files: Sequence[Path], table: Mapping[str, Any]) -> Dataset:
        """Return training excerpts of files, for the [data] table of a recipe."""

    @abstractmethod
    def excerpt(self, path: Path) -> Tensor:
        """Return the middle of a held-out file as the encoder takes it: [1, C, ...]."""

    @abstractmethod
    def distortion(self, reconstruction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the terms of the loss, each [B]; "total" is what is minimised."""

    @abstractmethod
    def start_networks(
        self, encoder: nn.Module, decoder: nn.Module, batch: Tensor
    ) -> Tensor | None:
        """Take a first batch as the start of the linear paths (principal components).

        Returns the deviation [D] of the signal along each latent, where that is known.
        """

    @abstractmethod
    def rate_of_bits(self, bits: Tensor, target: Tensor) -> Tensor:
        """Return bits [B] per pixel, or per second in kilobits, of signals [B, C, ...]."""
