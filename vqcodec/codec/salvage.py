"""A damaged stream, restored as far as it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqcodec.bitstream.limits import MAX_NUM_SECTIONS
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
from vqcodec.notes import Note, NoteCode
from vqcodec.numbers import counted

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
    num_segments = modality.num_segments(facts)
    if not num_segments:
        raise error
    if len(others) + num_segments > MAX_NUM_SECTIONS:  # before memory is allocated for them
        raise CorruptStreamError(
            f"stream: needs {num_segments} segments, more than the {MAX_NUM_SECTIONS} sections of "
            "the format"
        )
    present = sum(isinstance(piece, Section) for piece in salvaged.pieces) - len(others)
    if not present:
        raise CorruptStreamError("stream: every segment is damaged, so nothing can be restored")
    payloads = place_segments(salvaged.pieces, num_segments)
    missing = frozenset(number for number, payload in enumerate(payloads) if payload is None)
    notes = []
    if missing:
        named = sorted(missing)[:_MOST_PLACES]
        places = ", ".join(modality.name_of_segment(facts, number) for number in named)
        more = f" and {len(missing) - len(named)} more" if len(missing) > len(named) else ""
        text = (
            f"{len(missing)} of {num_segments} segments are damaged: "
            f"{modality.gaps_are} at {places}{more}"
        )
        notes.append(Note(NoteCode.DAMAGED, text))
    empty = Section(Tag.SEGMENT, b"")
    segments = [Section(Tag.SEGMENT, payload) if payload else empty for payload in payloads]
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
    if salvaged.num_left_out:
        begin = ", which begin like another stream," if salvaged.is_joined else ""
        number = counted(salvaged.num_left_out, "byte")
        verb = "is" if salvaged.num_left_out == 1 else "are"
        text = f"{number} after its last section{begin} {verb} left out"
        notes.append(Note(NoteCode.DAMAGED, text))
    return notes


def _name_of(tag: int) -> str:
    return Tag(tag).name.lower().replace("_", " ")
