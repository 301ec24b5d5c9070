"""Chunks of WAV and AIFF: a name, a size, and content; and files of chunks that were joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from vqcodec.signals.views import length_of, read_at

ByteOrder: TypeAlias = Literal["little", "big"]  # of numbers

MOST_CHUNKS = 10_000
START_BYTES = 12  # of a file: its family, its size and its kind
WAV_FAMILIES = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_LARGEST = 1 << 20  # bytes of a chunk in memory: format chunks are far smaller


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a file, found by its header."""

    name: bytes
    start: int  # of its content
    size: int  # in its header


def walk_chunks(
    file: BinaryIO, position: int, order: ByteOrder, stop_at: bytes
) -> dict[bytes, Chunk]:
    """Return the chunks up to the first named `stop_at`, by name."""
    found: dict[bytes, Chunk] = {}
    length = length_of(file)
    for _ in range(MOST_CHUNKS):
        head = read_at(file, position, 8)
        if len(head) < 8 or position >= length:
            break
        chunk = Chunk(head[:4], position + 8, int.from_bytes(head[4:], order))
        found.setdefault(chunk.name, chunk)
        if chunk.name == stop_at:
            break
        position = chunk.start + chunk.size + chunk.size % 2
    return found


def chunk_content(file: BinaryIO, chunk: Chunk | None) -> bytes:
    """Return the first `_LARGEST` bytes in a chunk; none if there is no such chunk."""
    if chunk is None:
        return b""
    return read_at(file, chunk.start, min(chunk.size, _LARGEST))


def is_chunk_name(name: bytes) -> bool:
    """Return whether these bytes may be the name of a chunk: printable ASCII."""
    return all(0x20 <= byte < 0x7F for byte in name)


def are_chunks(file: BinaryIO, position: int, order: ByteOrder) -> bool:
    """Return whether only well-formed chunks follow up to the end of the file."""
    length = length_of(file)
    for shift in (position % 2, 0):  # some writers do not align chunks to 2 bytes
        at = position + shift
        for _ in range(MOST_CHUNKS):
            head = read_at(file, at, 8)
            if len(head) < 8:
                if not head.strip(b"\0"):
                    return True
                break
            if not is_chunk_name(head[:4]):
                break
            at += 8 + int.from_bytes(head[4:], order)
            if at >= length:
                if at == length:
                    return True
                break
            at += at % 2
        else:
            return True
        if at == length:
            return True
    return False


def find_chunked_files(file: BinaryIO, start: int) -> list[int]:
    """Return where WAV or AIFF files begin that were joined to one, the first at `start`."""
    found: list[int] = []
    following: int | None = start
    while following is not None and len(found) < MOST_CHUNKS:
        found.append(following)
        head = read_at(file, following, START_BYTES)
        if not _begins_file(head):
            break
        order: ByteOrder = "big" if head[:4] in (b"RIFX", b"FORM") else "little"
        name = b"SSND" if head.startswith(b"FORM") else b"data"
        chunk = walk_chunks(file, following + START_BYTES, order, name).get(name)
        following = _next_file(file, chunk.start + chunk.size, order) if chunk else None
    return found


def _begins_file(head: bytes) -> bool:
    return (head[:4] in WAV_FAMILIES and head[8:12] == b"WAVE") or (
        head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")
    )


def _next_file(file: BinaryIO, position: int, order: ByteOrder) -> int | None:
    """Return where a file begins after the chunks from a position on."""
    at = position + position % 2
    for _ in range(MOST_CHUNKS):
        head = read_at(file, at, START_BYTES)
        if _begins_file(head):
            return at
        if len(head) < 8 or not is_chunk_name(head[:4]):
            return None
        size = int.from_bytes(head[4:8], order)
        at += 8 + size + size % 2
    return None
