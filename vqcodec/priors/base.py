"""The interface of frozen priors: one loop that compresses, decompresses or samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs
from vqcodec.entropy.range_coder import (
    Coder,
    SymbolDecoder,
    SymbolEncoder,
    Symbols,
)
from vqcodec.entropy.tables import FrequencyTables

Indices = NDArray[np.int64]  # [K', F] or [K', h, w]
Targets = Indices | NDArray[np.float64]  # or unrounded indices
Shape = tuple[int, ...]
Bits = NDArray[np.float64]  # of each index of a segment
UNKNOWN = -1  # in place of an index that is to be sampled


class _Repeater:
    """A coder that returns its input: symbols are chosen but not coded."""

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:  # noqa: ARG002
        """Return the symbols."""
        assert symbols is not None
        return symbols

    def code_with_tables(
        self,
        tables: FrequencyTables,  # noqa: ARG002
        table_ids: NDArray[np.uint16],  # noqa: ARG002
        symbols: Symbols | None = None,
    ) -> Symbols:
        """Return the symbols."""
        assert symbols is not None
        return symbols


class Prior(ABC):
    """Integer frequencies of indices, which depend only on the previous indices and the rate."""

    kind: str  # the name in model files
    num_axes: int | None = None  # of the grids that it codes; None for any
    states_per_segment = 0  # numbers that stay in memory while a segment is coded

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
            coders: one per segment. Encoders compress, decoders decompress, samplers sample.
            shapes: of each segment's indices, [K', ...].
            rate: the stream's rate byte.
            indices: of each segment; encoders need them. They may be targets, in real numbers: a
                logistic head then chooses indices by bits and error; other heads round.

        Raises:
            CorruptStreamError: no indices encode to a decoder's payload.
        """

    def num_levels(self, num_codebooks: int) -> int:  # noqa: ARG002
        """Return the number of levels of K' codebooks; 1 if progressive coding is not supported."""
        return 1

    def code_levels(
        self,
        coders: Sequence[Sequence[Coder]],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Like `code`, with a separate coder for each level of a segment, coarsest first.

        Levels without a coder get the most likely indices.
        """
        return self.code([own for (own,) in coders], shapes, rate, indices)

    @abstractmethod
    def ordinary(self, shape: Shape, rate: int) -> Indices:
        """Return indices [K', ...] to stand for a segment that is lost."""

    def choose(self, targets: Sequence[Targets], rate: int) -> list[Indices]:
        """Return the indices that `compress` codes for each segment's targets."""
        coders = [_Repeater() for _ in targets]
        return self.code(coders, [segment.shape for segment in targets], rate, targets)

    def compress(self, indices: Sequence[Targets], rate: int) -> list[bytes]:
        """Return the payload of each segment's indices, or of indices chosen for its targets."""
        coders = [SymbolEncoder() for _ in indices]
        self.code(coders, [segment.shape for segment in indices], rate, indices)
        return [coder.finish() for coder in coders]

    def compress_levels(self, indices: Sequence[Targets], rate: int) -> list[list[bytes]]:
        """Like `compress`, but return one payload for each level of a segment."""
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
        """Return the indices of each segment of the given shapes.

        With `level`, indices of later levels are not read; they are the most likely ones.

        Raises:
            CorruptStreamError: `compress` writes no such payload.
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
        """Return the indices of each segment from the payloads of its first levels.

        Indices of later levels are the most likely ones.

        Raises:
            CorruptStreamError: `compress_levels` writes no such payload.
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
        """Return sampled indices [K', ...] of a shape (ancestral sampling)."""
        return self.fill(np.full(shape, UNKNOWN), rate, generator, temperature)

    @abstractmethod
    def fill(
        self,
        known: Indices,
        rate: int,
        generator: np.random.Generator,
        temperature: float = 1.0,
        num_sweeps: int = 0,
    ) -> Indices:
        """Return one segment's indices [K', ...] with those sampled that are `UNKNOWN`.

        An index is sampled given the indices before it in coding order, known or sampled.

        Args:
            known: [K', ...]; indices that are not `UNKNOWN` stay as they are.
            rate: the rate byte.
            generator: the only source of randomness.
            temperature: see `SymbolSampler`.
            num_sweeps: how many times each sampled index is then sampled again, given its
                neighbours on all sides; only for pictures.
        """

    @abstractmethod
    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:
        """Return the bits of each index of each segment: -log2 of its probability, with escapes.

        A payload has some bits more: the numbers of groups and bands in use, and its rounding to
        bytes. The bits are floats for reports; coding does not use them.
        """

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the tensors that a model file stores for this prior; integers only."""
