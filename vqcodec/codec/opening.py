"""Opening of a stream: it is parsed, and must fit its model."""

from __future__ import annotations

from vqcodec.bitstream.header import Header
from vqcodec.bitstream.levels import parse_level
from vqcodec.bitstream.stream import Stream, parse_stream
from vqcodec.codec.parts import Parts
from vqcodec.errors import CorruptStreamError, MissingModelError, UsageError
from vqcodec.numbers import as_whole, counted


def open_stream(data: bytes, parts: Parts, level: int | None = None) -> Stream:
    """Return a parsed stream that fits the model and has the right number of segments or levels.

    A progressive stream has all its levels, or the levels up to `level`.

    Raises:
        UsageError: the level does not exist.
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: the stream needs another model.
    """
    if level is not None:
        as_whole(level, "level", 1)
    stream = parse_stream(data, level)
    num_levels = check_header(stream.header, parts, level)
    check_sections(stream, parts, level or num_levels, num_levels)
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
        raise UsageError(f"level {level}: the stream has only {counted(num_levels, 'level')}")
    return num_levels


def check_sections(stream: Stream, parts: Parts, num_wanted: int, num_levels: int) -> None:
    """Check that a stream, whose header fits the model, has as many segments or levels as needed.

    Args:
        stream: parsed.
        parts: of the model.
        num_wanted: the levels that a progressive stream needs.
        num_levels: from `check_header`.

    Raises:
        CorruptStreamError: it has not.
    """
    needed = parts.modality.num_segments(stream.header.facts)
    if not needed:
        if stream.segments != (b"",) or stream.levels:
            raise CorruptStreamError("stream: data where the sound has no samples")
        return
    # Check sizes before memory is allocated for the size in the header.
    if stream.levels:
        _check_levels(stream, needed, num_levels, num_wanted)
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
