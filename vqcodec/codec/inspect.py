"""Facts about a stream, without its model and without torch."""

from __future__ import annotations

from vqcodec.bitstream.header import AudioFacts, build_header
from vqcodec.bitstream.sections import Tag, build_section
from vqcodec.bitstream.stream import Stream, parse_stream
from vqcodec.codec.zoo import find_model
from vqcodec.errors import MissingModelError, ModelFileError
from vqcodec.rate import bits_per_pixel, bits_per_second


def verify(stream: bytes) -> None:
    """Check a stream's structure and every CRC.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
    """
    parse_stream(stream)


def describe(stream: bytes) -> dict[str, object]:
    """Return the facts of a stream, ready for JSON; the keys carry their units.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
    """
    parsed = parse_stream(stream)
    header, facts = parsed.header, parsed.header.facts
    fingerprint = header.fingerprint.hex()
    payload = sum(map(len, parsed.segments + parsed.levels))
    side = sum(len(section.body) for section in parsed.sections) - payload
    described: dict[str, object] = {
        "version": 1,
        "modality": header.modality.name.lower(),
        "fingerprint": fingerprint,
        "model": _model_name(fingerprint),
        "rate": header.rate,
        "size_bytes": len(stream),
        "payload_bytes": payload,
        "side_bytes": side,
        "overhead_bytes": len(stream) - payload - side,
    }
    if isinstance(facts, AudioFacts):
        duration_s = facts.num_samples / facts.sample_rate
        described |= {
            "num_samples": facts.num_samples,
            "sample_rate": facts.sample_rate,
            "num_channels": facts.num_channels,
            "coded_channels": 1 if facts.downmixed else facts.num_channels,
            "duration_s": duration_s,
            "bits_per_second": bits_per_second(len(stream), duration_s) if duration_s else None,
        }
    else:
        described |= {
            "width": facts.width,
            "height": facts.height,
            "grey": facts.grey,
            "bits_per_pixel": bits_per_pixel(len(stream), facts.width, facts.height),
            "progressive": bool(parsed.levels),
        }
    if parsed.levels:
        described["levels"] = _describe_levels(parsed)
    described["sections"] = [
        {"tag": _tag_name(section.tag), "size_bytes": len(section.body)}
        for section in parsed.sections
    ]
    return described


def _describe_levels(stream: Stream) -> list[dict[str, int]]:
    """Return the size of each level's section, and its end in the stream, in bytes."""
    levels: list[dict[str, int]] = []
    end = len(build_header(stream.header))
    for section in stream.sections:
        size = len(build_section(section, last=False))
        end += size
        if section.tag == Tag.LEVEL:
            levels.append({"level": len(levels) + 1, "size_bytes": size, "end_bytes": end})
    return levels


def _model_name(fingerprint: str) -> str | None:
    """Return the name of the installed model with this fingerprint, or None."""
    try:
        return find_model(fingerprint).name
    except (MissingModelError, ModelFileError):
        return None


def _tag_name(tag: int) -> str:
    return Tag(tag).name.lower() if tag in set(Tag) else f"unknown {tag:#04x}"
