"""What is whole of a damaged stream: its sections, and the gaps between them."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeGuard

from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.header import MAGIC, VERSION, Header, parse_header
from vqcodec.bitstream.limits import MAX_NUM_SECTIONS, MAX_SECTION_BYTES
from vqcodec.bitstream.sections import CRC_BYTES, KNOWN_TAGS, LAST, Section, Tag, parse_section
from vqcodec.errors import CorruptStreamError, StreamError

_TAG_BYTE = re.compile(b"[%s]" % b"".join(re.escape(bytes([tag, tag | LAST])) for tag in Tag))
MAX_HEADER_BYTES = 22
_LONGEST = 1 << 16  # bytes of a section that is searched for, unless others are longer
_MOST_CHECKED = 1 << 31  # bytes that are no section, before all that is left counts as damaged


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
        num_left_out: bytes after the last section.
        is_joined: whether those bytes begin like a stream.
    """

    header: Header
    pieces: tuple[Section | Gap, ...]
    is_repaired: bool = False
    num_left_out: int = 0
    is_joined: bool = False


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
    search, last, longest = _Search(data), False, 0
    pieces: list[Section | Gap] = []
    while not last and len(pieces) < MAX_NUM_SECTIONS:
        found = search.section_at(position)
        if found is not None:
            section, last, position = found
            pieces.append(section)
            longest = max(longest, len(section.body))
            continue
        tag, stop = search.framed(position)
        if stop is None or (stop < len(data) and search.section_at(stop) is None):
            tag, stop = None, search.next_section(position + 1, max(_LONGEST, 4 * longest))
        at_end = stop is None or (stop == len(data) and not data[position] & LAST)
        stop = len(data) if stop is None else stop
        pieces.append(Gap(stop - position, tag, at_end))
        position, last = stop, stop == len(data)
    left_out = len(data) - position
    return Salvaged(header, tuple(pieces), is_repaired, left_out, data.startswith(MAGIC, position))


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
    open_gaps = {
        n for n, piece in enumerate(pieces) if isinstance(piece, Gap) and piece.tag is None
    }
    if not open_gaps:  # what looks like another section, or the end
        others = [n for n, piece in enumerate(pieces) if not _is_segment(piece)]
        open_gaps = {others[-1] if others else len(pieces)}
    last_gap = max(open_gaps)
    result: list[bytes | None] = []
    for number, piece in enumerate([*pieces, None]):
        if number in open_gaps:
            size = piece.num_bytes if isinstance(piece, Gap) else 0
            held = spare if number == last_gap else min(spare, max(1, round(size / usual)))
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


class _Search:
    """Finds the intact sections of a damaged stream.

    All bytes count that were checked and are no section, so that the time does not grow with the
    number of gaps.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MOST_CHECKED  # bytes that may be checked in vain

    def section_at(self, position: int) -> tuple[Section, bool, int] | None:
        """Return the section at a position, whether it is the last, its end; None if damaged."""
        reader = FieldReader(self._data)
        reader.position = position
        try:
            section, last = parse_section(reader)
        except StreamError:
            self._left -= reader.position - position
            return None
        return section, last, reader.position

    def framed(self, position: int) -> tuple[int | None, int | None]:
        """Return which section a damaged one says that it is, and where it says that it ends."""
        reader = FieldReader(self._data)
        reader.position = position
        try:
            tag = reader.parse_integer("tag", 1) & ~LAST
            length = reader.parse_varint("length", MAX_SECTION_BYTES)
        except StreamError:
            return None, None
        stop = reader.position + length + CRC_BYTES
        return (tag if tag in KNOWN_TAGS else None), (stop if stop <= len(self._data) else None)

    def next_section(self, start: int, longest: int) -> int | None:
        """Return where the next intact section begins; None if there is none, or no time left."""
        for match in _TAG_BYTE.finditer(self._data, start):
            if self._left < 0:
                return None
            _, stop = self.framed(match.start())
            if stop is None or stop - match.start() > longest:
                continue
            if self.section_at(match.start()) is not None:
                return match.start()
        return None
