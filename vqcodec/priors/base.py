"""What every frozen prior offers: one loop that compresses, decompresses or samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs
from vqcodec.entropy.range_coder import (
    Coder,
    FrequencyTables,
    Parts,
    SymbolDecoder,
    SymbolEncoder,
    Symbols,
    SymbolSampler,
)

Indices = NDArray[np.int64]  # [K', F] or [K', h, w]
Targets = Indices | NDArray[np.float64]  # real numbers in units of indices, still to be chosen
Shape = tuple[int, ...]
Bits = NDArray[np.float64]  # that each index of a segment takes


class _Repeater:
    """A coder that gives back what it is given."""

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:  # noqa: ARG002
        """Return the symbols."""
        assert symbols is not None
        return symbols

    def code_with_tables(
        self,
        tables: FrequencyTables,  # noqa: ARG002
        table_ids: NDArray[np.uint16],  # noqa: ARG002
        symbols: Symbols | None = None,
        parts: Parts | None = None,  # noqa: ARG002
    ) -> Symbols:
        """Return the symbols."""
        assert symbols is not None
        return symbols


class Prior(ABC):
    """Frequencies of indices, in integers, from the indices before them and the rate alone."""

    kind: str  # as model files name it

    @abstractmethod
    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Run the segments of a stream through their coders and return their indices.

        Args:
            coders: one a segment; what they do with symbols decides what this call does.
            shapes: of each segment's indices, codebooks first.
            rate: the stream's rate byte.
            indices: of each segment; needed by coders that compress. Where they are real numbers,
                in units of indices, a logistic head chooses by bits and error, others round.

        Raises:
            CorruptStreamError: a coder finds data that no indices encode to.
        """

    def num_levels(self, num_codebooks: int) -> int:  # noqa: ARG002
        """Return in how many levels, coarsest first, the indices of K' codebooks are coded."""
        return 1

    def code_levels(
        self,
        coders: Sequence[Sequence[Coder]],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Run segments through a coder for each of their levels, as `code` through one for all.

        Where coders are fewer than levels, the indices of the rest are the likeliest ones.
        """
        return self.code([own for (own,) in coders], shapes, rate, indices)

    def choose(self, targets: Sequence[Targets], rate: int) -> list[Indices]:
        """Return the indices that `compress` codes for each segment's targets."""
        coders = [_Repeater() for _ in targets]
        return self.code(coders, [segment.shape for segment in targets], rate, targets)

    def compress(self, indices: Sequence[Targets], rate: int) -> list[bytes]:
        """Return the payload of each segment's indices, or of those chosen for its targets."""
        coders = [SymbolEncoder() for _ in indices]
        self.code(coders, [segment.shape for segment in indices], rate, indices)
        return [coder.finish() for coder in coders]

    def compress_levels(self, indices: Sequence[Targets], rate: int) -> list[list[bytes]]:
        """Return the payloads of each segment's levels; the indices are those of `compress`."""
        coders = [
            [SymbolEncoder() for _ in range(self.num_levels(len(segment)))] for segment in indices
        ]
        self.code_levels(coders, [segment.shape for segment in indices], rate, indices)
        return [[coder.finish() for coder in own] for own in coders]

    def decompress(
        self,
        payloads: Sequence[bytes],
        shapes: Sequence[Shape],
        rate: int,
        level: int | None = None,
    ) -> list[Indices]:
        """Return the indices of each segment, whose shapes are known.

        With a level, those of later levels are not read but the likeliest ones.

        Raises:
            CorruptStreamError: a payload is not one that `compress` writes.
        """
        coders = [SymbolDecoder(payload) for payload in payloads]
        if level is not None:
            return self.code_levels([[coder] * level for coder in coders], shapes, rate)
        indices = self.code(coders, shapes, rate)
        for coder in coders:
            coder.finish()
        return indices

    def decompress_levels(
        self, payloads: Sequence[Sequence[bytes]], shapes: Sequence[Shape], rate: int
    ) -> list[Indices]:
        """Return the indices of each segment out of the payloads of its first levels.

        Those of later levels are the likeliest ones.

        Raises:
            CorruptStreamError: a payload is not one that `compress_levels` writes.
        """
        coders = [[SymbolDecoder(payload) for payload in own] for own in payloads]
        indices = self.code_levels(coders, shapes, rate)
        for own in coders:
            for coder in own:
                coder.finish()
        return indices

    def sample(
        self, shape: Shape, rate: int, generator: np.random.Generator, temperature: float
    ) -> Indices:
        """Return new indices, drawn one after the other (ancestral sampling)."""
        return self.code([SymbolSampler(generator, temperature)], [shape], rate)[0]

    @abstractmethod
    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:
        """Return what each index of each segment costs: -log2 of its probability, escapes included.

        They add up to what `compress` writes, less than a byte apart. They are floats, for people
        to look at; nothing codes by them.
        """

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what a model file stores of this prior; integers only."""
