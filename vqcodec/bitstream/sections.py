"""Sections: tagged, length-prefixed, CRC-checked; the last one says that it is the last."""

import zlib
from dataclasses import dataclass
from enum import IntEnum

from vqcodec.bitstream.fields import FieldReader, build_varint
from vqcodec.bitstream.limits import MAX_SECTION_BYTES
from vqcodec.errors import CorruptStreamError, InputError, UnsupportedStreamError

CRC_BYTES = 4

OPTIONAL = 0x80  # a tag with this bit can be ignored by a reader that does not know it
_LAST = 0x40  # not part of the tag: the stream ends with this section


class Tag(IntEnum):
    """What a section holds; the numbers are those of the format."""

    SEGMENT = 1
    ALPHA = 2
    ICC_PROFILE = OPTIONAL | 3
    LEVEL = 4
    EXIF = OPTIONAL | 5
    XMP = OPTIONAL | 6
    SILENCE = OPTIONAL | 7
    GAIN = 8


_KNOWN_TAGS = frozenset(Tag)


@dataclass(frozen=True, slots=True)
class Section:
    """A tag, which is a `Tag` or an optional one of a later version, and what stands under it.

    Raises:
        InputError: the body is longer than the format holds.
    """

    tag: int
    body: bytes

    def __post_init__(self) -> None:
        assert 0 <= self.tag <= 0xFF and not self.tag & _LAST
        if len(self.body) > MAX_SECTION_BYTES:
            raise InputError(
                f"section: {len(self.body)} bytes, more than the {MAX_SECTION_BYTES} of the format"
            )


def build_section(section: Section, *, last: bool) -> bytes:
    """Return the section's bytes, CRC included."""
    tag_byte = section.tag | _LAST * last
    data = bytes([tag_byte]) + build_varint(len(section.body)) + section.body
    return data + _crc(data)


def parse_section(reader: FieldReader) -> tuple[Section, bool]:
    """Return the next section, and whether it is the last.

    Raises:
        TruncatedStreamError: the data ends within the section, or before it.
        CorruptStreamError: the section is damaged.
        UnsupportedStreamError: it is intact, not optional, and of an unknown kind.
    """
    start = reader.position
    tag_byte = reader.parse_integer("section: tag", 1)
    length = reader.parse_varint("section: length", MAX_SECTION_BYTES)
    body = reader.parse_bytes("section: body", length)
    crc = _crc(memoryview(reader.data)[start : reader.position])
    if reader.parse_bytes("section: CRC", CRC_BYTES) != crc:
        raise CorruptStreamError(f"section: damaged at byte {start}, its CRC does not match")
    tag = tag_byte & ~_LAST
    if not tag & OPTIONAL and tag not in _KNOWN_TAGS:
        raise UnsupportedStreamError(f"section: unknown tag {tag} at byte {start}")
    return Section(tag, body), bool(tag_byte & _LAST)


def _crc(data: bytes | memoryview) -> bytes:
    return zlib.crc32(data).to_bytes(CRC_BYTES, "little")
