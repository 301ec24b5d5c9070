"""The peak memory of a piece of work, on Linux."""

from __future__ import annotations

import ctypes
import resource
from functools import lru_cache
from pathlib import Path

_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # see proc(5)
_STATUS = Path("/proc/self/status")
_TOLERANCE = 1 << 20  # Linux counts pages of each thread in batches


class MemoryWatch:
    """The peak of resident memory, minus the memory in use when the watch was made.

    The interpreter, its libraries and loaded models do not count. A child program that has ended
    counts in full if its peak exceeds that of this process and of all earlier programs: Linux
    reports only the largest peak of all ended programs, and a new program starts with the peak of
    its parent.
    """

    def __init__(self) -> None:
        _give_back_freed()
        self._children_bytes = _children_bytes()
        try:
            _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
        except OSError:  # not Linux, or not permitted: the peak cannot be reset
            self._start_bytes: int | None = None
        else:
            self._start_bytes = _status_bytes("VmRSS")

    def peak_bytes(self) -> int | None:
        """Return the peak so far; None if it cannot be measured."""
        if self._start_bytes is None:
            return None
        peak, children = _status_bytes("VmHWM"), _children_bytes()
        own = max(0, peak - self._start_bytes)
        return children if children > max(self._children_bytes, peak + _TOLERANCE) else own


def _status_bytes(name: str) -> int:
    """Return resident memory now (VmRSS), or its peak since the last reset (VmHWM)."""
    lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _children_bytes() -> int:
    """Return the largest peak of all child programs that have ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _give_back_freed() -> None:
    """Return freed memory to the system: if work reused it, the peak would not rise."""
    libc = _libc()
    if hasattr(libc, "malloc_trim"):  # glibc
        libc.malloc_trim(0)


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
