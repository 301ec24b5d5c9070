"""The packets of an Ogg stream: its comments, and FLAC without its pages (RFC 3533)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from vqcodec.signals.sound_tags import FoundTags, parse_comments
from vqcodec.signals.views import Part, read_at

_HEADER_BYTES = 27  # of a page
_MOST_COMMENT_BYTES = 1 << 20
_FLAC_MAPPING_BYTES = 9  # before the marker "fLaC" in the first packet
_OPUS_FAMILY_AT = 18  # in the first packet
_COMMENT_MAGIC = {"Vorbis": b"\x03vorbis", "Opus": b"OpusTags"}

Packet = list[tuple[int, int]]  # the ranges of the file that hold it


def packets_of(file: BinaryIO, parts: Sequence[Part]) -> Iterator[Packet]:
    """Yield the complete packets of a stream whose whole pages are `parts` of a file."""
    held: Packet = []
    for part in parts:
        assert not isinstance(part, bytes)
        position, stop = part
        while position < stop:
            head = read_at(file, position, _HEADER_BYTES + 255)
            lengths = head[_HEADER_BYTES : _HEADER_BYTES + head[26]]
            start = end = position + _HEADER_BYTES + len(lengths)
            for length in lengths:
                end += length
                if length < 255:
                    yield [*held, (start, end)]
                    held, start = [], end
            if end > start:
                held.append((start, end))
            position = end


def has_speakers(file: BinaryIO, parts: Sequence[Part], kind: str) -> bool:
    """Return whether the channels of a Vorbis or Opus stream are those of speakers.

    Opus has other families of channels, too: Ambisonics, and channels without a meaning.
    """
    if kind != "Opus":
        return True
    start, end = next(packets_of(file, parts), [(0, 0)])[0]
    return read_at(file, start, end - start)[_OPUS_FAMILY_AT : _OPUS_FAMILY_AT + 1] in (
        b"\0",
        b"\1",
    )


def tags_of_stream(file: BinaryIO, parts: Sequence[Part], kind: str) -> FoundTags:
    """Return the tags in the second packet of a Vorbis or Opus stream."""
    packets = packets_of(file, parts)
    next(packets, None)
    pieces, left = list[bytes](), _MOST_COMMENT_BYTES
    for start, stop in next(packets, []):
        pieces.append(read_at(file, start, min(stop - start, left)))
        left -= len(pieces[-1])
    data = b"".join(pieces)
    magic = _COMMENT_MAGIC.get(kind, b"")
    return parse_comments(data[len(magic) :]) if magic and data.startswith(magic) else FoundTags()


def flac_parts(file: BinaryIO, parts: Sequence[Part]) -> list[Part]:
    """Return the parts of a file that form a FLAC file, without the pages of Ogg."""
    found: list[Part] = []
    for number, packet in enumerate(packets_of(file, parts)):
        (start, stop), *others = packet
        found.append((start + (0 if number else _FLAC_MAPPING_BYTES), stop))
        found += others
    return found
