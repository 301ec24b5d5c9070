"""Integer layers on several cores: blocks of positions, by threads of our own.

Threads of a BLAS library wait for their next product in a busy loop, on cores that networks want,
and help with products alone. A block goes through a layer as a whole, sums and clamps included.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

from vqcodec.cores import num_threads

_LEAST_POSITIONS = 64  # of a block; fewer are done sooner than a thread is woken


def in_blocks(work: Callable[[slice], None], num_rows: int, row_size: int) -> None:
    """Call `work` on blocks of rows, side by side, until all are done.

    Args:
        work: takes a block, and lets no other block depend on it.
        num_rows: rows of positions.
        row_size: positions of a row.
    """
    count = max(1, min(num_threads(), num_rows, num_rows * row_size // _LEAST_POSITIONS))
    bounds = [num_rows * number // count for number in range(count + 1)]
    blocks = [slice(*ends) for ends in itertools.pairwise(bounds)]
    others = [_pool().submit(work, block) for block in blocks[1:]]
    work(blocks[0])
    for other in others:
        other.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, num_threads()), thread_name_prefix="vqcodec")


class _SingleThread:
    """Keeps the products of NumPy on one thread for as long as anybody wants it.

    The setting is one for the whole process, so that overlapping uses share it: the first sets it
    and the last restores it.
    """

    def __init__(self) -> None:
        self._lock, self._users, self._limit = Lock(), 0, ExitStack()

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
    """Return the control of the libraries that multiply for NumPy."""
    return ThreadpoolController().select(user_api="blas")


single_threaded = _SingleThread()
