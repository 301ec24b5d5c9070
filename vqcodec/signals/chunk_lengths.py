"""WAV, RF64, AIFF, CAF and AU: the position of the samples, and a corrected header."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.chunk_tags import read_chunk_tags
from vqcodec.signals.chunks import (
    MOST_CHUNKS,
    START_BYTES,
    WAV_FAMILIES,
    ByteOrder,
    Chunk,
    are_chunks,
    chunk_content,
    is_chunk_name,
    walk_chunks,
)
from vqcodec.signals.sound_tags import FoundTags
from vqcodec.signals.tag_blocks import find_tags
from vqcodec.signals.views import Part, length_of, read_at

_UNKNOWN = 0xFFFFFFFF  # the size field of a writer that does not know the size yet
_UNKNOWN_SIZES = (range(0x7FFF0000, 0x80000001), range(_UNKNOWN - 0xFFFF, _UNKNOWN + 1))
_IMPOSSIBLE = 1 << 60
_EXTENSIBLE = 0xFFFE
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")  # a GUID after the tag of a format
_PLAIN_WAV = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law", _EXTENSIBLE: "extensible"}
_MPEG_TAGS = {0x50, 0x55}
_PLAIN_AIFC = {b"NONE", b"twos", b"sowt", b"fl32", b"FL32", b"fl64", b"FL64", b"alaw", b"ulaw"}
_LARGEST_TABLE = 1 << 26
_EDIT_COUNT_BYTES = 4  # of a CAF data chunk, before the samples
_PACKETS_START = 24  # in CAF's table of packets
# Possessive: a group that can be given back keeps a hundred bytes of state for each byte.
_SIZES = re.compile(rb"(?:[\x80-\xff]{0,4}[\x01-\x7f])*+(?:[\x80-\xff]{0,4}\0.*)?", re.DOTALL)


@dataclass(slots=True)
class ChunkedSound:
    """The position of the samples in a file.

    Attributes:
        parts: the file with a corrected header, for `FileView`; None if the header is correct.
        mpeg: start and stop of the MPEG frames, if the file holds them.
        notes: on errors of the header.
        tags: beside those that libsndfile reports.
    """

    parts: list[Part] | None = None
    mpeg: tuple[int, int] | None = None
    notes: list[Note] = field(default_factory=list)
    tags: FoundTags = field(default_factory=FoundTags)


def read_chunked_sound(file: BinaryIO, start: int) -> ChunkedSound | None:
    """Return the position of the samples; None for other formats."""
    head = read_at(file, start, 24)
    family, kind = head[:4], head[8:12]
    if family in WAV_FAMILIES and kind == b"WAVE":
        return _read_wav(file, start, family)
    if family == b"FORM" and kind in (b"AIFF", b"AIFC"):
        return _read_aiff(file, start, kind)
    if family == b"caff":
        return _read_caf(file, start)
    if family == b".snd":
        return _read_au(file, start, head)
    return None


def _true_size(
    file: BinaryIO, chunk: Chunk, claimed: int, order: ByteOrder, block: int
) -> tuple[int, list[Note]]:
    """Return the number of bytes of samples in a chunk, in whole blocks, and notes on it."""
    available = max(0, length_of(file) - chunk.start)
    whole = available - available % block
    if claimed > available:
        is_unknown = claimed >= _IMPOSSIBLE or any(claimed in sizes for sizes in _UNKNOWN_SIZES)
        note = Note(
            NoteCode.ENDS_EARLY,
            f"ends early: {whole} bytes of samples are there, "
            f"fewer than the {claimed} that its header says",
        )
        return whole, [] if is_unknown else [note]
    rest = available - claimed
    if rest <= 1 or are_chunks(file, chunk.start + claimed, order):
        return claimed, []
    if not claimed or rest % (1 << 32) == 0:  # written as a stream; or too long for 32 bits
        return whole, []
    tags, stop = find_tags(file, chunk.start + claimed, length_of(file))
    if stop >= chunk.start + available:
        return claimed, []
    if tags:
        text = f"{chunk.start + available - stop} bytes after the samples are left out"
        return claimed, [Note(NoteCode.TRAILING_BYTES, text)]
    return whole, [_more_than_claimed(claimed, whole)]


def _more_than_claimed(claimed: int, found: int) -> Note:
    text = f"its header says {claimed} bytes of samples, but {found} are there: all are read"
    return Note(NoteCode.WRONG_LENGTH, text)


def _read_wav(file: BinaryIO, start: int, family: bytes) -> ChunkedSound | None:
    order: ByteOrder = "big" if family == b"RIFX" else "little"
    chunks = walk_chunks(file, start + START_BYTES, order, b"data")
    data, form = chunks.get(b"data"), chunk_content(file, chunks.get(b"fmt "))
    if data is None or len(form) < 16:
        return None
    claimed, sizes = data.size, chunk_content(file, chunks.get(b"ds64"))
    if family in (b"RF64", b"BW64") and data.size == _UNKNOWN and len(sizes) >= 16:
        claimed = int.from_bytes(sizes[8:16], "little")
    tag = int.from_bytes(form[:2], order)
    if tag == _EXTENSIBLE and form[26:40] == _SUBFORMAT:
        tag = int.from_bytes(form[24:26], order)
    block = int.from_bytes(form[12:14], order) or 1
    if tag in _MPEG_TAGS:
        size, notes = _true_size(file, data, claimed, order, 1)
        tags = read_chunk_tags(file, start + START_BYTES, order, size, all_texts=True)
        return ChunkedSound(mpeg=(data.start, data.start + size), notes=notes, tags=tags)
    size, notes = _true_size(file, data, claimed, order, block)
    is_fixed = size != claimed or family == b"BW64"  # which libsndfile does not know
    tags = read_chunk_tags(file, start + START_BYTES, order, size, all_texts=is_fixed)
    if not is_fixed:
        return ChunkedSound(notes=notes, tags=tags)
    fact = chunk_content(file, chunks.get(b"fact"))
    if fact and tag not in _PLAIN_WAV:
        fact = b"fact" + len(fact).to_bytes(4, order) + fact + bytes(len(fact) % 2)
    else:
        fact = b""
    form_chunk = b"fmt " + len(form).to_bytes(4, order) + form + bytes(len(form) % 2)
    body = b"WAVE" + form_chunk + fact
    if len(body) + 8 + size < _UNKNOWN:
        name = b"RIFX" if order == "big" else b"RIFF"
        head = name + (len(body) + 8 + size).to_bytes(4, order) + body
        head += b"data" + size.to_bytes(4, order)
    else:
        ds64 = b"ds64" + (28).to_bytes(4, "little")
        ds64 += (len(body) + 44 + size).to_bytes(8, "little") + size.to_bytes(8, "little")
        ds64 += (size // block).to_bytes(8, "little") + bytes(4)
        head = b"RF64\xff\xff\xff\xffWAVE" + ds64 + form_chunk + fact + b"data\xff\xff\xff\xff"
    return ChunkedSound([head, (data.start, data.start + size)], notes=notes, tags=tags)


def _read_aiff(file: BinaryIO, start: int, kind: bytes) -> ChunkedSound | None:
    chunks = walk_chunks(file, start + START_BYTES, "big", b"SSND")
    common, samples = chunk_content(file, chunks.get(b"COMM")), chunks.get(b"SSND")
    if samples is None or len(common) < 18:
        return None
    if kind == b"AIFC" and common[18:22] not in _PLAIN_AIFC:
        return ChunkedSound()
    channels = int.from_bytes(common[:2], "big") or 1
    block = channels * (-(-int.from_bytes(common[6:8], "big") // 8) or 1)
    offset = int.from_bytes(read_at(file, samples.start, 4), "big")
    inner = Chunk(samples.name, samples.start + 8 + offset, 0)
    claimed = max(0, samples.size - 8 - offset)
    size, notes = _true_size(file, inner, claimed, "big", block)
    num_frames = size // block
    is_fixed = size != claimed or int.from_bytes(common[2:6], "big") != num_frames
    content = size + 8 + offset
    tags = read_chunk_tags(file, start + START_BYTES, "big", content, all_texts=is_fixed)
    if not is_fixed:
        return ChunkedSound(notes=notes, tags=tags)
    common = common[:2] + min(num_frames, _UNKNOWN).to_bytes(4, "big") + common[6:]
    body = kind
    if kind == b"AIFC":
        body += b"FVER" + (4).to_bytes(4, "big") + (0xA2805140).to_bytes(4, "big")
    body += b"COMM" + len(common).to_bytes(4, "big") + common + bytes(len(common) % 2)
    total = min(len(body) + 16 + size, _UNKNOWN)
    head = b"FORM" + total.to_bytes(4, "big") + body
    head += b"SSND" + min(size + 8, _UNKNOWN).to_bytes(4, "big") + bytes(8)
    return ChunkedSound([head, (inner.start, inner.start + size)], notes=notes, tags=tags)


def _check_packets(file: BinaryIO, start: int) -> None:
    """Refuse Apple Lossless with a damaged table of packets: libsndfile would print a message."""
    position, content = start + 8, dict[bytes, bytes]()
    for _ in range(MOST_CHUNKS):
        head = read_at(file, position, 12)
        size = int.from_bytes(head[4:], "big", signed=True)
        if len(head) < 12 or size < 0:
            break
        if head[:4] in (b"desc", b"pakt"):
            content[head[:4]] = read_at(file, position + 12, min(size, _LARGEST_TABLE))
        position += 12 + size
    sizes = content.get(b"pakt", b"")[_PACKETS_START:]
    if content.get(b"desc", b"")[8:12] == b"alac" and not (sizes and _SIZES.fullmatch(sizes)):
        raise InputError("damaged: its table of packets")


def _read_caf(file: BinaryIO, start: int) -> ChunkedSound | None:
    _check_packets(file, start)
    position, length = start + 8, length_of(file)
    for _ in range(MOST_CHUNKS):
        head = read_at(file, position, 12)
        if len(head) < 12:
            return None
        size = int.from_bytes(head[4:], "big", signed=True)
        if head[:4] == b"data":
            available = length - position - 12
            if 0 <= size <= available and _are_caf_chunks(file, position + 12 + size):
                return ChunkedSound()
            notes = []
            if size > available:
                text = f"ends early: {available} of {size} bytes of samples are there"
                notes.append(Note(NoteCode.ENDS_EARLY, text))
            elif size > _EDIT_COUNT_BYTES:
                notes.append(_more_than_claimed(size, available))
            fixed = b"data" + available.to_bytes(8, "big")
            parts: list[Part] = [(start, position), fixed, (position + 12, length)]
            return ChunkedSound(parts, notes=notes)
        if size < 0:
            return None
        position += 12 + size
    return None


def _are_caf_chunks(file: BinaryIO, position: int) -> bool:
    """Return whether only well-formed chunks follow up to the end of the file."""
    length = length_of(file)
    for _ in range(MOST_CHUNKS):
        head = read_at(file, position, 12)
        if len(head) < 12:
            return not head.strip(b"\0")
        if not is_chunk_name(head[:4]):
            return not read_at(file, position, min(length - position, 1 << 20)).strip(b"\0")
        position += 12 + int.from_bytes(head[4:], "big", signed=True)
        if not position <= length or int.from_bytes(head[4:], "big", signed=True) < 0:
            return False
    return True


def _read_au(file: BinaryIO, start: int, head: bytes) -> ChunkedSound | None:
    offset, claimed = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")
    available = length_of(file) - start - offset
    if len(head) < 24 or available < 0 or claimed in (available, _UNKNOWN):
        return ChunkedSound()
    notes = []
    if claimed > available:
        text = f"ends early: {available} of {claimed} bytes of samples are there"
        return ChunkedSound(notes=[Note(NoteCode.ENDS_EARLY, text)])
    if claimed:
        notes.append(_more_than_claimed(claimed, available))
    fixed = head[:8] + available.to_bytes(8, "big")[4:]
    return ChunkedSound([fixed, (start + 12, start + offset + available)], notes=notes)
