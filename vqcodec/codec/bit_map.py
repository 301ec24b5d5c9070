"""The bits of each position of a stream."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.decompress import require_holdable
from vqcodec.codec.opening import open_stream
from vqcodec.codec.parts import Parts
from vqcodec.codec.segments import SegmentRows


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class BitMap:
    """The bits of the indices at each position.

    Attributes:
        planes: bits, [h, w] for a picture, [F] for each plane of a sound; empty for a sound without
            samples.
        names: which channels each plane has, for people.
        step: the distance between positions, in pixels or in seconds.
    """

    planes: list[NDArray[np.float64]]
    names: list[str]
    step: float

    @property
    def num_bits(self) -> float:
        """The total bits of all indices."""
        return float(sum(plane.sum() for plane in self.planes))


def measure_bit_map(data: bytes, parts: Parts) -> BitMap:
    """Return the bits of each position of a stream's grid, under the model's prior.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: the stream needs another model.
        UsageError: the stream has too many positions to be held in memory.
    """
    stream, modality = open_stream(data, parts), parts.modality
    header, step = stream.header, modality.position_size
    grid = modality.grid(header.facts)
    if not all(grid):
        return BitMap(planes=[], names=[], step=step)
    rows = SegmentRows(stream, parts)
    require_holdable(rows.num_planes * math.prod(grid))
    planes = np.empty((rows.num_planes, *grid))
    for batch in rows.batches():
        bits = parts.prior.bits_of(rows.decode(batch), header.rate)
        planes[(slice(None), *rows.place(batch))] = rows.join(bits, batch).sum(axis=1)
    names = [modality.name_of_plane(header.facts, number) for number in range(len(planes))]
    return BitMap(planes=list(planes), names=names, step=step)
