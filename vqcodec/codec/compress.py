"""Signal to stream, one call per step; `decompress` is the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vqcodec.bitstream.header import Header
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream
from vqcodec.modalities.base import Facts
from vqcodec.modalities.image.media import encode_alpha
from vqcodec.modalities.image.signal import Picture
from vqcodec.modalities.media import Signal
from vqcodec.nn.windows import encode_windows, pieces
from vqcodec.priors.base import Targets

if TYPE_CHECKING:
    from vqcodec.codec.model import Model


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
    planes = plane_targets(model, signal, facts, rate)
    report(0.5)
    segments = [segment for targets in planes for segment in split_segments(targets, model)]
    payloads = model.prior.compress(segments, rate)
    report(1.0)
    sections = [Section(Tag.SEGMENT, payload) for payload in payloads or [b""]]
    header = Header(fingerprint=bytes.fromhex(model.fingerprint), rate=rate, facts=facts)
    return build_stream(Stream(header, (*side_sections(signal), *sections)))


def plane_targets(model: Model, signal: Signal, facts: Facts, rate: int) -> list[Targets]:
    """Return what the prior chooses the indices [K', F] or [K', h, w] of each plane by.

    There are none for an empty grid.
    """
    modality = model.autoencoder.modality
    grid = modality.grid(facts)
    if not all(grid):
        return []
    return [
        targets_of_plane(model, plane.to(model.device), grid, rate)
        for plane in modality.planes(signal, facts)
    ]


@torch.inference_mode()
def targets_of_plane(model: Model, plane: Tensor, grid: tuple[int, ...], rate: int) -> Targets:
    """Return what the prior chooses the indices of a plane [1, C, ...] by."""
    autoencoder, rates = model.autoencoder, torch.tensor([rate], device=plane.device)
    position = autoencoder.quantizer.position(rates)
    latents = encode_windows(
        lambda window: autoencoder.encoder(window, position),
        plane,
        grid,
        autoencoder.modality.geometry(),
    )
    targets: Targets = autoencoder.quantizer.targets(latents, rates)[0].cpu().numpy()
    return targets


def split_segments(targets: Targets, model: Model) -> list[Targets]:
    """Return the segments of a plane's targets, row by row; `join_segments` undoes it."""
    size = model.autoencoder.modality.geometry().segment
    return [targets[(slice(None), *piece)] for piece in pieces(targets.shape[1:], size)]


def side_sections(signal: Signal) -> list[Section]:
    """Return what a picture has besides its colours: opacity, colour profile."""
    sections = []
    if isinstance(signal, Picture):
        if signal.icc_profile is not None:
            sections.append(Section(Tag.ICC_PROFILE, signal.icc_profile))
        if signal.alpha is not None:
            sections.append(Section(Tag.ALPHA, encode_alpha(signal.alpha)))
    return sections
