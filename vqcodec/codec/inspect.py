"""Facts about a stream, without its model and without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vqcodec.bitstream.channels import channels_of_planes, codes_pairs
from vqcodec.bitstream.header import VERSION, AudioFacts
from vqcodec.bitstream.sections import Tag, size_of_section
from vqcodec.bitstream.stream import Stream, parse_stream
from vqcodec.codec.model_file import read_facts
from vqcodec.codec.zoo import find_model, source_of
from vqcodec.errors import ConfigError, MissingModelError, ModelFileError
from vqcodec.quantizers import quality_of
from vqcodec.rate import bits_per_pixel, bits_per_second

if TYPE_CHECKING:
    from pathlib import Path


def verify(stream: bytes) -> str:
    """Check a stream's structure and every CRC; return the fingerprint of its model.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
    """
    return parse_stream(stream).header.fingerprint.hex()


def describe(stream: bytes, model: str | None = None) -> dict[str, object]:
    """Return the facts of a stream, ready for JSON; the keys carry their units.

    Args:
        stream: as a file holds it.
        model: the name, fingerprint, path or URL of a model besides those that are installed.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: there is no such model.
        ModelFileError: the model's file is damaged, or is no model.
        InputError: the URL cannot be read.
        UsageError: the store of the URL cannot be used.
    """
    parsed = parse_stream(stream)
    header, facts = parsed.header, parsed.header.facts
    fingerprint = header.fingerprint.hex()
    name, file = _model_of(fingerprint, model)
    payload = sum(map(len, parsed.segments + parsed.levels))
    side = sum(len(section.body) for section in parsed.sections) - payload
    described: dict[str, object] = {
        "version": VERSION,
        "modality": header.modality.name.lower(),
        "fingerprint": fingerprint,
        "model": name,
        "rate": header.rate,
        "quality": _quality(header.rate, file),
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
            **_pairs(facts, file),
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
        described["levels"] = _describe_levels(parsed, len(stream))
    described["sections"] = [
        {"tag": _tag_name(section.tag), "size_bytes": len(section.body)}
        for section in parsed.sections
    ]
    return described


def _describe_levels(stream: Stream, size_bytes: int) -> list[dict[str, int]]:
    """Return the size of each level's section, and its end in the stream of `size_bytes`."""
    levels: list[dict[str, int]] = []
    end = size_bytes - sum(map(size_of_section, stream.sections))  # of the header
    for section in stream.sections:
        size = size_of_section(section)
        end += size
        if section.tag == Tag.LEVEL:
            levels.append({"level": len(levels) + 1, "size_bytes": size, "end_bytes": end})
    return levels


def _model_of(fingerprint: str, named: str | None) -> tuple[str | None, Path | bytes | None]:
    """Return the name and the file of a stream's model: the named one, or an installed one."""
    if named is not None:
        file, label = source_of(named)
        facts = read_facts(file, label)
        if facts["fingerprint"] == fingerprint:
            return facts["name"], file
    try:
        card = find_model(fingerprint)
    except (MissingModelError, ModelFileError):
        return None, None
    return card.name, card.path


def _quality(rate: int, model: Path | bytes | None) -> float | None:
    """Return the quality of a rate byte, if the model's file is there and has several."""
    if model is None:
        return None
    try:
        return quality_of(read_facts(model)["tables"]["quantizer"], rate)
    except (ConfigError, ModelFileError, LookupError, TypeError, ValueError):
        return None


def _pairs(facts: AudioFacts, model: Path | bytes | None) -> dict[str, str]:
    """Return which channels are coded together, if the model of a sound codes pairs."""
    try:
        if model is None or not codes_pairs(read_facts(model)["tables"]["network"]):
            return {}
    except (ConfigError, ModelFileError, LookupError, TypeError, ValueError, AttributeError):
        return {}
    planes = channels_of_planes(facts.num_channels)
    numbers = (" ".join(str(number + 1) for number in plane) for plane in planes)
    return {"coded_together": ", ".join(numbers)}


def _tag_name(tag: int) -> str:
    return Tag(tag).name.lower() if tag in set(Tag) else f"unknown {tag:#04x}"
