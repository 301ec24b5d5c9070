"""A pool of processes that share the thread count equally.

`concurrent.futures.ProcessPoolExecutor` does not fit, for three reasons: running work goes on
after Ctrl-C, the signal that ended a process is not reported, and processes survive when their
parent is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from vqcodec.cores import num_threads
from vqcodec.errors import VqcodecError
from vqcodec.interrupts import handle_ends, uninterrupted

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_DEFAULT_JOBS = 8  # each process loads Python and the models
_MIN_ITEMS = 4  # for each process: a process takes a second to start
_GRACE_S = 60.0  # from SIGTERM to SIGKILL: a busy disk can take that long to flush a file
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def default_jobs(num_items: int) -> int:
    """Return the default number of processes for `num_items` items: at most one for each thread."""
    return max(1, min(num_threads(), MAX_DEFAULT_JOBS, num_items // _MIN_ITEMS))


@dataclass(frozen=True, slots=True)
class _Worker:
    process: SpawnProcess
    channel: Connection


def run_in_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    finished: Callable[[int, Result], None],
) -> None:
    """Call `work` on every item; the next item goes to the first process that is free.

    The processes are spawned, not forked: threads and accelerators do not survive a fork. They
    share the thread count equally and ignore Ctrl-C. All processes have ended when this function
    returns or raises.

    Args:
        work: is pickled once and sent to every process.
        items: are pickled one by one.
        jobs: the number of processes, at least 1.
        finished: takes the index of an item and its result. It is called in this process, in the
            order in which results arrive.

    Raises:
        VqcodecError: `work` raised it (the first one counts), or a signal ended a process.
        RuntimeError: `work` raised something else; its traceback is on stderr.
    """
    waiting = iter(enumerate(items))
    workers: list[_Worker] = []
    held: dict[Connection, int] = {}  # channel of a process -> index of the item it works on
    try:
        _start(workers, pickle.dumps(work), min(jobs, len(items)))
        processes = {worker.channel: worker.process for worker in workers}
        for channel in processes:
            _hand_over(channel, waiting, held)
        while held:
            for ready in connection.wait(list(held)):
                assert isinstance(ready, Connection)
                index = held.pop(ready)
                outcome = _receive(ready, processes[ready])
                _hand_over(ready, waiting, held)
                finished(index, outcome)
    finally:
        _end(workers)


def _start(workers: list[_Worker], work: bytes, jobs: int) -> None:
    """Start processes and add them to the list, so that a failure half-way leaves none behind."""
    context = get_context("spawn")
    resource_tracker.ensure_running()  # if it started later, it would unblock interrupts
    with _environment(max(1, num_threads() // max(1, jobs))), _interrupts_blocked():
        for _ in range(jobs):
            with uninterrupted():  # a process that gets half of its work prints a traceback
                channel, far_end = context.Pipe()
                process = context.Process(target=_serve, args=(far_end, work), daemon=True)
                process.start()
                far_end.close()  # so that the channel closes when the process ends
                workers.append(_Worker(process, channel))


def _hand_over(
    channel: Connection, waiting: Iterator[tuple[int, Item]], held: dict[Connection, int]
) -> None:
    """Send the next item, if any is left, and record its index in `held`."""
    for index, item in waiting:
        held[channel] = index
        with suppress(ConnectionError):  # the process has ended: `_receive` reports that
            channel.send(item)
        return


def _receive(channel: Connection, process: SpawnProcess) -> Any:
    """Return the result that a process sends, or raise its error."""
    try:
        outcome = channel.recv()
    except (EOFError, ConnectionResetError) as error:
        process.join()
        status = process.exitcode
        if status is not None and status < 0:
            raise VqcodecError(
                f"a process was ended by {signal.Signals(-status).name}; "
                "fewer jobs at once need less memory"
            ) from error
        raise RuntimeError(f"a process ended with exit status {status}") from error
    if isinstance(outcome, VqcodecError):
        raise outcome
    return outcome


def _end(workers: Sequence[_Worker]) -> None:
    """End all processes and wait for them; a second Ctrl-C meanwhile kills them."""
    for worker in workers:
        worker.channel.close()
        worker.process.terminate()
    try:
        deadline_s = time.monotonic() + _GRACE_S
        for worker in workers:
            worker.process.join(max(0.0, deadline_s - time.monotonic()))
    finally:
        for worker in workers:
            worker.process.kill()  # does nothing to a process that has ended
            worker.process.join()


def _serve(channel: Connection, work: bytes) -> None:
    """The main function of a process: work on items until the channel closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handle_ends()
    try:
        function = pickle.loads(work)
        while True:
            try:
                item = channel.recv()
            except (EOFError, ConnectionError):  # no more items, or the parent was killed
                return
            try:
                outcome = function(item)
            except VqcodecError as error:
                outcome = error
            try:
                channel.send(outcome)
            except ConnectionError:  # the parent was killed
                return
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # do not raise while the process ends


@contextmanager
def _environment(num_threads: int) -> Iterator[None]:
    """Set the thread count of processes that are started in this block."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(num_threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Let processes that are started in this block ignore Ctrl-C, which this process handles.

    This process receives a Ctrl-C only after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows: `_serve` ignores Ctrl-C a little later
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
