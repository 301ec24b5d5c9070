"""What training, evaluation and the codec may ask of sounds or pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.config import build_config
from vqcodec.errors import ConfigError
from vqcodec.modalities.media import LazySignal
from vqcodec.nn.windows import Geometry, Place

Facts = AudioFacts | ImageFacts
# Yields places in the signal and the planes [P, C, ...] there, for a place of the grid.
Decode = Callable[[Place], Iterator[tuple[Place, Tensor]]]


class Batch(NamedTuple):
    """Excerpts for one step of training.

    Attributes:
        signal: [B, C, ...], what is to be restored.
        source: [B, C, ...], what the encoder gets: the signal, unless a recipe has it disguised.
        recording: [B, 1, T], something else by the same speakers, for recipes with voices.
    """

    signal: Tensor
    source: Tensor
    recording: Tensor | None = None

    def to(self, device: str) -> Batch:
        """Return the same excerpts on a device."""
        recording = None if self.recording is None else self.recording.to(device)
        return Batch(self.signal.to(device), self.source.to(device), recording)


class Dataset(ABC):
    """Training excerpts out of files, as a function of a random generator: resuming is exact."""

    @abstractmethod
    def signals(self, batch_size: int, generator: np.random.Generator) -> Tensor:
        """Return random excerpts [B, C, ...]."""

    def batch(self, batch_size: int, generator: np.random.Generator) -> Batch:
        """Return random excerpts, with what else the networks are trained on."""
        signal = self.signals(batch_size, generator)
        return Batch(signal, signal)


class NetworkConfig(Protocol):
    """The [network] table of a recipe, and what follows from it."""

    @property
    def dim(self) -> int:
        """D, the channels of the latents."""

    def geometry(self) -> Geometry:
        """Return how signals lie on the grid of these networks."""


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """A pair of networks that a recipe can name.

    Attributes:
        config: class of their `NetworkConfig`, from which both are built.
        encoder: called with (signal, rate), rate [B] float in 0 … 1; returns latents [B, D, ...].
        decoder: called with (latents, rate, corner), corner the place of the first latent in the
            grid, all 0 where left out; returns a signal. In training it may return two signals
            as channels that differ in their noise alone, for `distortion` to compare. One that
            speaks with voices has a `voice` and takes (latents, rate, corner, vectors [B, V]).
        start: takes encoder, decoder and a first batch as the start of what is not left to chance.
            Returns the deviation [D] of the signal along each latent, where that is known.
        extend: takes encoder, decoder, batches and the number of latents that a smaller model had;
            makes the others code what those leave, and returns what `start` does. None for
            networks that do not grow.
    """

    config: type[Any]
    encoder: type[nn.Module]
    decoder: type[nn.Module]
    start: Callable[[Any, Any, Tensor], Tensor | None]
    extend: Callable[[Any, Any, Iterable[Tensor], int], Tensor] | None = None


class Modality(ABC):
    """A kind of signal: its networks, files, losses. One object per model."""

    name: Literal["image", "audio"]  # as recipes and model files name it
    wire_id: HeaderModality  # as streams name it
    suffixes: Collection[str]  # of the files it trains on
    dims: int  # axes of its grid of indices: 1 for sound, 2 for pictures
    network_kinds: ClassVar[Mapping[str, NetworkKind]]  # a table without kind means the first
    distortions: ClassVar[Sequence[str]] = ("default",)  # that a recipe can name
    config: NetworkConfig  # of the networks built last

    def __init__(self) -> None:
        self.kind = next(iter(self.network_kinds.values()))
        self.config = self.kind.config()

    @property
    def takes_voices(self) -> bool:
        """Whether the decoder can speak as somebody else."""
        return False

    def build_networks(self, table: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
        """Return encoder and decoder for the [network] table of a recipe.

        Raises:
            ConfigError: there is no such kind, or a key or value is wrong.
        """
        rest = dict(table)
        name = rest.pop("kind", next(iter(self.network_kinds)))
        if name not in list(self.network_kinds):
            known = ", ".join(map(repr, self.network_kinds))
            raise ConfigError(f"network.kind: {name!r} is not one of {known}")
        self.kind = self.network_kinds[name]
        self.config = build_config(self.kind.config, rest, "network")
        return self.kind.encoder(self.config), self.kind.decoder(self.config)

    def geometry(self) -> Geometry:
        """Return how signals lie on the grid, for the networks built last."""
        return self.config.geometry()

    def start_networks(
        self, encoder: nn.Module, decoder: nn.Module, batch: Tensor
    ) -> Tensor | None:
        """Take a first batch as the start of the networks built last.

        Returns the deviation [D] of the signal along each latent, where that is known.
        """
        return self.kind.start(encoder, decoder, batch)

    @abstractmethod
    def facts(self, signal: LazySignal, *, separate_channels: bool) -> Facts:
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
    def reader(self, signal: LazySignal, facts: Facts) -> Callable[[Place], Tensor]:
        """Return what gives the P planes at a place, [P, C, ...], as the encoder takes them.

        Places are in samples or pixels, may reach as far as the grid, and come row by row.
        """

    @abstractmethod
    def restore(self, decode: Decode, facts: Facts) -> LazySignal:
        """Return the signal of what decodes, cut and converted as facts say."""

    @abstractmethod
    def dataset(self, files: Sequence[Path], table: Mapping[str, Any]) -> Dataset:
        """Return training excerpts of files, for the [data] table of a recipe."""

    @abstractmethod
    def excerpt(self, path: Path) -> Tensor:
        """Return the middle of a held-out file as the encoder takes it: [1, C, ...]."""

    @abstractmethod
    def distortion(
        self, reconstruction: Tensor, target: Tensor, kind: str = "default"
    ) -> dict[str, Tensor]:
        """Return the terms of the loss, each [B]; "total" is what is minimised."""

    @abstractmethod
    def rate_of_bits(self, bits: Tensor, target: Tensor) -> Tensor:
        """Return bits [B] per pixel, or per second in kilobits, of signals [B, C, ...]."""
