"""Decoded files in memory, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import NDArray

DEFAULT_BYTES = 1_000_000_000

Array = TypeVar("Array", bound=NDArray[Any])


class DecodedFiles:
    """Arrays by the numbers of their files; the least recently used ones are dropped first.

    Threads may use it at the same time. Two of them may then decode the same file.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.num_bytes = most_bytes, 0
        self._arrays: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int, decode: Callable[[int], Array]) -> Array:
        """Return the array of a file; call `decode` on its number if it is not in memory."""
        with self._lock:
            if number in self._arrays:
                self._arrays.move_to_end(number)
                return self._arrays[number]  # type: ignore[return-value]
        array = decode(number)
        self.put(number, array)
        return array

    def put(self, number: int, array: NDArray[Any]) -> None:
        """Keep the array of a file, if it may be as large."""
        with self._lock:
            if number not in self._arrays and array.nbytes <= self.most_bytes:
                self._arrays[number] = array
                self.num_bytes += array.nbytes
                while self.num_bytes > self.most_bytes:
                    self.num_bytes -= self._arrays.popitem(last=False)[1].nbytes


def describe_memory(files: str, num_bytes: int, decoded: DecodedFiles) -> str:
    """Return a sentence on the decoded size of files, and the part of it that memory keeps."""
    size = f"{files}, {_readable(num_bytes)} decoded"
    if num_bytes <= decoded.most_bytes:
        return f"{size}, all in memory"
    return f"{size}, read when needed; memory keeps up to {_readable(decoded.most_bytes)}"


def _readable(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.2g} MB"
