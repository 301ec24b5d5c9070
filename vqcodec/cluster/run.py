"""A call for every item, in batches, with retries, and without what failed.

Workers are actors. Each receives the pickled work once, from the object store, and yields the
result of an item as soon as it has one. So it is known which item a worker was at when it ended.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from vqcodec import __version__
from vqcodec.cluster.connection import Cluster, connected, termination_deferred
from vqcodec.cluster.worker import Actor, BugError, Shared
from vqcodec.errors import UsageError, VqcodecError

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_ATTEMPTS = 3  # for each item, where the worker ended or met a bug
BATCH_BYTES = 16 << 20
MAX_BATCH_ITEMS = 64
_WAIT_S = 1.0  # between looks for a signal
_BATCHES_AHEAD = 2  # at each worker: the one that it works on, and the next


def run_on_cluster(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    cluster: Cluster,
    *,
    finished: Callable[[int, Result], None],
    failed: Callable[[int, VqcodecError], None],
    size_of: Callable[[Item], int] = lambda _item: BATCH_BYTES // MAX_BATCH_ITEMS,
    retried: Callable[[Item], Item] = lambda item: item,
    shared: Shared | None = None,
) -> None:
    """Call `work` on every item, in worker processes of a Ray cluster.

    A worker that ends is replaced. The item that it worked on is tried `MAX_ATTEMPTS` times, the
    others of its batch as often as it takes. A failed item does not stop the rest.

    Args:
        work: is pickled once. It has to be importable on every node.
        items: are pickled in batches.
        cluster: where to work. If this process is connected to a cluster, that one is used.
        finished: takes the index of an item and its result. It is called in this process, in the
            order in which results arrive.
        failed: takes the index of an item and its error: the VqcodecError that `work` raised, or
            one that says how the worker ended.
        size_of: returns the bytes of an item; batches have about `BATCH_BYTES`.
        retried: returns the item to use after a worker ended, which may have done all of the work.
        shared: data for the workers.

    Raises:
        UsageError: Ray is not installed, the cluster cannot be reached, or its nodes have another
            version.
        VqcodecError: workers end before they do anything.
    """
    if not items:
        return
    shared_bytes = sum(map(len, shared.data.values())) if shared else 0
    with redirect_stdout(_Nowhere()), connected(cluster, shared_bytes) as (ray, workers, threads):
        run = _Run(ray, items, finished, failed, size_of, retried)
        run.prepare(work, shared, threads)
        run.go(min(workers, len(items)))


class _Nowhere:
    """Takes what Ray prints on stdout, which is for results."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


@dataclass(slots=True)
class _Entry:
    """An item that is not done."""

    index: int
    attempts: int = 0  # that ended with the worker, or with a bug


@dataclass(slots=True)
class _Batch:
    """Entries at a worker, and the stream of their results."""

    entries: deque[_Entry]
    results: Any


@dataclass(slots=True)
class _Worker:
    """An actor; its first reply says that it has started."""

    actor: Any
    greeting: Any
    batches: deque[_Batch] = field(default_factory=deque)
    started: bool = False

    @property
    def next_reply(self) -> Any:
        """What the next result or end of this worker arrives at; None if it has no work."""
        if not self.started:
            return self.greeting
        return self.batches[0].results if self.batches else None


class _Run(Generic[Item, Result]):
    """The state of one call of `run_on_cluster`."""

    def __init__(
        self,
        ray: Any,
        items: Sequence[Item],
        finished: Callable[[int, Result], None],
        failed: Callable[[int, VqcodecError], None],
        size_of: Callable[[Item], int],
        retried: Callable[[Item], Item],
    ) -> None:
        self._ray, self._items = ray, items
        self._finished, self._failed = finished, failed
        self._size_of, self._retried = size_of, retried
        self._waiting = deque(map(_Entry, range(len(items))))
        self._workers: list[_Worker] = []
        self._ends_in_a_row = 0
        self._has_started = False  # a worker, ever

    def prepare(self, work: Callable[[Item], Result], shared: Shared | None, threads: int) -> None:
        """Put the work and the shared data into the object store."""
        put = self._ray.put
        references: dict[str, Any] = {}
        if shared is not None:
            once = {id(data): put(data) for data in shared.data.values()}
            references = {name: once[id(data)] for name, data in shared.data.items()}
        pickled = pickle.dumps((work, shared and shared.begin))
        self._settings = put((pickled, references, threads, str(Path.cwd())))
        actor = self._ray.remote(Actor)
        self._actor = actor.options(num_cpus=threads, scheduling_strategy="SPREAD")

    def go(self, num_workers: int) -> None:
        """Work until every item is finished or has failed."""
        self._workers = [self._new_worker() for _ in range(num_workers)]
        try:
            with termination_deferred() as handle_termination:
                while self._waiting or any(worker.batches for worker in self._workers):
                    self._hand_out()
                    for worker in self._ready():
                        self._receive(worker)
                    handle_termination()
        finally:
            self._workers.clear()  # actors end with their last handle

    def _new_worker(self) -> _Worker:
        actor = self._actor.remote(self._settings)
        return _Worker(actor, actor.greet.remote())

    def _hand_out(self) -> None:
        for worker in self._workers:
            while worker.started and self._waiting and len(worker.batches) < _BATCHES_AHEAD:
                entries = self._next_entries()
                batch = [(entry.index, self._item(entry)) for entry in entries]
                results = worker.actor.process.options(num_returns="streaming").remote(batch)
                worker.batches.append(_Batch(entries, results))

    def _next_entries(self) -> deque[_Entry]:
        """Return the entries of the next batch, at least one; batches become smaller at the end."""
        share = len(self._waiting) // (_BATCHES_AHEAD * 2 * len(self._workers))
        limit, num_bytes = max(1, min(MAX_BATCH_ITEMS, share)), 0
        entries: deque[_Entry] = deque()
        while self._waiting and len(entries) < limit and num_bytes < BATCH_BYTES:
            alone = self._waiting[0].attempts > 0  # it may end the worker
            if alone and entries:
                break
            entries.append(self._waiting.popleft())
            num_bytes += self._size_of(self._items[entries[-1].index])
            if alone:
                break
        return entries

    def _item(self, entry: _Entry) -> Item:
        item = self._items[entry.index]
        return self._retried(item) if entry.attempts else item

    def _ready(self) -> list[_Worker]:
        """Wait for replies, for a second at most, and return the workers that have sent one."""
        replies = {worker.next_reply: worker for worker in self._workers}
        replies.pop(None, None)
        first, rest = self._ray.wait(list(replies), num_returns=1, timeout=_WAIT_S)
        more = self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if rest else []
        return [replies[reply] for reply in (*first, *more)]

    def _receive(self, worker: _Worker) -> None:
        """Take one reply of a worker."""
        try:
            if not worker.started:
                _require_version(self._ray.get(worker.greeting))
                worker.started = self._has_started = True
                return
            outcome = self._ray.get(next(worker.batches[0].results))
        except StopIteration:
            batch = worker.batches.popleft()
            self._waiting.extendleft(reversed(batch.entries))  # nothing, unless results were lost
        except self._ray.exceptions.RayError as error:
            self._replace(worker, error)
        else:
            self._ends_in_a_row = 0
            self._take(worker.batches[0], *outcome)

    def _take(self, batch: _Batch, index: int, result: Any, error: Exception | None) -> None:
        entry = batch.entries.popleft()
        assert entry.index == index
        if error is None:
            self._finished(index, result)
        elif isinstance(error, BugError):
            self._try_again(entry, f"met a bug: {error}")
        else:
            assert isinstance(error, VqcodecError)
            self._failed(index, error)

    def _replace(self, worker: _Worker, error: Exception) -> None:
        """Put the work of a worker that has ended back, and start another worker."""
        reason = _reason(error)
        self._ends_in_a_row += 1
        num_spared = MAX_ATTEMPTS * len(self._workers) if self._has_started else MAX_ATTEMPTS
        if self._ends_in_a_row > num_spared:
            raise VqcodecError(
                f"the workers of the cluster end before they do anything: {reason}"
            ) from error
        with suppress(Exception):  # it may be alive behind a broken connection
            self._ray.kill(worker.actor)
        self._workers[self._workers.index(worker)] = self._new_worker()
        for number, batch in reversed(list(enumerate(worker.batches))):
            suspect = batch.entries.popleft() if number == 0 and batch.entries else None
            self._waiting.extendleft(reversed(batch.entries))
            if suspect is not None:
                self._try_again(suspect, f"ended: {reason}")

    def _try_again(self, entry: _Entry, what: str) -> None:
        entry.attempts += 1
        if entry.attempts < MAX_ATTEMPTS:
            self._waiting.appendleft(entry)
        else:
            self._ends_in_a_row = 0
            text = f"{MAX_ATTEMPTS} workers tried it, and the last one {what}"
            self._failed(entry.index, VqcodecError(text))


def _require_version(version: str) -> None:
    if version != __version__:
        raise UsageError(
            f"--ray: the cluster has vqcodec {version}, and this command is {__version__}"
        )


def _reason(error: Exception) -> str:
    """Return the line of a Ray error that says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    details = [line for line in lines if "exit detail:" in line or "Error:" in line]
    line = (details or lines or [type(error).__name__])[-1]
    return line.rpartition("exit detail: ")[2].partition(". ")[0]
