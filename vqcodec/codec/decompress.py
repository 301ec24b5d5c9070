"""Stream to signal, one call per step: the way back of `compress`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vqcodec.bitstream.header import ImageFacts
from vqcodec.bitstream.levels import parse_level
from vqcodec.bitstream.limits import MAX_HELD_VALUES
from vqcodec.bitstream.sections import Tag
from vqcodec.bitstream.stream import Stream, parse_stream
from vqcodec.codec.segments import IndexReader, SegmentRows
from vqcodec.errors import CorruptStreamError, MissingModelError, UsageError
from vqcodec.layout import Place, decode_windows, sizes
from vqcodec.modalities.audio.decoded import DecodedSound
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.modalities.base import Facts
from vqcodec.networks.threads import threads_beside
from vqcodec.priors.base import Indices
from vqcodec.signals.files import LazySignal, Signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import decode_alpha
from vqcodec.signals.sound import AudioClip, Sound

if TYPE_CHECKING:
    from vqcodec.codec.model import Model, Progress

Decoded = Iterator[tuple[Place, Tensor]]


def decompress_stream(
    data: bytes,
    model: Model,
    *,
    level: int | None = None,
    speaker: Sound | None = None,
    progress: Progress | None = None,
) -> LazySignal:
    """Return the signal of a stream that this model made; a sound is decoded when it is read.

    With a level, later ones are not read, and their indices are the likeliest ones. With a
    speaker's recording, what is said is spoken with that voice.

    Raises:
        UsageError: there is no such level, the model takes no voices, or the recording is short.
        StreamError: the stream is damaged, or of a newer version; of a sound, what its payloads
            hold shows when it is read.
        MissingModelError: it was made with another model.
    """
    stream = open_stream(data, model, level)
    header = stream.header
    voice = None if speaker is None else voice_of(model, speaker)

    def decode(region: Place) -> Decoded:
        indices = IndexReader(stream, model, region, level)
        return _beside(
            indices,
            decode_region(model, indices, header.facts, header.rate, region, voice, progress),
        )

    signal = model.autoencoder.modality.restore(decode, header.facts)
    return add_side_sections(signal, stream)


def _beside(indices: IndexReader, decoded: Decoded) -> Decoded:
    """Yield what is decoded; of a long sound, networks leave a core to the thread of indices.

    What is long goes by the stream, never by time: the threads decide the last bits of samples.
    """
    while True:
        with threads_beside(int(indices.is_long)):
            window = next(decoded, None)
        if window is None:
            return
        yield window


@torch.inference_mode()
def voice_of(model: Model, speaker: Sound) -> Tensor:
    """Return the vector [1, V] of a speaker's voice.

    Raises:
        UsageError: the model takes no voices, or the recording is too short.
    """
    modality = model.autoencoder.modality
    if not (isinstance(modality, AudioModality) and modality.takes_voices):
        raise UsageError(f"model {model.name} has one way to speak: it takes no speaker")
    return model.autoencoder.voice_of(modality.recording_of(speaker).to(model.device))


def part_of_sound(sound: LazySignal, start_s: float, duration_s: float | None) -> DecodedSound:
    """Return the part that begins at start_s, to the end or for duration_s.

    Raises:
        UsageError: it is a picture, it ends before start_s, or there is no such part.
    """
    if not (start_s >= 0 and (duration_s is None or duration_s > 0)):
        raise UsageError(f"an excerpt from {start_s} s on of {duration_s} s")
    if not isinstance(sound, DecodedSound):
        raise UsageError("a picture has no start and no duration")
    rate, stop = sound.sample_rate, sound.num_samples
    first = round(min(start_s * rate, stop))
    if first >= stop:
        raise UsageError(f"a start at {start_s:g} s, but the sound is {stop / rate:g} s long")
    if duration_s is not None:
        stop = min(stop, first + max(1, round(duration_s * rate)))
    return sound.part(range(first, stop))


def open_stream(data: bytes, model: Model, level: int | None = None) -> Stream:
    """Return a parsed stream that is known to fit the model, with as many segments as it needs.

    A progressive one has all its levels, or those up to the level that is given.

    Raises:
        UsageError: there is no such level.
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: it was made with another model.
    """
    if level is not None and level < 1:
        raise UsageError(f"level: {level} is not 1 or more")
    stream = parse_stream(data, level)
    header = stream.header
    if header.fingerprint.hex() != model.fingerprint or header.modality != model.wire_id:
        raise MissingModelError(
            f"stream: needs model {header.fingerprint.hex()}, not {model.name} {model.fingerprint}"
        )
    if not model.autoencoder.quantizer.has_rate(header.rate):
        raise CorruptStreamError(f"header: rate {header.rate}, which the model does not have")
    num_levels = model.prior.num_levels(model.autoencoder.quantizer.codebooks_at(header.rate))
    if level is not None and level > num_levels:
        raise UsageError(f"level: {level}, but the stream has {num_levels}")
    modality = model.autoencoder.modality
    grid, num_planes = modality.grid(header.facts), modality.num_planes(header.facts)
    if not all(grid):
        if stream.segments != (b"",):
            raise CorruptStreamError("stream: data where the sound has no samples")
        return stream
    size = modality.geometry().segment
    needed = num_planes * math.prod(-(-length // size) for length in grid)
    # Before anything as large as the header says is made:
    if stream.levels:
        _check_levels(stream, needed, num_levels, level or num_levels)
    elif len(stream.segments) != needed:
        raise CorruptStreamError(f"stream: {len(stream.segments)} segments, needed {needed}")
    return stream


def _check_levels(stream: Stream, num_segments: int, num_levels: int, num_wanted: int) -> None:
    """Check that a progressive stream may be one, and has the levels that are wanted.

    Raises:
        CorruptStreamError: it may not, or has others.
    """
    if num_levels == 1 or stream.segments:
        raise CorruptStreamError("stream: levels where segments are needed")
    if len(stream.levels) != num_wanted:
        raise CorruptStreamError(f"stream: {len(stream.levels)} levels, needed {num_wanted}")
    for body in stream.levels:
        parse_level(body, num_segments)


def hold(signal: LazySignal) -> Signal:
    """Return a signal with all its samples in memory.

    Raises:
        UsageError: a sound is too long for that.
    """
    if isinstance(signal, Picture):
        return signal
    require_holdable(signal.num_samples * signal.num_channels)
    return AudioClip.of_sound(signal)


def require_holdable(num_values: int) -> None:
    """Refuse what a stream of a few kilobytes may ask for and no memory holds.

    Raises:
        UsageError: there are more values than are held at a time.
    """
    if num_values > MAX_HELD_VALUES:
        raise UsageError(
            f"stream: {num_values} values, more than the {MAX_HELD_VALUES} held in memory; "
            "decompress it to a file, or only a part of it"
        )


def read_indices(data: bytes, model: Model, level: int | None = None) -> list[Indices]:
    """Return the indices of each plane, [K', ...], exact on every machine.

    With a level, those of later levels are not read but the likeliest ones.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: it was made with another model.
        UsageError: there are too many to be held in memory, or there is no such level.
    """
    stream = open_stream(data, model, level)
    grid = model.autoencoder.modality.grid(stream.header.facts)
    if not all(grid):
        return []
    rows = SegmentRows(stream, model, level)
    require_holdable(rows.num_planes * rows.num_codebooks * math.prod(grid))
    indices = np.empty((rows.num_planes, rows.num_codebooks, *grid), np.int64)
    for batch in rows.batches():
        indices[(slice(None), slice(None), *rows.place(batch))] = rows.join(
            rows.decode(batch), batch
        )
    return list(indices)


def synthesise(model: Model, indices: Indices, facts: Facts, rate: int) -> Signal:
    """Return the signal of indices [K', ...], which are those of its only plane."""

    def decode(region: Place) -> Decoded:
        return decode_region(model, read, facts, rate, region)

    def read(place: Place) -> Indices:
        return indices[(None, slice(None), *place)]

    return hold(model.autoencoder.modality.restore(decode, facts))


@torch.inference_mode()
def decode_region(
    model: Model,
    indices: Callable[[Place], Indices],
    facts: Facts,
    rate: int,
    region: Place,
    voice: Tensor | None = None,
    progress: Progress | None = None,
) -> Decoded:
    """Yield places in the signal and what the decoder makes there, [P, C, ...] on the CPU.

    Args:
        model: whose decoder it is.
        indices: gives those at a place of the grid, [P, K', ...].
        facts: of the whole signal.
        rate: the rate byte.
        region: positions of the grid that are wanted.
        voice: who is to speak [1, V], for models that take voices.
        progress: is told the share of them that is done.
    """
    autoencoder, modality = model.autoencoder, model.autoencoder.modality
    rates = torch.full((modality.num_planes(facts),), rate, device=model.device)
    position = autoencoder.quantizer.position(rates)
    grid, geometry = modality.grid(facts), modality.geometry()
    num_done, num_wanted = 0, math.prod(sizes(region)) * geometry.step ** len(grid)

    def latents(place: Place) -> Tensor:
        chosen = torch.from_numpy(np.ascontiguousarray(indices(place)))
        return autoencoder.quantizer.dequantize(chosen.to(model.device), rates)

    def decode(window: Tensor, corner: tuple[int, ...]) -> Tensor:
        return autoencoder.decode(window, position, corner, voice)

    for place, decoded in decode_windows(decode, latents, grid, geometry, region):
        yield place, decoded.cpu()
        num_done += math.prod(sizes(place))
        if progress:
            progress(num_done / num_wanted)
    if progress:
        progress(1.0)


def add_side_sections(signal: LazySignal, stream: Stream) -> LazySignal:
    """Return a picture with the opacity and colour profile that its stream holds."""
    facts = stream.header.facts
    if isinstance(signal, Picture) and isinstance(facts, ImageFacts):
        alpha, profile = stream.find(Tag.ALPHA), stream.find(Tag.ICC_PROFILE)
        if alpha is not None:
            signal = replace(signal, alpha=decode_alpha(alpha, facts.width, facts.height))
        if profile is not None:
            signal = replace(signal, icc_profile=profile)
    return signal
