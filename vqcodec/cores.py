"""Numbers of cores and threads, and what threads and forks share."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from threading import RLock
from typing import Any

_MOST_HEAPS = -8  # M_ARENA_MAX of glibc's malloc.h
_MOST_DIGITS, _MOST_PER_CORE, _LEAST_CORES = 10, 4, 4  # of OMP_NUM_THREADS
_CAN_FORK = hasattr(os, "register_at_fork")  # not on Windows


def num_threads() -> int:
    """Return the thread count: OMP_NUM_THREADS if it is set, the number of cores otherwise.

    It is four times the number of cores of the machine at most, or 16 on a small one.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if not (wanted.isdecimal() and len(wanted) < _MOST_DIGITS and int(wanted)):
        return num_cores()
    return min(int(wanted), _MOST_PER_CORE * max(_LEAST_CORES, os.cpu_count() or 1))


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lock_for_forks() -> Any:
    """Return a reentrant lock that no other thread holds while the process is forked.

    Otherwise a child would wait forever for a thread that exists in its parent only.
    """
    lock = RLock()
    if _CAN_FORK:
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock


def call_in_forks(function: Callable[[], object]) -> None:
    """Call a function in every process that is forked from this one, before anything else."""
    if _CAN_FORK:
        os.register_at_fork(after_in_child=function)


def share_one_heap() -> None:
    """Let all threads of this process allocate from one heap, where the C library has several.

    With a heap for each thread, a process keeps freed memory several times. It then takes a tenth
    more for a large picture.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(_MOST_HEAPS, 1)
