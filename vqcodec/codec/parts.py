"""The parts of a model, as the functions of the codec take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vqcodec.codec.graphs import Networks, Progress
from vqcodec.errors import ModelFileError
from vqcodec.layout import Array
from vqcodec.modalities.base import Modality
from vqcodec.priors.base import Prior
from vqcodec.quantizers.base import Quantizer


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

    def encode(
        self,
        window: Array,
        rate: int,
        report: Progress = lambda _: None,
        *,
        release: bool = True,
    ) -> Array:
        """Return the latents [P, D, ...] of a window [P, C, ...]; see `Networks.encode`.

        Raises:
            ModelFileError: the encoder does not run, or its latents have another shape.
        """
        step, trim = self.modality.geometry.step, self.modality.geometry.tail_trim
        fraction = self.quantizer.config.rate_fraction(rate)
        window = np.ascontiguousarray(window)
        latents = self.networks.encode(window, fraction, report, release=release)
        grid = tuple((length + trim) // step for length in window.shape[2:])
        if latents.shape != (len(window), self.modality.config.dim, *grid):
            raise ModelFileError(f"model: its encoder returns {_sizes(latents)} latents")
        return latents

    def decode(
        self,
        latents: Array,
        rate: int,
        corner: tuple[int, ...],
        speaker: Array | None = None,
        spare_cores: int = 0,
        *,
        release: bool = True,
    ) -> Array:
        """Return the signal [P, C, ...] of latents [P, D, ...]; see `Networks.decode`.

        Raises:
            ModelFileError: the decoder does not run, or its signal has another shape.
        """
        step, trim = self.modality.geometry.step, self.modality.geometry.tail_trim
        fraction = self.quantizer.config.rate_fraction(rate)
        signal = self.networks.decode(
            latents, fraction, corner, speaker, spare_cores, release=release
        )
        least = [length * step - trim for length in latents.shape[2:]]
        planes = (len(latents), self.modality.num_plane_channels)
        if (
            signal.ndim != latents.ndim
            or signal.shape[:2] != planes
            or any(length < needed for length, needed in zip(signal.shape[2:], least, strict=True))
        ):
            raise ModelFileError(f"model: its decoder returns {_sizes(signal)} values")
        return signal


def _sizes(array: Array) -> str:
    return " x ".join(map(str, array.shape))
