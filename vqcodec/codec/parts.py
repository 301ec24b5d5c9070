"""What a model consists of, as the functions of the codec take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vqcodec.codec.graphs import Networks
from vqcodec.modalities.base import Modality
from vqcodec.priors.base import Prior
from vqcodec.quantizers.base import Quantizer

Progress = Callable[[float], None]  # is told the share that is done, 0 … 1


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """What a stream needs to be written and read.

    Attributes:
        name: for messages.
        fingerprint: 8 hexadecimal digits that name quantizer and prior, as streams do.
        modality: how signals lie on the grid of indices.
        networks: encoder and decoder.
        quantizer: latents to indices and back.
        prior: frequencies of indices, in integers.
    """

    name: str
    fingerprint: str
    modality: Modality[Any]
    networks: Networks
    quantizer: Quantizer
    prior: Prior
