"""Stream to signal, one call per step: the way back of `compress`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.bitstream.header import ImageFacts
from vqcodec.bitstream.sections import Tag
from vqcodec.bitstream.stream import Stream, parse_stream
from vqcodec.errors import CorruptStreamError, MissingModelError
from vqcodec.modalities.base import Facts
from vqcodec.modalities.image.media import decode_alpha
from vqcodec.modalities.image.signal import Picture
from vqcodec.modalities.media import Signal
from vqcodec.nn.windows import at, decode_windows, pieces

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

Indices = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


def decompress_stream(
    data: bytes, model: Model, *, progress: Callable[[float], None] | None = None
) -> Signal:
    """Return the signal of a stream that this model made.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: it was made with another model.
    """
    report = progress or (lambda _: None)
    stream, planes = read_indices(data, model)
    report(0.5)
    signal = synthesise(model, planes, stream.header.facts, stream.header.rate)
    report(1.0)
    return add_side_sections(signal, stream)


def open_stream(data: bytes, model: Model) -> Stream:
    """Return a parsed stream that is known to fit the model, with as many segments as it needs.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: it was made with another model.
    """
    stream = parse_stream(data)
    header = stream.header
    if header.fingerprint.hex() != model.fingerprint or header.modality != model.wire_id:
        raise MissingModelError(
            f"stream: needs model {header.fingerprint.hex()}, not {model.name} {model.fingerprint}"
        )
    if not model.autoencoder.quantizer.has_rate(header.rate):
        raise CorruptStreamError(f"header: rate {header.rate}, which the model does not have")
    modality = model.autoencoder.modality
    grid, num_planes = modality.grid(header.facts), modality.num_planes(header.facts)
    if not all(grid):
        if stream.segments != (b"",):
            raise CorruptStreamError("stream: data where the sound has no samples")
        return stream
    size = modality.geometry().segment
    needed = num_planes * math.prod(-(-length // size) for length in grid)
    if len(stream.segments) != needed:  # before anything as large as the header says is made
        raise CorruptStreamError(f"stream: {len(stream.segments)} segments, needed {needed}")
    return stream


def read_indices(data: bytes, model: Model) -> tuple[Stream, list[Indices]]:
    """Return a parsed stream and the indices of each plane, exact on every machine."""
    stream = open_stream(data, model)
    grid = model.autoencoder.modality.grid(stream.header.facts)
    return stream, join_planes(read_segments(stream, model), grid, model)


def read_segments(stream: Stream, model: Model) -> list[Indices]:
    """Return the indices of each segment of a stream from `open_stream`, plane after plane."""
    header, modality = stream.header, model.autoencoder.modality
    grid, num_planes = modality.grid(header.facts), modality.num_planes(header.facts)
    if not all(grid):
        return []
    num_codebooks = model.autoencoder.quantizer.codebooks_at(header.rate)
    shapes = [
        (num_codebooks, *(axis.stop - axis.start for axis in piece))
        for piece in pieces(grid, modality.geometry().segment)
    ] * num_planes
    return model.prior.decompress(stream.segments, shapes, header.rate)


def join_planes(
    segments: Sequence[NDArray[Number]], grid: tuple[int, ...], model: Model
) -> list[NDArray[Number]]:
    """Return what stands in each plane out of the segments of all; none for an empty grid."""
    size = model.autoencoder.modality.geometry().segment
    per_plane = math.prod(-(-length // size) for length in grid)
    return [
        join_segments(segments[start : start + per_plane], grid, model)
        for start in range(0, len(segments), per_plane or 1)
    ]


def join_segments(
    segments: Sequence[NDArray[Number]], grid: tuple[int, ...], model: Model
) -> NDArray[Number]:
    """Return what stands in a plane out of its segments, which are in row-by-row order."""
    plane = np.zeros((len(segments[0]), *grid), segments[0].dtype)
    places = pieces(grid, model.autoencoder.modality.geometry().segment)
    for piece, segment in zip(places, segments, strict=True):
        plane[(slice(None), *piece)] = segment
    return plane


def synthesise(model: Model, planes: list[Indices], facts: Facts, rate: int) -> Signal:
    """Return the signal of the indices of each plane."""
    modality = model.autoencoder.modality
    decoded = [decode_plane(model, indices, rate) for indices in planes]
    if not decoded:
        empty = torch.zeros(1, 1, 0)
        decoded = [empty] * modality.num_planes(facts)
    return modality.restore(decoded, facts)


@torch.inference_mode()
def decode_plane(model: Model, indices: Indices, rate: int) -> Tensor:
    """Return what the decoder makes of indices [K', ...]: [1, C, ...] on the CPU."""
    autoencoder, rates = model.autoencoder, torch.tensor([rate], device=model.device)
    position = autoencoder.quantizer.position(rates)
    grid, geometry = indices.shape[1:], autoencoder.modality.geometry()

    def latents(piece: tuple[slice, ...]) -> Tensor:
        chosen = torch.from_numpy(np.ascontiguousarray(indices[(slice(None), *piece)]))
        return autoencoder.quantizer.dequantize(chosen[None].to(model.device), rates)

    size = [length * geometry.step - geometry.missing for length in grid]
    result: Tensor | None = None
    for place, decoded in decode_windows(
        lambda window: autoencoder.decoder(window, position), latents, grid, geometry
    ):
        if result is None:
            result = torch.empty(*decoded.shape[:2], *size)
        at(result, place).copy_(decoded)
    assert result is not None, "a grid without positions"
    return result


def add_side_sections(signal: Signal, stream: Stream) -> Signal:
    """Return a picture with the opacity and colour profile that its stream holds."""
    facts = stream.header.facts
    if isinstance(signal, Picture) and isinstance(facts, ImageFacts):
        alpha, profile = stream.find(Tag.ALPHA), stream.find(Tag.ICC_PROFILE)
        if alpha is not None:
            signal = replace(signal, alpha=decode_alpha(alpha, facts.width, facts.height))
        if profile is not None:
            signal = replace(signal, icc_profile=profile)
    return signal
