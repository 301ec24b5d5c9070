"""Where the bits of a stream went, position by position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.decompress import open_stream, require_holdable
from vqcodec.codec.segments import SegmentRows
from vqcodec.modalities.audio.modality import AudioModality

if TYPE_CHECKING:
    from vqcodec.codec.model import Model


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Spending:
    """What the indices at each position cost, in bits.

    Attributes:
        planes: [h, w] of a picture, [F] of each coded channel of a sound; none without samples.
        step: how far it is from one position to the next: pixels, or seconds of a sound.
    """

    planes: list[NDArray[np.float64]]
    step: float

    @property
    def num_bits(self) -> float:
        """The bits of all indices."""
        return float(sum(plane.sum() for plane in self.planes))


def measure_spending(data: bytes, model: Model) -> Spending:
    """Return what each position of a stream's grid costs, under the prior that decodes it.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: it was made with another model.
        UsageError: it has too many positions to be held in memory.
    """
    stream, modality = open_stream(data, model), model.autoencoder.modality
    header, step = stream.header, float(modality.geometry().step)
    if isinstance(modality, AudioModality):
        step /= modality.config.sample_rate
    grid = modality.grid(header.facts)
    if not all(grid):
        return Spending(planes=[], step=step)
    rows = SegmentRows(stream, model)
    require_holdable(rows.num_planes * math.prod(grid))
    planes = np.empty((rows.num_planes, *grid))
    for batch in rows.batches():
        bits = model.prior.bits_of(rows.decode(batch), header.rate)
        planes[(slice(None), *rows.place(batch))] = rows.join(bits, batch).sum(axis=1)
    return Spending(planes=list(planes), step=step)
