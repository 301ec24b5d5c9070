"""The parts of a model, as the functions of the codec take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vqcodec.codec.graphs import Networks
from vqcodec.modalities.base import Modality
from vqcodec.priors.base import Prior
from vqcodec.quantizers.base import Quantizer

Progress = Callable[[float], None]  # is called with the share done, 0 … 1


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """Everything that is needed to write and to read a model's streams.

    Attributes:
        name: for messages.
        fingerprint: 8 hexadecimal digits that identify quantizer and prior, as in streams.
        modality: converts between signals and the planes of the networks.
        networks: encoder and decoder.
        quantizer: latents to indices and back.
        prior: the frozen prior; codes indices.
    """

    name: str
    fingerprint: str
    modality: Modality[Any]
    networks: Networks
    quantizer: Quantizer
    prior: Prior
