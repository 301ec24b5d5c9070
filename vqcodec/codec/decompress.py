"""Decompression: stream to signal, one call per step; the inverse of `compress`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from vqcodec.bitstream.limits import MAX_HELD_VALUES
from vqcodec.codec.graphs import Progress
from vqcodec.codec.opening import open_stream
from vqcodec.codec.parts import Parts
from vqcodec.codec.salvage import salvage_stream
from vqcodec.codec.segments import IndexReader, SegmentRows
from vqcodec.errors import UsageError
from vqcodec.layout import Place, decode_windows, num_pieces, sizes, widened
from vqcodec.modalities.base import Array, Facts
from vqcodec.priors.base import Indices
from vqcodec.quantizers.base import AnyIndices
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
        salvaged = salvage_stream(data, parts, level)
        stream, level, missing = salvaged.stream, salvaged.level, salvaged.missing
        notes = salvaged.notes
    else:
        stream, missing, notes = open_stream(data, parts, level), frozenset(), ()
    header, vector = stream.header, None
    modality = parts.modality
    known = modality.speaker_of(speaker) if speaker is not None else None
    if known is not None:
        vector = parts.networks.embed_speaker(known.features)

    def decode_as(speaker: Array | None, progress: Progress | None, region: Place) -> Decoded:
        indices = IndexReader(stream, parts, seen(region), level, missing)
        return decode_region(
            parts,
            indices,
            header.facts,
            header.rate,
            region,
            speaker=speaker,
            # Decided by the stream's length, not by timing: the thread count changes output bits.
            spare_cores=int(indices.is_long),
            progress=progress,
        )

    def seen(region: Place) -> Place:
        reach, grid = modality.geometry.decoder_reach, modality.grid(header.facts)
        return widened(region, grid, reach)

    signal = modality.restore(partial(decode_as, vector, progress), header.facts, stream)
    if notes:
        signal = modality.with_gaps(signal, missing, notes)
    if known is not None:
        spoken, plain = (partial(decode_as, voice, None) for voice in (vector, None))
        signal = modality.with_voice(signal, known.voice, spoken, plain)
    return signal


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
    indices: Callable[[Place], AnyIndices],
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
    num_done, num_windows = 0, num_pieces(sizes(region), geometry.window)

    def latents(place: Place) -> Array:
        return quantizer.dequantize(indices(place), rate)

    def decode(window: Array, corner: tuple[int, ...]) -> Array:
        is_last = num_done + 1 == num_windows
        return parts.decode(window, rate, corner, speaker, spare_cores, release=is_last)

    for place, decoded in decode_windows(decode, latents, grid, geometry, region):
        num_done += 1
        if progress:  # now, because the last window is not asked for what follows it
            progress(num_done / num_windows)
        yield place, decoded
