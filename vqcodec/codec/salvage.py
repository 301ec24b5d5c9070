"""A damaged stream, restored as far as it is whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.salvage import (
    Gap,
    Salvaged,
    place_segments,
    salvage_header,
    salvage_sections,
)
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream
from vqcodec.codec.opening import check_header, check_sections, open_stream
from vqcodec.codec.parts import Parts
from vqcodec.errors import CorruptStreamError, StreamError, UnsupportedStreamError
from vqcodec.layout import pieces as pieces_of
from vqcodec.modalities.base import Facts
from vqcodec.notes import Note, NoteCode

_MOST_PLACES = 5  # are named in a note


@dataclass(frozen=True, slots=True)
class SalvagedStream:
    """A stream that decodes, though parts of it are missing.

    Attributes:
        stream: with an empty payload for every missing segment.
        level: the last level to read, as `open_stream` takes it.
        missing: numbers of the segments that are to be filled.
        notes: what is missing, and where.
    """

    stream: Stream
    level: int | None
    missing: frozenset[int] = frozenset()
    notes: tuple[Note, ...] = ()


def salvage_stream(data: bytes, parts: Parts, level: int | None = None) -> SalvagedStream:
    """Return what can be restored of a stream; all of it, if it is intact.

    Raises:
        UsageError: there is no such level.
        StreamError: more than a byte of the header is damaged, or nothing is whole.
        MissingModelError: it was made with another model.
    """
    try:
        return SalvagedStream(open_stream(data, parts, level), level)
    except StreamError as error:
        if isinstance(error, UnsupportedStreamError) and not salvage_header(data)[2]:
            raise
        salvaged = salvage_sections(data)
        num_levels = check_header(salvaged.header, parts, level)
        others = [
            piece
            for piece in salvaged.pieces
            if isinstance(piece, Section) and piece.tag not in (Tag.SEGMENT, Tag.LEVEL)
        ]
        if any(isinstance(piece, Section) and piece.tag == Tag.LEVEL for piece in salvaged.pieces):
            found = _with_levels(salvaged, others, num_levels, level)
        else:
            found = _with_segments(salvaged, others, parts, error)
        check_sections(found.stream, parts, found.level or num_levels, num_levels)
        return found


def _with_levels(
    salvaged: Salvaged, others: Sequence[Section], num_levels: int, level: int | None
) -> SalvagedStream:
    """Return the stream of the levels before the first damage."""
    whole: list[Section] = []
    for piece in salvaged.pieces:
        if isinstance(piece, Section) and piece.tag == Tag.LEVEL:
            whole.append(piece)
        elif isinstance(piece, Gap) and (whole or piece.tag in (None, Tag.LEVEL)):
            break
    if not whole:
        raise CorruptStreamError("stream: level 1 is damaged, and nothing can be restored")
    num_whole = min(len(whole), level or num_levels)
    notes = []
    if len(whole) < (level or num_levels):
        text = f"only {num_whole} of {num_levels} levels are whole: the picture is a coarser one"
        notes.append(Note(NoteCode.DAMAGED, text))
    stream = Stream(salvaged.header, (*others, *whole[:num_whole]))
    return SalvagedStream(stream, num_whole, notes=(*notes, *_notes_of_others(salvaged)))


def _with_segments(
    salvaged: Salvaged, others: Sequence[Section], parts: Parts, error: StreamError
) -> SalvagedStream:
    """Return the stream with all segments that are whole."""
    facts, modality = salvaged.header.facts, parts.modality
    grid, size = modality.grid(facts), modality.geometry.segment
    if not all(grid):
        raise error
    num_segments = modality.num_planes(facts) * math.prod(-(-length // size) for length in grid)
    present = sum(isinstance(piece, Section) for piece in salvaged.pieces) - len(others)
    if not present:
        raise CorruptStreamError("stream: no segment is whole, and nothing can be restored")
    payloads = place_segments(salvaged.pieces, num_segments)
    missing = frozenset(number for number, payload in enumerate(payloads) if payload is None)
    notes = []
    if missing:
        where = [_place_of(number, parts, facts) for number in sorted(missing)]
        more = f" and {len(where) - _MOST_PLACES} more" if len(where) > _MOST_PLACES else ""
        filled = "silent" if isinstance(facts, AudioFacts) else "without detail"
        text = (
            f"{len(missing)} of {num_segments} segments are damaged: "
            f"{filled} at {', '.join(where[:_MOST_PLACES])}{more}"
        )
        notes.append(Note(NoteCode.DAMAGED, text))
    segments = [Section(Tag.SEGMENT, payload or b"") for payload in payloads]
    stream = Stream(salvaged.header, (*others, *segments))
    return SalvagedStream(stream, None, missing, (*notes, *_notes_of_others(salvaged)))


def _notes_of_others(salvaged: Salvaged) -> list[Note]:
    """Return a note for each damaged section beside the indices."""
    notes = [
        Note(NoteCode.DAMAGED, f"its section of {_name_of(piece.tag)} is damaged and left out")
        for piece in salvaged.pieces
        if isinstance(piece, Gap) and piece.tag not in (None, Tag.SEGMENT, Tag.LEVEL)
    ]
    if salvaged.is_repaired:
        text = "a byte of its header was damaged, and is repaired by the checksum"
        notes.append(Note(NoteCode.DAMAGED, text))
    elif not any(isinstance(piece, Gap) for piece in salvaged.pieces):
        notes.append(Note(NoteCode.DAMAGED, "bytes after its last section are left out"))
    return notes


def _name_of(tag: int) -> str:
    return Tag(tag).name.lower().replace("_", " ")


def _place_of(number: int, parts: Parts, facts: Facts) -> str:
    """Return where a segment lies, for people."""
    modality = parts.modality
    grid, size = modality.grid(facts), modality.geometry.segment
    places = list(pieces_of(grid, size))
    plane, place = number // len(places), places[number % len(places)]
    unit = modality.position_size
    if isinstance(facts, AudioFacts):
        end = facts.num_samples / facts.sample_rate
        start, stop = place[0].start * unit, min(end, place[0].stop * unit)
        channel = f" (channel {plane + 1})" if modality.num_planes(facts) > 1 else ""
        return f"{start:.1f} … {stop:.1f} s{channel}"
    rows, columns = place
    sizes = facts.height, facts.width
    (top, bottom), (left, right) = (
        (int(axis.start * unit), min(length, int(axis.stop * unit)))
        for axis, length in zip((rows, columns), sizes, strict=True)
    )
    return f"x {left} … {right - 1}, y {top} … {bottom - 1}"
