"""How much memory a piece of work takes, as Linux tells it."""

from __future__ import annotations

import ctypes
import resource
from functools import lru_cache
from pathlib import Path

_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # as proc(5) says
_STATUS = Path("/proc/self/status")


class MemoryWatch:
    """The peak of resident memory, beyond what the process held when the watch was made.

    So the interpreter, its libraries and models that are loaded do not count. A program that was
    started and has ended meanwhile counts as a whole if it took more than this process and all
    programs before it: of ended programs Linux tells only the most that any took, and lets a new
    one begin at its parent's peak.
    """

    def __init__(self) -> None:
        _give_back_freed()
        self._children_bytes = _children_bytes()
        try:
            _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
        except OSError:  # another system, or not allowed: what was before cannot be forgotten
            self._start_bytes: int | None = None
        else:
            self._start_bytes = _status_bytes("VmRSS")

    def peak_bytes(self) -> int | None:
        """Return the peak so far; None where it cannot be measured."""
        if self._start_bytes is None:
            return None
        own = max(0, _status_bytes("VmHWM") - self._start_bytes)
        children = _children_bytes()
        return max(own, children) if children > self._children_bytes else own


def _status_bytes(name: str) -> int:
    """Return resident memory now (VmRSS), or its peak since the last reset (VmHWM)."""
    lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _children_bytes() -> int:
    """Return the peak of the largest of all programs that have ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _give_back_freed() -> None:
    """Return freed memory to the system: work that takes it again would not show."""
    libc = _libc()
    if hasattr(libc, "malloc_trim"):  # glibc
        libc.malloc_trim(0)


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
