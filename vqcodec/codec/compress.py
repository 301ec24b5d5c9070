"""Compression: signal to stream, one call per step; the inverse of `decompress`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

from vqcodec.bitstream.header import Header
from vqcodec.bitstream.levels import build_level
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream
from vqcodec.codec.graphs import Progress
from vqcodec.codec.parts import Parts
from vqcodec.codec.segments import num_at_a_time, split_segments
from vqcodec.cores import num_threads
from vqcodec.errors import UsageError
from vqcodec.layout import Place, encode_windows, num_pieces, sizes, spans, whole
from vqcodec.modalities.base import Facts
from vqcodec.quantizers.base import Latents
from vqcodec.signals.files import LazySignal

_MOST_UNITS = 4  # of a stripe of a sound; a unit is whole windows and whole segments


def compress_signal(
    signal: LazySignal,
    parts: Parts,
    rate: int,
    *,
    separate_channels: bool = False,
    progressive: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """Return the stream of a signal, coded at a rate byte of the model.

    Raises:
        UsageError: the signal is not of the model's modality, or `progressive` is true and the
            model has a single level.
        InputError: the signal is larger than the format allows.
    """
    report = progress or (lambda _: None)
    modality, segment = parts.modality, parts.modality.geometry.segment
    facts = modality.facts(signal, separate_channels=separate_channels)
    num_levels = parts.prior.num_levels(parts.quantizer.config.codebooks_at(rate))
    if progressive and num_levels == 1:
        raise UsageError(f"progressive: model {parts.name} has a single level at this quality")
    prepared, side = modality.prepare(signal, facts)
    planes: list[list[Sequence[bytes]]] = [[] for _ in range(modality.num_planes(facts))]
    for share, latents in encode_stripes(parts, prepared, facts, rate, report):
        segments = [split_segments(plane, segment) for plane in latents]
        every = list(itertools.chain(*segments))
        payloads = _payloads_of(every, parts, rate, progressive=progressive)
        for plane, own in zip(planes, segments, strict=True):
            plane.extend(itertools.islice(payloads, len(own)))
        report(share)
    report(1.0)
    header = Header(fingerprint=bytes.fromhex(parts.fingerprint), rate=rate, facts=facts)
    coded = coded_sections(list(itertools.chain(*planes)), progressive=progressive)
    return build_stream(Stream(header, (*side, *coded)))


def _payloads_of(
    segments: Sequence[Latents], parts: Parts, rate: int, *, progressive: bool
) -> Iterator[Sequence[bytes]]:
    """Yield the payloads of each segment of latents [D, ...]; a few are coded side by side."""
    largest = max((segment.size for segment in segments), default=1)
    step = num_at_a_time(parts.prior, largest)
    for start in range(0, len(segments), step):
        some = segments[start : start + step]
        targets = [parts.quantizer.targets(segment[None], rate)[0] for segment in some]
        if progressive:
            yield from parts.prior.compress_levels(targets, rate)
        else:
            yield from ((payload,) for payload in parts.prior.compress(targets, rate))


def encode_stripes(
    parts: Parts,
    signal: LazySignal,
    facts: Facts,
    rate: int,
    report: Progress = lambda _: None,
) -> Iterator[tuple[float, Latents]]:
    """Yield the share done, 0 … 1, and the latents [P, D, ...] of each stripe of the grid.

    An encoder that takes long reports more shares between the stripes.

    A stripe consists of whole windows and whole segments, so the result does not depend on the
    stripe size. A stripe of a sound has a smallest number of whole windows and segments for each
    thread, four at most. An empty grid has no stripes.
    """
    modality = parts.modality
    grid, geometry = modality.grid(facts), modality.geometry
    read = modality.reader(signal, facts)
    size = math.lcm(geometry.window, geometry.segment)
    if len(grid) == 1:
        size *= min(num_threads(), _MOST_UNITS)
    for start, stop in spans(grid[0], size):
        region = (slice(start, stop), *whole(grid[1:]))
        own = _part_of(report, start / grid[0], stop / grid[0])
        yield stop / grid[0], _encode_stripe(parts, read, grid, region, rate, own)


def _encode_stripe(
    parts: Parts,
    read: Callable[[Place], Latents],
    grid: tuple[int, ...],
    region: Place,
    rate: int,
    report: Progress,
) -> Latents:
    """Return the latents [P, D, ...] of a region, and report the share of it that is done."""
    geometry, numbers = parts.modality.geometry, itertools.count()
    num_windows = num_pieces(sizes(region), geometry.window)

    def encode(window: Latents) -> Latents:
        number = next(numbers)
        own = _part_of(report, number / num_windows, (number + 1) / num_windows)
        return parts.encode(window, rate, own, release=number + 1 == num_windows)

    return encode_windows(encode, read, grid, geometry, region)


def _part_of(report: Progress, first: float, last: float) -> Progress:
    """Return a progress whose shares 0 … 1 are first … last of another one."""
    return lambda share: report(first + (last - first) * share)


def coded_sections(payloads: Sequence[Sequence[bytes]], *, progressive: bool) -> list[Section]:
    """Return the sections of coded symbols: one per level, or one per segment.

    Args:
        payloads: of each segment: the payloads of its levels, or a single payload.
        progressive: whether to write levels.
    """
    if progressive:
        return [Section(Tag.LEVEL, build_level(level)) for level in zip(*payloads, strict=True)]
    return [Section(Tag.SEGMENT, payload) for (payload,) in payloads or [(b"",)]]
