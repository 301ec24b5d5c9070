"""Read-only files made of parts of another file and of bytes: nothing is copied."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from typing import BinaryIO, TypeAlias

Part: TypeAlias = tuple[int, int] | bytes  # start and stop in the file, or the bytes themselves

_LARGEST_POSITION = 1 << 43  # beyond, seeking fails on many file systems


class FileView(io.RawIOBase):
    """Parts in order, as one seekable file."""

    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        """Show `parts` of `file`, which must stay open; its position is moved."""
        self._file = file
        self._parts = [part for part in parts if _length(part)]
        self._starts = [0]
        for part in self._parts:
            self._starts.append(self._starts[-1] + _length(part))
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; a position before the start becomes the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}
        self._position = max(0, base[whence] + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, or all that are left."""
        left = max(0, self._starts[-1] - self._position)
        size = left if size is None or size < 0 else min(size, left)
        found: list[bytes] = []
        while size > 0:
            data = self._read_within_part(size)
            if not data:
                break  # the underlying file has become shorter
            found.append(data)
            size -= len(data)
            self._position += len(data)
        return b"".join(found)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes, and return their number."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read_within_part(self, size: int) -> bytes:
        number = bisect_right(self._starts, self._position) - 1
        part, offset = self._parts[number], self._position - self._starts[number]
        if isinstance(part, bytes):
            return part[offset : offset + size]
        start, stop = part
        self._file.seek(start + offset)
        return self._file.read(min(size, stop - start - offset))


def length_of(file: BinaryIO) -> int:
    """Return the number of bytes in a file; its position is kept."""
    position = file.tell()
    length = file.seek(0, io.SEEK_END)
    file.seek(position)
    return length


def read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """Return up to `size` bytes at a position; none for impossible ones, as of damaged lengths."""
    if size <= 0 or position > _LARGEST_POSITION:
        return b""
    file.seek(position)
    return file.read(size)


def _length(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else max(0, part[1] - part[0])
