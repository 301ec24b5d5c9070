"""What every frozen prior offers: one loop that compresses, decompresses or samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.range_coder import Coder, SymbolDecoder, SymbolEncoder, SymbolSampler

Indices = NDArray[np.int64]  # [K', F] or [K', h, w]
Shape = tuple[int, ...]


class Prior(ABC):
    """Frequencies of indices, in integers, from the indices before them and the rate alone."""

    kind: str  # as model files name it

    @abstractmethod
    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Indices] | None = None,
    ) -> list[Indices]:
        """Run the segments of a stream through their coders and return their indices.

        Args:
            coders: one a segment; what they do with symbols decides what this call does.
            shapes: of each segment's indices, codebooks first.
            rate: the stream's rate byte.
            indices: of each segment; needed by coders that compress.

        Raises:
            CorruptStreamError: a coder finds data that no indices encode to.
        """

    def compress(self, indices: Sequence[Indices], rate: int) -> list[bytes]:
        """Return the payload of each segment's indices."""
        coders = [SymbolEncoder() for _ in indices]
        self.code(coders, [segment.shape for segment in indices], rate, indices)
        return [coder.finish() for coder in coders]

    def decompress(
        self, payloads: Sequence[bytes], shapes: Sequence[Shape], rate: int
    ) -> list[Indices]:
        """Return the indices of each segment, whose shapes are known.

        Raises:
            CorruptStreamError: a payload is not one that `compress` writes.
        """
        coders = [SymbolDecoder(payload) for payload in payloads]
        indices = self.code(coders, shapes, rate)
        for coder in coders:
            coder.finish()
        return indices

    def sample(
        self, shape: Shape, rate: int, generator: np.random.Generator, temperature: float
    ) -> Indices:
        """Return new indices, drawn one after the other (ancestral sampling)."""
        return self.code([SymbolSampler(generator, temperature)], [shape], rate)[0]

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what a model file stores of this prior; integers only."""
