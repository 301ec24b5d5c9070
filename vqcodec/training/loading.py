"""Batches that are loaded by threads while the training computes.

Threads rather than processes: decoders of pictures and sounds release Python's lock, all threads
share one cache, and memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from vqcodec.cores import num_cores
from vqcodec.networks.processes import num_processes

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
MOST_DEFAULT_WORKERS = 8


def map_in_threads(function: Callable[[Item], Loaded], items: Iterable[Item]) -> list[Loaded]:
    """Return the results of a function for all items, in their order; it is for reading files.

    An exception ends the work: that of the first item in their order is raised.
    """
    threads = ThreadPoolExecutor(num_cores(), "reader")
    try:
        return list(threads.map(function, items))
    finally:
        threads.shutdown(cancel_futures=True)


class Loader(Generic[Loaded]):
    """Gives the batch of a step, and has threads load those of the next steps.

    A batch depends on its step alone, so that the number of threads changes no result.
    """

    def __init__(self, load: Callable[[int], Loaded], workers: int | None) -> None:
        """Take the function that loads the batch of a step, and the number of threads.

        Without threads (0), a batch is loaded when it is needed. None is half of the cores.
        """
        if workers is None:
            workers = max(1, min(MOST_DEFAULT_WORKERS, num_cores() // (2 * num_processes())))
        self._load, self._ahead, self.workers = load, workers + 1, workers
        self._threads = ThreadPoolExecutor(workers, "loader") if workers else None
        self._coming: dict[int, Future[Loaded]] = {}

    def __call__(self, step: int) -> Loaded:
        """Return the batch of a step.

        Raises:
            InputError: a file of the batch cannot be read.
        """
        if self._threads is None:
            return self._load(step)
        self._coming = {s: batch for s, batch in self._coming.items() if s >= step}
        for coming in range(step, step + self._ahead):
            if coming not in self._coming:
                self._coming[coming] = self._threads.submit(self._load, coming)
        return self._coming.pop(step).result()

    def describe(self) -> str:
        """Return who loads, for the log."""
        if not self.workers:
            return "batches are loaded by the training itself"
        threads = "1 thread loads" if self.workers == 1 else f"{self.workers} threads load"
        return f"{threads} up to {self._ahead} batches ahead"

    def close(self) -> None:
        """End the threads, after the batches that they are loading."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._coming = {}
