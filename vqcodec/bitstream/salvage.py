"""What is whole of a damaged stream: its sections, and the gaps between them."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeGuard

from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.header import MAGIC, VERSION, Header, parse_header
from vqcodec.bitstream.limits import MAX_NUM_SECTIONS, MAX_SECTION_BYTES
from vqcodec.bitstream.sections import Section, Tag, parse_section
from vqcodec.errors import CorruptStreamError, StreamError

_LAST = 0x40
_CRC_BYTES = 4
_TAG = re.compile(b"[%s]" % b"".join(re.escape(bytes([tag, tag | _LAST])) for tag in Tag))
MAX_HEADER_BYTES = 22
_LONGEST = 1 << 16  # bytes of a section that is searched for, unless others are longer
_MOST_CHECKED = 1 << 31  # bytes, before a search gives up


@dataclass(frozen=True, slots=True)
class Gap:
    """Damaged bytes.

    Attributes:
        num_bytes: how many there are.
        tag: of the section that is damaged, if it is a single one and says so.
        at_end: whether the stream ends here, so that sections may be missing.
    """

    num_bytes: int
    tag: int | None
    at_end: bool


@dataclass(frozen=True, slots=True)
class Salvaged:
    """The header of a damaged stream, and its sections and gaps in order.

    Attributes:
        header: as it is, or repaired.
        pieces: sections and gaps.
        is_repaired: whether a byte of the header was damaged.
    """

    header: Header
    pieces: tuple[Section | Gap, ...]
    is_repaired: bool = False


def salvage_header(data: bytes) -> tuple[Header, int, bool]:
    """Return the header of a stream, its length in bytes, and whether one byte was repaired.

    A header of which one byte is damaged is the only one that differs in one byte and has a valid
    checksum. (Of headers with more damage, about one in twenty looks like this, too.)

    Raises:
        StreamError: the header is damaged beyond that.
    """
    reader = FieldReader(data)
    try:
        return parse_header(reader), reader.position, False
    except StreamError:
        if data.startswith(MAGIC) and data[len(MAGIC) : len(MAGIC) + 1] != bytes([VERSION]):
            raise  # another version is no damage
        found = _repaired_headers(data[:MAX_HEADER_BYTES])
        if len(found) != 1:
            raise
        ((header, length),) = found
        return header, length, True


def _repaired_headers(start: bytes) -> list[tuple[Header, int]]:
    """Return every valid header that differs from the start of a stream in one byte."""
    found = []
    for position in range(len(start)):
        for value in range(256):
            if value == start[position]:
                continue
            reader = FieldReader(start[:position] + bytes([value]) + start[position + 1 :])
            with suppress(StreamError):
                found.append((parse_header(reader), reader.position))
    return found


def salvage_sections(data: bytes) -> Salvaged:
    """Return what is whole of a stream.

    Raises:
        StreamError: more than one byte of the header is damaged.
    """
    header, position, is_repaired = salvage_header(data)
    last = False
    pieces: list[Section | Gap] = []
    while not last and len(pieces) < MAX_NUM_SECTIONS:
        found = _section_at(data, position)
        if found is not None:
            section, last, position = found
            pieces.append(section)
            continue
        longest = max(
            (len(piece.body) for piece in pieces if isinstance(piece, Section)), default=0
        )
        tag, stop = _framed(data, position)
        if stop is None or (stop < len(data) and _section_at(data, stop) is None):
            tag, stop = None, _next_section(data, position + 1, max(_LONGEST, 4 * longest))
        at_end = stop is None or (stop == len(data) and not data[position] & _LAST)
        stop = len(data) if stop is None else stop
        pieces.append(Gap(stop - position, tag, at_end))
        position, last = stop, stop == len(data)
    return Salvaged(header, tuple(pieces), is_repaired)


def place_segments(pieces: Sequence[Section | Gap], num_segments: int) -> list[bytes | None]:
    """Return the payload of each segment, None for those in gaps.

    Where it is not known how many a gap holds, its bytes say so.

    Raises:
        CorruptStreamError: there are more segments than needed.
    """
    found = [piece.body for piece in pieces if _is_segment(piece)]
    spare = num_segments - len(found) - sum(_is_lost_segment(piece) for piece in pieces)
    if spare < 0:
        raise CorruptStreamError(f"stream: more than the {num_segments} segments needed")
    usual = sum(map(len, found)) / len(found) + 6 if found else 1.0
    open_gaps = [
        n for n, piece in enumerate(pieces) if isinstance(piece, Gap) and piece.tag is None
    ]
    if not open_gaps:  # what looks like another section, or the end
        open_gaps = [n for n, piece in enumerate(pieces) if not _is_segment(piece)] or [len(pieces)]
        open_gaps = open_gaps[-1:]
    result: list[bytes | None] = []
    for number, piece in enumerate([*pieces, None]):
        if number in open_gaps:
            is_last = number == open_gaps[-1]
            size = piece.num_bytes if isinstance(piece, Gap) else 0
            held = spare if is_last else min(spare, max(1, round(size / usual)))
            result += [None] * held
            spare -= held
        if piece is not None and _is_segment(piece):
            result.append(piece.body)
        elif piece is not None and _is_lost_segment(piece):
            result.append(None)
    return result


def _is_segment(piece: Section | Gap) -> TypeGuard[Section]:
    return isinstance(piece, Section) and piece.tag == Tag.SEGMENT


def _is_lost_segment(piece: Section | Gap) -> bool:
    return isinstance(piece, Gap) and piece.tag == Tag.SEGMENT


def _section_at(data: bytes, position: int) -> tuple[Section, bool, int] | None:
    """Return the section at a position, whether it is the last, and where it ends, if intact."""
    reader = FieldReader(data)
    reader.position = position
    try:
        section, last = parse_section(reader)
    except StreamError:
        return None
    return section, last, reader.position


def _framed(data: bytes, position: int) -> tuple[int | None, int | None]:
    """Return which section a damaged one says that it is, and where it says that it ends."""
    reader = FieldReader(data)
    reader.position = position
    try:
        tag = reader.parse_integer("tag", 1) & ~_LAST
        length = reader.parse_varint("length", MAX_SECTION_BYTES)
    except StreamError:
        return None, None
    stop = reader.position + length + _CRC_BYTES
    return (tag if tag in set(Tag) else None), (stop if stop <= len(data) else None)


def _next_section(data: bytes, start: int, longest: int) -> int | None:
    """Return where the next intact section begins; None if there is none."""
    checked = 0
    for match in _TAG.finditer(data, start):
        _, stop = _framed(data, match.start())
        if stop is None or stop - match.start() > longest:
            continue
        checked += stop - match.start()
        if checked > _MOST_CHECKED:
            return None
        if _section_at(data, match.start()) is not None:
            return match.start()
    return None
