"""Sections: tag, length, body and CRC; a bit of the tag byte marks the last section."""

import zlib
from dataclasses import dataclass
from enum import IntEnum

from vqcodec.bitstream.fields import FieldReader, build_varint
from vqcodec.bitstream.limits import MAX_SECTION_BYTES
from vqcodec.errors import CorruptStreamError, InputError, UnsupportedStreamError

CRC_BYTES = 4

OPTIONAL = 0x80  # a reader ignores unknown tags with this bit
LAST = 0x40  # not part of the tag: marks the last section of the stream


class Tag(IntEnum):
    """The kind of a section; the numbers are those of the format."""

    SEGMENT = 1
    ALPHA = 2
    ICC_PROFILE = OPTIONAL | 3
    LEVEL = 4
    EXIF = OPTIONAL | 5
    XMP = OPTIONAL | 6
    SILENCE = OPTIONAL | 7
    GAIN = 8
    PASSAGES = 9
    TAGS = OPTIONAL | 10


KNOWN_TAGS = frozenset(Tag)


@dataclass(frozen=True, slots=True)
class Section:
    """A tag and a body; the tag is a `Tag`, or an optional tag of a later version.

    Raises:
        InputError: the body is longer than the format allows.
    """

    tag: int
    body: bytes

    def __post_init__(self) -> None:
        assert 0 <= self.tag <= 0xFF and not self.tag & LAST
        if len(self.body) > MAX_SECTION_BYTES:
            raise InputError(
                f"section: {len(self.body)} bytes, more than the {MAX_SECTION_BYTES} of the format"
            )


def build_section(section: Section, *, last: bool) -> bytes:
    """Return the section's bytes, CRC included."""
    tag_byte = section.tag | LAST * last
    data = bytes([tag_byte]) + build_varint(len(section.body)) + section.body
    return data + _crc(data)


def size_of_section(section: Section) -> int:
    """Return the number of bytes that `build_section` returns."""
    size = len(section.body)
    return 1 + len(build_varint(size)) + size + CRC_BYTES


def parse_section(reader: FieldReader) -> tuple[Section, bool]:
    """Return the next section, and whether this section is the last.

    Raises:
        TruncatedStreamError: the data ends before or within the section.
        CorruptStreamError: the section is damaged.
        UnsupportedStreamError: the section is intact, but its tag is unknown and not optional.
    """
    start = reader.position
    tag_byte = reader.parse_integer("section: tag", 1)
    length = reader.parse_varint("section: length", MAX_SECTION_BYTES)
    body = reader.parse_bytes("section: body", length)
    crc = _crc(memoryview(reader.data)[start : reader.position])
    if reader.parse_bytes("section: CRC", CRC_BYTES) != crc:
        raise CorruptStreamError(f"section: damaged at byte {start}, its CRC does not match")
    tag = tag_byte & ~LAST
    if not tag & OPTIONAL and tag not in KNOWN_TAGS:
        raise UnsupportedStreamError(f"section: unknown tag {tag} at byte {start}")
    return Section(tag, body), bool(tag_byte & LAST)


def _crc(data: bytes | memoryview) -> bytes:
    return zlib.crc32(data).to_bytes(CRC_BYTES, "little")
