"""Ogg -> its streams, in order; every page's checksum is verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.ogg_pages import (
    FIRST,
    HEADER_BYTES,
    LAST,
    MOST_SAMPLES,
    NO_GRANULE,
    Page,
    opus_samples,
    page_checksum,
    parse_page,
    with_granule,
)
from vqcodec.signals.sound_tags import FoundTags
from vqcodec.signals.tag_blocks import Range, find_tags, read_tags
from vqcodec.signals.views import Part, length_of, read_at

_HUGE = 1 << 40
_VORBIS_HEADERS = 3  # packets before the first with sound
_KINDS = {
    b"\x01vorbis": "Vorbis",
    b"OpusHead": "Opus",
    b"\x7fFLAC": "FLAC",
    b"Speex   ": "Speex",
    b"\x80theora": "Theora",
    b"fishead\0": "Skeleton",
}
_SOUNDS = {"Vorbis", "Opus", "FLAC", "Speex"}


@dataclass(slots=True)
class OggStream:
    """The pages of one logical stream.

    Attributes:
        kind: its codec; "unknown" if it is not supported.
        parts: its pages, for `FileView`.
        has_end: whether its last page has the end mark.
    """

    kind: str
    parts: list[Part] = field(default_factory=list)
    has_end: bool = False
    plausible: bool = True  # whether its positions in samples are possible
    last: Page | None = None
    before: int = 0  # the position in samples before the last page
    gaps: int = 0  # places where pages are missing

    def add(self, page: Page) -> None:
        """Add the next page."""
        previous = self.last
        if previous is not None and page.sequence != (previous.sequence + 1) & 0xFFFFFFFF:
            self.gaps += 1
            self.plausible = False
        if page.granule != NO_GRANULE:
            start = 0 if previous is None else previous.granule
            # No packet may end on the pages before, so this bound is loose.
            if not start <= page.granule <= start + (page.num_packets + 1) * MOST_SAMPLES:
                self.plausible = False
        self.before = 0 if previous is None else previous.granule
        granule = page.granule if page.granule != NO_GRANULE else previous and previous.granule
        self.last = Page(
            page.start, page.stop, page.flags, granule or 0, page.serial, page.sequence, 0
        )
        self.has_end = bool(page.flags & LAST)
        tail = self.parts[-1] if self.parts else None
        if isinstance(tail, tuple) and tail[1] == page.start:
            self.parts[-1] = (tail[0], page.stop)
        else:
            self.parts.append((page.start, page.stop))

    @property
    def is_sound(self) -> bool:
        """Whether it holds sound."""
        return self.kind in _SOUNDS

    def without_length(self, file: BinaryIO) -> list[Part]:
        """Return its pages; the last page claims more samples than possible.

        Decoders stop at the position on the last page, so they now decode all data.
        """
        assert self.last is not None and isinstance(self.parts[-1], tuple)
        page = bytearray(read_at(file, self.last.start, self.last.stop - self.last.start))
        granule = _HUGE
        if self.kind == "Opus":  # its decoder needs a possible first position
            granule = min(self.before, _HUGE) + opus_samples(bytes(page))
        start, _ = self.parts[-1]
        return [*self.parts[:-1], (start, self.last.start), with_granule(page, granule)]

    def without_positions(self, file: BinaryIO) -> list[Part]:
        """Return its pages as `without_length`, and no page before claims a position, either."""
        *parts, before, last = self.without_length(file)
        found: list[Part] = []
        num_packets = 0
        for part in (*parts, before):
            assert not isinstance(part, bytes)
            position, stop = part
            while position < stop:
                page = parse_page(read_at(file, position, HEADER_BYTES + 255), position)
                assert page is not None
                num_packets += page.num_packets
                if num_packets > _VORBIS_HEADERS:
                    data = bytearray(read_at(file, position, page.stop - position))
                    found.append(with_granule(data, NO_GRANULE)[:HEADER_BYTES])
                    found.append((position + HEADER_BYTES, page.stop))
                else:
                    found.append((position, page.stop))
                position = page.stop
        return [*found, last]


def read_ogg_streams(
    file: BinaryIO, start: int, *, salvage: bool
) -> tuple[list[OggStream], list[Note], FoundTags]:
    """Return the streams with sound in a file, notes on what is left out, and tags after streams.

    Args:
        file: open for reading.
        start: the position of its first page.
        salvage: skip damaged pages, with a note.

    Raises:
        InputError: a page is damaged, or there is no sound.
    """
    scan = _Scan(file, length_of(file), salvage=salvage)
    scan.run(start)
    streams = [stream for group in scan.groups for stream in group[:1] if stream.is_sound]
    others = [stream for group in scan.groups for stream in group[group[0].is_sound :]]
    if not streams:
        kinds = ", ".join(sorted({stream.kind for stream in others})) or "nothing"
        raise InputError(f"cannot be read as a sound: its Ogg pages hold {kinds}")
    notes = scan.notes
    if others:
        kinds = ", ".join(sorted({stream.kind for stream in others}))
        text = f"{len(others)} Ogg streams other than the first sound are left out: {kinds}"
        notes.append(Note(NoteCode.STREAM_LEFT_OUT, text))
    gaps = sum(stream.gaps for stream in streams)
    if gaps and not salvage:
        raise InputError(f"damaged: Ogg pages are missing in {gaps} places")
    if gaps:
        notes.append(Note(NoteCode.DAMAGED, f"Ogg pages are missing in {gaps} places"))
    return streams, notes, read_tags(file, scan.tags)


class _Scan:
    """Reads a file page by page."""

    def __init__(self, file: BinaryIO, length: int, *, salvage: bool) -> None:
        self._file, self._length, self._salvage = file, length, salvage
        self.groups: list[list[OggStream]] = []  # multiplexed streams, sound first
        self._open: dict[int, OggStream] = {}  # by serial number
        self._in_headers = False  # of the latest group
        self.notes: list[Note] = []
        self.tags: list[Range] = []  # after streams

    def run(self, position: int) -> None:
        """Read all pages from a position to the end."""
        damaged = 0
        while position < self._length:
            header = read_at(self._file, position, HEADER_BYTES + 255)
            page = parse_page(header, position)
            if page is not None and page.stop > self._length:
                self._note_cut(position)
                break
            if page is not None and self._is_intact(page):
                self._add(page)
                position = page.stop
                continue
            tags, after = find_tags(self._file, position, self._length)
            if after > position:  # between chained streams, or at the end
                self.tags += tags
                position = after
                continue
            following = self._next_page(position + 1)
            if following is None and page is None:
                if len(header) < HEADER_BYTES and header.startswith(b"OggS"):
                    self._note_cut(position)
                else:
                    text = f"{self._length - position} bytes after the last Ogg page are left out"
                    self.notes.append(Note(NoteCode.TRAILING_BYTES, text))
                break
            if not self._salvage:
                raise InputError(f"damaged: the Ogg page at byte {position} has a wrong checksum")
            damaged += 1
            position = self._length if following is None else following
        if damaged:
            text = f"{damaged} damaged Ogg pages are left out"
            self.notes.append(Note(NoteCode.DAMAGED, text))
        self._note_ends()

    def _is_intact(self, page: Page) -> bool:
        data = bytearray(read_at(self._file, page.start, page.stop - page.start))
        stored = int.from_bytes(data[22:26], "little")
        data[22:26] = bytes(4)
        return page_checksum(bytes(data)) == stored

    def _add(self, page: Page) -> None:
        if page.flags & FIRST:
            if not self._in_headers:
                self.groups.append([])
                self._open = {}
            self._in_headers = True
            data = read_at(self._file, page.start, page.stop - page.start)
            body = data[HEADER_BYTES + data[26] :]
            stream = OggStream(_kind_of(body))
            group = self.groups[-1]
            has_sound = bool(group) and group[0].is_sound
            group.insert(0 if stream.is_sound and not has_sound else len(group), stream)
            self._open[page.serial] = stream
        else:
            self._in_headers = False
        stream_of_page = self._open.get(page.serial)
        if stream_of_page is not None:
            stream_of_page.add(page)

    def _next_page(self, position: int) -> int | None:
        """Return the position of the next page."""
        size = 1 << 12
        while position < self._length:
            data = read_at(self._file, position, size)
            at = data.find(b"OggS")
            if at >= 0:
                return position + at
            position += max(1, len(data) - 3)
            size = min(2 * size, 1 << 20)
        return None

    def _note_cut(self, position: int) -> None:
        text = f"ends early: its last Ogg page, at byte {position}, is cut off"
        self.notes.append(Note(NoteCode.ENDS_EARLY, text))

    def _note_ends(self) -> None:
        """Add a note if the last stream has no end mark."""
        if self.notes or not self.groups or not self.groups[-1][0].is_sound:
            return
        if not self.groups[-1][0].has_end:
            text = "has no end mark, so that it may have been cut off"
            self.notes.append(Note(NoteCode.ENDS_EARLY, text))


def _kind_of(body: bytes) -> str:
    return next((kind for start, kind in _KINDS.items() if body.startswith(start)), "unknown")
