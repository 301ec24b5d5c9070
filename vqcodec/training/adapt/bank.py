"""Indices of files, computed once by the fixed encoder; a prior is fitted to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.codec.parts import Parts
from vqcodec.errors import InputError
from vqcodec.layout import Place, at, encode_windows
from vqcodec.networks.quantizers.base import QuantizerModule
from vqcodec.signals.files import LazySignal, read_signal
from vqcodec.training.adapt.budget import Budget

SPANS = {1: 1000, 2: 32}  # positions along each axis of one entry, by the number of axes
CROPS = {1: 128, 2: 16}  # positions along each axis of one item of a batch
MOST_VALUES = 1 << 28  # in memory, 2 bytes each
MOST_PASSES = 8  # over all files, each at other rates


@dataclass(frozen=True, eq=False, slots=True)
class IndexBatch:
    """Indices of a batch.

    Attributes:
        indices: [B, K, ...] int64.
        rate: [B], rate bytes.
        known: [B, 1, ...] float, 0 where an entry was smaller than the batch.
    """

    indices: Tensor
    rate: Tensor
    known: Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """The indices [K', ...] int16 of a part of a file at a rate."""

    indices: NDArray[np.int16]
    rate: int


class IndexBank:
    """Entries of indices, and random batches of them."""

    def __init__(self, parts: Parts, quantizer: QuantizerModule) -> None:
        self.parts, self.quantizer = parts, quantizer
        self.entries: list[Entry] = []
        self.num_values = 0
        self.num_axes = parts.modality.num_axes

    def fill(self, files: Sequence[Path], budget: Budget, generator: np.random.Generator) -> None:
        """Encode random parts of random files at random rates until the budget is spent.

        All files come once before one comes twice. At least one file is encoded.

        Raises:
            InputError: no file has any samples.
        """
        order = itertools.chain.from_iterable(
            generator.permutation(len(files)) for _ in range(MOST_PASSES)
        )
        for number in order:
            rate = int(self.quantizer.sample_rates(1))
            self.add(read_signal(files[number]), rate, generator)
            if self.entries and (budget.share >= 1 or self.num_values >= MOST_VALUES):
                break
        if not self.entries:
            raise InputError("train adapt: the files have no samples")

    def add(
        self, signal: LazySignal, rate: int, generator: np.random.Generator | None = None
    ) -> None:
        """Add the indices of a signal: its middle, or with a generator a random part."""
        modality = self.parts.modality
        facts = modality.facts(signal, separate_channels=False)
        grid = modality.grid(facts)
        if not math.prod(grid):
            return
        prepared, _ = modality.prepare(signal, facts)
        latents = encode_windows(
            lambda window: self.parts.encode(window, rate),
            modality.reader(prepared, facts),
            grid,
            modality.geometry,
            _part_of(grid, SPANS[len(grid)], generator),
        )
        indices = self.parts.quantizer.quantize(latents, rate)[0].astype(np.int16)
        self.entries.append(Entry(indices, rate))
        self.num_values += indices.size

    def batch(self, num_positions: int, generator: np.random.Generator) -> IndexBatch:
        """Return random crops of random entries, about `num_positions` in all."""
        side = CROPS[self.num_axes]
        size = max(1, round(num_positions / side**self.num_axes))
        chosen = [
            self.entries[number] for number in generator.integers(len(self.entries), size=size)
        ]
        return self._stack(chosen, side, generator)

    def whole(self, entry: Entry) -> IndexBatch:
        """Return a batch of one whole entry."""
        return self._stack([entry], max(entry.indices.shape[1:]), None)

    def _stack(
        self, entries: Sequence[Entry], side: int, generator: np.random.Generator | None
    ) -> IndexBatch:
        """Return crops of entries, `side` positions along each axis at most."""
        num_codebooks = self.quantizer.num_codebooks
        places = [_part_of(entry.indices.shape[1:], side, generator) for entry in entries]
        extent = [
            max(p[axis].stop - p[axis].start for p in places) for axis in range(self.num_axes)
        ]
        middle = self.quantizer.codebook_sizes[0] // 2
        indices = np.full((len(entries), num_codebooks, *extent), middle, np.int64)
        known = np.zeros((len(entries), 1, *extent), np.float32)
        for row, (entry, place) in enumerate(zip(entries, places, strict=True)):
            part = at(entry.indices, place)
            corner = tuple(slice(0, length) for length in part.shape[1:])
            at(indices[row], corner)[...] = 0
            at(indices[row, : len(part)], corner)[...] = part
            at(known[row, 0], corner)[...] = 1
        rate = torch.tensor([entry.rate for entry in entries])
        return IndexBatch(torch.from_numpy(indices), rate, torch.from_numpy(known))


def _part_of(grid: tuple[int, ...], side: int, generator: np.random.Generator | None) -> Place:
    """Return a place of at most `side` positions along each axis: a random one, or the middle."""
    place = []
    for length in grid:
        spare = max(0, length - side)
        start = spare // 2 if generator is None else int(generator.integers(spare + 1))
        place.append(slice(start, start + min(side, length)))
    return tuple(place)
