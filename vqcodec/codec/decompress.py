"""Decompression: stream to signal, one call per step; the inverse of `compress`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from vqcodec.bitstream.header import Header
from vqcodec.bitstream.levels import parse_level
from vqcodec.bitstream.limits import MAX_HELD_VALUES
from vqcodec.bitstream.stream import Stream, parse_stream
from vqcodec.codec.parts import Parts, Progress
from vqcodec.codec.segments import IndexReader, SegmentRows
from vqcodec.errors import CorruptStreamError, MissingModelError, UsageError
from vqcodec.layout import Place, decode_windows, sizes, widened
from vqcodec.modalities.base import Array, Facts
from vqcodec.priors.base import Indices
from vqcodec.signals.files import LazySignal, Signal
from vqcodec.signals.sound import AudioClip, Sound

Decoded = Iterator[tuple[Place, Array]]


def decompress_stream(
    data: bytes,
    parts: Parts,
    *,
    level: int | None = None,
    speaker: Sound | None = None,
    salvage: bool = False,
    progress: Progress | None = None,
) -> LazySignal:
    """Return the signal of a stream; a sound is decoded lazily, when its blocks are read.

    Args:
        data: the stream.
        parts: of the model that made the stream.
        level: the last level to read; indices of later levels are the most likely ones.
        speaker: a recording of the voice that the decoded speech shall have.
        salvage: restore what is whole of a damaged stream; the signal's notes say what is missing.
        progress: is called with the share done, 0 … 1.

    Raises:
        UsageError: the level does not exist, the model takes no voice, or the recording is short.
        StreamError: the stream is damaged, or of a newer version. Damage to the payloads of a sound
            is found only when the sound is read.
        MissingModelError: the stream needs another model.
    """
    parts.networks.prepare("decoder")  # while the prior decodes
    if salvage:
        from vqcodec.codec.salvage import salvage_stream  # here: it needs this module

        salvaged = salvage_stream(data, parts, level)
        stream, level, missing = salvaged.stream, salvaged.level, salvaged.missing
        notes = salvaged.notes
    else:
        stream, missing, notes = open_stream(data, parts, level), frozenset(), ()
    header, vector = stream.header, None
    if speaker is not None:
        vector = parts.networks.embed_speaker(parts.modality.speaker_features(speaker))

    def decode(region: Place) -> Decoded:
        indices = IndexReader(stream, parts, seen(region), level, missing)
        return decode_region(
            parts,
            indices,
            header.facts,
            header.rate,
            region,
            speaker=vector,
            # Decided by the stream's length, not by timing: the thread count changes output bits.
            spare_cores=int(indices.is_long),
            progress=progress,
        )

    def seen(region: Place) -> Place:
        reach, grid = parts.modality.geometry.decoder_reach, parts.modality.grid(header.facts)
        return widened(region, grid, reach)

    signal = parts.modality.restore(decode, header.facts, stream)
    return parts.modality.with_gaps(signal, missing, notes) if notes else signal


def open_stream(data: bytes, parts: Parts, level: int | None = None) -> Stream:
    """Return a parsed stream that fits the model and has the right number of segments or levels.

    A progressive stream has all its levels, or the levels up to `level`.

    Raises:
        UsageError: the level does not exist.
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: the stream needs another model.
    """
    if level is not None and level < 1:
        raise UsageError(f"level: {level} is not 1 or more")
    stream = parse_stream(data, level)
    check_header(stream.header, parts, level)
    check_sections(stream, parts, level)
    return stream


def check_header(header: Header, parts: Parts, level: int | None = None) -> int:
    """Check that a header fits the model, and return how many levels its indices have.

    Raises:
        UsageError: there is no such level.
        CorruptStreamError: the model does not have its rate.
        MissingModelError: it was made with another model.
    """
    if header.fingerprint.hex() != parts.fingerprint or header.modality != parts.modality.wire_id:
        raise MissingModelError(
            f"stream: needs model {header.fingerprint.hex()}, not {parts.name} {parts.fingerprint}"
        )
    if not parts.quantizer.config.has_rate(header.rate):
        raise CorruptStreamError(f"header: rate {header.rate}, which the model does not have")
    num_levels = parts.prior.num_levels(parts.quantizer.config.codebooks_at(header.rate))
    if level is not None and level > num_levels:
        raise UsageError(f"level: {level}, but the stream has {num_levels}")
    return num_levels


def check_sections(stream: Stream, parts: Parts, level: int | None = None) -> None:
    """Check that a stream, whose header fits the model, has as many segments or levels as needed.

    Raises:
        CorruptStreamError: it has not.
    """
    header, modality = stream.header, parts.modality
    num_levels = parts.prior.num_levels(parts.quantizer.config.codebooks_at(header.rate))
    grid, num_planes = modality.grid(header.facts), modality.num_planes(header.facts)
    if not all(grid):
        if stream.segments != (b"",):
            raise CorruptStreamError("stream: data where the sound has no samples")
        return
    size = modality.geometry.segment
    needed = num_planes * math.prod(-(-length // size) for length in grid)
    # Check sizes before memory is allocated for the size in the header.
    if stream.levels:
        _check_levels(stream, needed, num_levels, level or num_levels)
    elif len(stream.segments) != needed:
        raise CorruptStreamError(f"stream: {len(stream.segments)} segments, needed {needed}")


def _check_levels(stream: Stream, num_segments: int, num_levels: int, num_wanted: int) -> None:
    """Check that a stream may be progressive, and has the wanted number of levels.

    Raises:
        CorruptStreamError: the model has a single level, or the levels are wrong.
    """
    if num_levels == 1 or stream.segments:
        raise CorruptStreamError("stream: levels where segments are needed")
    if len(stream.levels) != num_wanted:
        raise CorruptStreamError(f"stream: {len(stream.levels)} levels, needed {num_wanted}")
    for body in stream.levels:
        parse_level(body, num_segments)


def load_into_memory(signal: LazySignal) -> Signal:
    """Return a signal with all its samples in memory.

    Raises:
        UsageError: the sound is too long to be held in memory.
    """
    if not isinstance(signal, Sound):
        return signal
    require_holdable(signal.num_samples * signal.num_channels)
    return AudioClip.of_sound(signal)


def require_holdable(num_values: int) -> None:
    """Refuse sizes that do not fit into memory; a stream of a few kilobytes can claim any size.

    Raises:
        UsageError: there are more than `MAX_HELD_VALUES` values.
    """
    if num_values > MAX_HELD_VALUES:
        raise UsageError(
            f"stream: {num_values} values, more than the {MAX_HELD_VALUES} held in memory; "
            "decompress it to a file, or only a part of it"
        )


def read_indices(data: bytes, parts: Parts, level: int | None = None) -> list[Indices]:
    """Return the indices of each plane, [K', ...], exact on every machine.

    With `level`, indices of later levels are the most likely ones.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: the stream needs another model.
        UsageError: the indices do not fit into memory, or the level does not exist.
    """
    stream = open_stream(data, parts, level)
    grid = parts.modality.grid(stream.header.facts)
    if not all(grid):
        return []
    rows = SegmentRows(stream, parts, level)
    require_holdable(rows.num_planes * rows.num_codebooks * math.prod(grid))
    indices = np.empty((rows.num_planes, rows.num_codebooks, *grid), np.int64)
    for batch in rows.batches():
        indices[(slice(None), slice(None), *rows.place(batch))] = rows.join(
            rows.decode(batch), batch
        )
    return list(indices)


def synthesise(parts: Parts, indices: Indices, facts: Facts, rate: int) -> Signal:
    """Return the signal of indices [K', ...] of a single plane."""

    def decode(region: Place) -> Decoded:
        return decode_region(parts, read, facts, rate, region)

    def read(place: Place) -> Indices:
        return indices[(None, slice(None), *place)]

    return load_into_memory(parts.modality.restore(decode, facts))


def decode_region(
    parts: Parts,
    indices: Callable[[Place], Indices],
    facts: Facts,
    rate: int,
    region: Place,
    *,
    speaker: Array | None = None,
    spare_cores: int = 0,
    progress: Progress | None = None,
) -> Decoded:
    """Yield places in the signal and the decoded planes there, [P, C, ...].

    Args:
        parts: of the model.
        indices: returns the indices at a place of the grid, [P, K', ...].
        facts: of the whole signal.
        rate: the rate byte.
        region: the wanted positions of the grid.
        speaker: the speaker embedding [1, V], for models with voices.
        spare_cores: cores that the networks leave to other threads.
        progress: is called with the share of the region that is done, 0 … 1.
    """
    modality, quantizer = parts.modality, parts.quantizer
    grid, geometry = modality.grid(facts), modality.geometry
    num_done, num_wanted = 0, math.prod(sizes(region)) * geometry.step ** len(grid)

    def latents(place: Place) -> Array:
        return quantizer.dequantize(indices(place), rate)

    def decode(window: Array, corner: tuple[int, ...]) -> Array:
        return parts.decode(window, rate, corner, speaker, spare_cores)

    for place, decoded in decode_windows(decode, latents, grid, geometry, region):
        yield place, decoded
        num_done += math.prod(sizes(place))
        if progress:
            progress(num_done / num_wanted)
    if progress:
        progress(1.0)
