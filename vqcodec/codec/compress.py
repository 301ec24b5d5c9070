"""Signal to stream, one call per step; `decompress` is the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.bitstream.header import Header
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream
from vqcodec.modalities.base import Facts
from vqcodec.modalities.image.media import encode_alpha
from vqcodec.modalities.image.signal import Picture
from vqcodec.modalities.media import Signal
from vqcodec.nn.windows import encode_windows, pieces

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

Indices = NDArray[np.int64]


def compress_signal(
    signal: Signal,
    model: Model,
    rate: int,
    *,
    separate_channels: bool = False,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """Return the stream of a signal at a rate byte of the model.

    Raises:
        UsageError: the signal is not of the model's modality.
        InputError: it is larger than the format holds.
    """
    report = progress or (lambda _: None)
    facts = model.autoencoder.modality.facts(signal, separate_channels=separate_channels)
    planes = plane_indices(model, signal, facts, rate)
    report(0.5)
    segments = [segment for indices in planes for segment in split_segments(indices, model)]
    payloads = model.prior.compress(segments, rate)
    report(1.0)
    sections = [Section(Tag.SEGMENT, payload) for payload in payloads or [b""]]
    header = Header(fingerprint=bytes.fromhex(model.fingerprint), rate=rate, facts=facts)
    return build_stream(Stream(header, (*side_sections(signal), *sections)))


def plane_indices(model: Model, signal: Signal, facts: Facts, rate: int) -> list[Indices]:
    """Return the indices [K', F] or [K', h, w] of each plane; none for an empty grid."""
    modality = model.autoencoder.modality
    grid = modality.grid(facts)
    if not all(grid):
        return []
    return [
        indices_of_plane(model, plane.to(model.device), grid, rate)
        for plane in modality.planes(signal, facts)
    ]


@torch.inference_mode()
def indices_of_plane(model: Model, plane: Tensor, grid: tuple[int, ...], rate: int) -> Indices:
    """Return the indices of what the encoder takes, [1, C, ...]."""
    autoencoder, rates = model.autoencoder, torch.tensor([rate], device=plane.device)
    position = autoencoder.quantizer.position(rates)
    latents = encode_windows(
        lambda window: autoencoder.encoder(window, position),
        plane,
        grid,
        autoencoder.modality.geometry(),
    )
    indices: Indices = autoencoder.quantizer.quantize(latents, rates)[0].cpu().numpy()
    return indices


def split_segments(indices: Indices, model: Model) -> list[Indices]:
    """Return the segments of a plane's indices, row by row."""
    size = model.autoencoder.modality.geometry().segment
    return [indices[(slice(None), *piece)] for piece in pieces(indices.shape[1:], size)]


def side_sections(signal: Signal) -> list[Section]:
    """Return what a picture has besides its colours: opacity, colour profile."""
    sections = []
    if isinstance(signal, Picture):
        if signal.icc_profile is not None:
            sections.append(Section(Tag.ICC_PROFILE, signal.icc_profile))
        if signal.alpha is not None:
            sections.append(Section(Tag.ALPHA, encode_alpha(signal.alpha)))
    return sections
