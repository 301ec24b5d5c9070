"""A part of a sound out of its stream, without decoding the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.stream import Stream
from vqcodec.codec.decompress import Indices, decode_plane, open_stream
from vqcodec.errors import UsageError
from vqcodec.modalities.audio.media import RESAMPLING_REACH
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.modalities.audio.signal import AudioClip
from vqcodec.nn.windows import spans

if TYPE_CHECKING:
    from vqcodec.codec.model import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """Which samples are wanted, and what has to be decoded for them.

    Attributes:
        wanted: samples at the sound's own rate.
        origin: the sample at its own rate where the decoded part begins.
        decoded: samples at the model's rate.
        frames: latent frames, with those that the decoder looks at around them.
        segments: of one plane.
    """

    wanted: range
    origin: int
    decoded: range
    frames: range
    segments: range


def decompress_excerpt(
    data: bytes, model: Model, start_s: float, duration_s: float | None
) -> AudioClip:
    """Return the part of a sound that begins at start_s, to its end or for duration_s.

    Only the segments that it touches are decoded.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: it was made with another model.
        UsageError: it holds a picture, or ends before start_s.
    """
    stream = open_stream(data, model)
    facts = stream.header.facts
    if not isinstance(facts, AudioFacts):
        raise UsageError("a picture has no start and no duration")
    excerpt = plan_excerpt(model, facts, start_s, duration_s)
    modality = _sounds_of(model)
    shift = excerpt.frames.start * modality.geometry().step
    place = slice(excerpt.decoded.start - shift, excerpt.decoded.stop - shift)
    planes = [
        decode_plane(model, _indices(model, stream, excerpt, plane), stream.header.rate)[..., place]
        for plane in range(modality.num_planes(facts))
    ]
    own_rate, model_rate = facts.sample_rate, modality.config.sample_rate
    count = len(excerpt.decoded) * own_rate // model_rate
    part = modality.restore(planes, replace(facts, num_samples=count))
    assert isinstance(part, AudioClip)
    wanted = slice(excerpt.wanted.start - excerpt.origin, excerpt.wanted.stop - excerpt.origin)
    return AudioClip(waveform=np.ascontiguousarray(part.waveform[:, wanted]), sample_rate=own_rate)


def plan_excerpt(
    model: Model, facts: AudioFacts, start_s: float, duration_s: float | None
) -> Excerpt:
    """Return what to decode for a part of a sound."""
    modality = _sounds_of(model)
    geometry = modality.geometry()
    own_rate, model_rate = facts.sample_rate, modality.config.sample_rate
    first, last = round(start_s * own_rate), facts.num_samples
    if duration_s is not None:
        last = min(last, first + max(1, round(duration_s * own_rate)))
    if first >= facts.num_samples:
        raise UsageError(
            f"a start at {start_s:g} s, but the sound is {facts.num_samples / own_rate:g} s long"
        )
    (num_frames,) = modality.grid(facts)
    total = num_frames * geometry.step - geometry.missing
    # Samples at both rates fall on the same instants once in a period.
    divisor = math.gcd(own_rate, model_rate)
    own_period, model_period = own_rate // divisor, model_rate // divisor
    reach = math.ceil(RESAMPLING_REACH * max(1, model_rate / own_rate))
    period = max(0, first // own_period - -(-reach // model_period))
    start = period * model_period
    stop = min(total, -(-last * model_rate // own_rate) + reach)
    around = geometry.decoder_reach + 1
    frames = range(
        max(0, start // geometry.step - around),
        min(num_frames, -(-(stop + geometry.missing) // geometry.step) + around),
    )
    return Excerpt(
        wanted=range(first, last),
        origin=period * own_period,
        decoded=range(start, stop),
        frames=frames,
        segments=range(frames.start // geometry.segment, -(-frames.stop // geometry.segment)),
    )


def _sounds_of(model: Model) -> AudioModality:
    """Return the modality of a model of sounds."""
    modality = model.autoencoder.modality
    assert isinstance(modality, AudioModality)
    return modality


def _indices(model: Model, stream: Stream, excerpt: Excerpt, plane: int) -> Indices:
    """Return the indices [K', F] of the excerpt's frames in one plane."""
    modality, rate = model.autoencoder.modality, stream.header.rate
    (num_frames,) = modality.grid(stream.header.facts)
    lengths = [stop - start for start, stop in spans(num_frames, modality.geometry().segment)]
    chosen = slice(excerpt.segments.start, excerpt.segments.stop)
    own = stream.segments[plane * len(lengths) : (plane + 1) * len(lengths)]
    num_codebooks = model.autoencoder.quantizer.codebooks_at(rate)
    shapes = [(num_codebooks, length) for length in lengths[chosen]]
    indices = np.concatenate(model.prior.decompress(own[chosen], shapes, rate), axis=1)
    first = excerpt.segments.start * modality.geometry().segment
    return indices[:, excerpt.frames.start - first : excerpt.frames.stop - first]
