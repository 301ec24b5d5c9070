"""Integer layers on several cores: a thread for each segment, or for blocks of positions of one.

A BLAS library's threads wait in a busy loop, which takes cores from the networks, and they run
matrix products only. These threads run whole layers, including sums and clamps.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import local
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from vqcodec.cores import call_in_forks, lock_for_forks, num_threads

_LEAST_POSITIONS = 64  # of a thread; for fewer, waking it costs more than it saves
_MOST_POSITIONS = 512  # of a block; the numbers of more leave the caches of a core

Item = TypeVar("Item")
Result = TypeVar("Result")
_this_thread = local()  # `has_segment`: whether a thread has a whole segment to work on


def in_threads(work: Callable[[Item], Result], segments: Sequence[Item]) -> list[Result]:
    """Return the results of `work` for each of some segments, which share the cores."""
    if len(segments) < 2 or num_threads() < 2:
        return [work(segment) for segment in segments]
    return list(_pool_of_segments().map(work, segments))


@functools.cache
def _pool_of_segments() -> ThreadPoolExecutor:
    def begin() -> None:
        _this_thread.has_segment = True

    return ThreadPoolExecutor(num_threads(), "vqcodec segment", initializer=begin)


def in_blocks(work: Callable[[slice], None], num_rows: int, row_size: int) -> None:
    """Call `work` on small blocks of rows, on several threads; return when all are done.

    Args:
        work: takes a block; blocks must be independent.
        num_rows: rows of positions.
        row_size: positions per row.
    """
    count = 1
    if not getattr(_this_thread, "has_segment", False):
        count = max(1, min(num_threads(), num_rows, num_rows * row_size // _LEAST_POSITIONS))
    step = max(1, _MOST_POSITIONS // max(1, row_size))

    def work_on(first: int, last: int) -> None:
        for start in range(first, last, step):
            work(slice(start, min(start + step, last)))

    bounds = [num_rows * number // count for number in range(count + 1)]
    shares = list(itertools.pairwise(bounds))
    others = [_pool().submit(work_on, *share) for share in shares[1:]]
    work_on(*shares[0])
    for other in others:
        other.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, num_threads()), thread_name_prefix="vqcodec")


# A forked process has none of its parent's threads.
call_in_forks(_pool_of_segments.cache_clear)
call_in_forks(_pool.cache_clear)


class _SingleThread:
    """Limits NumPy's matrix products to one thread while any context is open.

    The limit applies to the whole process, so overlapping contexts share it: the first context sets
    the limit and the last one restores the old value.
    """

    def __init__(self) -> None:
        self._lock, self._users, self._limit = lock_for_forks(), 0, ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._users:
                self._limit.enter_context(_blas().limit(limits=1))
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._limit.close()


@functools.cache
def _blas() -> Any:
    """Return the controller of the BLAS libraries."""
    return ThreadpoolController().select(user_api="blas")


single_threaded = _SingleThread()
