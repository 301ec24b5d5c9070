"""The bits of a stream's indices, level by level.

A level is a group of codebooks that the prior predicts together, from coarse to fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.range_coder import Coder
from vqcodec.priors.base import Bits, Indices, Prior, Shape, Targets
from vqcodec.priors.frames import FramesPrior
from vqcodec.priors.grid import GridPrior
from vqcodec.priors.plane import PlanePrior
from vqcodec.signals.files import Signal

if TYPE_CHECKING:
    from vqcodec.codec.model import Model


class LevelMeter:
    """Decodes a stream with a model, and then returns the bits of its indices.

    The stream must not be progressive.

    The meter keeps the decoded indices, two bytes each: a second decoding would take up to a third
    of the time of a record.
    """

    def __init__(self, model: Model) -> None:
        self._keeper = _IndexKeeper(model.prior)
        self._model = replace(model, parts=replace(model.parts, prior=self._keeper))
        self._sizes = _level_sizes(model.prior, model.parts.quantizer.num_codebooks)

    def decompress(self, stream: bytes) -> Signal:
        """Return the signal of a stream, as the model does."""
        self._keeper.forget()
        return self._model.decompress(stream)

    def level_bits(self) -> list[float]:
        """Return the bits of each level's indices; 0 for a level that is not coded.

        Their sum is the payload of the last stream before each segment is rounded to whole bytes.
        """
        return self.in_levels(self.codebook_bits())

    def in_levels(self, codebook_bits: Sequence[float]) -> list[float]:
        """Return the sum over each level's codebooks."""
        starts = [0, *accumulate(self._sizes[:-1])]
        levels: list[float] = np.add.reduceat(codebook_bits, starts).tolist()
        return levels

    def codebook_bits(self) -> list[float]:
        """Return the bits of each codebook's indices, as `level_bits`."""
        by_codebook = np.zeros(sum(self._sizes))
        for bits in self._keeper.bits():
            by_codebook[: len(bits)] += bits.sum(axis=tuple(range(1, bits.ndim)))
        codebooks: list[float] = by_codebook.tolist()
        return codebooks


class _IndexKeeper(Prior):
    """A prior that keeps all indices that it has decoded."""

    def __init__(self, prior: Prior) -> None:
        self.kind = prior.kind
        self._prior = prior
        self._kept: list[tuple[int, list[NDArray[np.int16]]]] = []  # rate byte and segments

    def forget(self) -> None:
        """Discard the indices that were kept."""
        self._kept.clear()

    def bits(self) -> list[Bits]:
        """Return the bits of each index of each segment."""
        return [
            bits
            for rate, segments in self._kept
            for segment in segments
            for bits in self.bits_of([segment.astype(np.int64)], rate)
        ]

    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Call the prior, and keep the indices."""
        segments = self._prior.code(coders, shapes, rate, indices)
        self._kept.append((rate, [segment.astype(np.int16) for segment in segments]))
        return segments

    def fill(
        self,
        known: Indices,
        rate: int,
        generator: np.random.Generator,
        temperature: float = 1.0,
        num_sweeps: int = 0,
    ) -> Indices:
        """Call the prior."""
        return self._prior.fill(known, rate, generator, temperature, num_sweeps)

    def ordinary(self, shape: Shape, rate: int) -> Indices:
        """Call the prior."""
        return self._prior.ordinary(shape, rate)

    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:
        """Call the prior."""
        return self._prior.bits_of(segments, rate)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Call the prior."""
        return self._prior.tensors()


def _level_sizes(prior: Prior, num_codebooks: int) -> Sequence[int]:
    """Return the number of codebooks of each level; a prior without groups has one level."""
    if isinstance(prior, PlanePrior):  # a codebook of a group for each band
        return [size * prior.config.num_bands for size in prior.config.groups]
    return prior.config.groups if isinstance(prior, GridPrior | FramesPrior) else [num_codebooks]
