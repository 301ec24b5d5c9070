"""Where the bits of a stream went, position by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.decompress import join_planes, open_stream, read_segments
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
    """
    stream, modality = open_stream(data, model), model.autoencoder.modality
    header, step = stream.header, float(modality.geometry().step)
    if isinstance(modality, AudioModality):
        step /= modality.config.sample_rate
    bits = model.prior.bits_of(read_segments(stream, model), header.rate)
    planes = join_planes(bits, modality.grid(header.facts), model)
    return Spending(planes=[plane.sum(axis=0) for plane in planes], step=step)
