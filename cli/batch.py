"""One piece of work over many inputs: in processes, with progress, records and a summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer

from vqcodec.errors import UsageError, VqcodecError

from .console import (
    Record,
    complain,
    display_name,
    naming,
    note,
    progress,
    progress_of_many,
    write_json,
)
from .outputs import Found, Outputs, Source, require_distinct
from .paths import STDIO

Report = Callable[[float], None]  # takes the share of one input that is done, 0 … 1


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one input: what its record says, and what the user is told."""

    record: Record
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return bool(self.record["ok"])


Work = Callable[[Source, Report], Done]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """How a command works on its inputs.

    Attributes:
        found: the inputs.
        outputs: where results go.
        suffix_of: returns the suffix of an input's result, or None if the input is unreadable.
        work: does the work on one input; is pickled if there are several jobs.
        verb: what the summary says of inputs that went well.
        jobs: the number of processes; a single job runs in this process.
        skip_existing: whether inputs with a result are left out.
        quiet: whether there is no progress, and no notes.
        as_json: whether a JSON object is printed at the end.
    """

    found: Found
    outputs: Outputs
    suffix_of: Callable[[Source], str | None]
    work: Work
    verb: str
    jobs: int
    skip_existing: bool
    quiet: bool
    as_json: bool

    def run(self) -> None:
        """Work on every input: a failing one is reported and the rest go on.

        With `as_json`, prints {"files": [...], ...} at the end, one record an input; "ok" says
        whether it went well, and a failed one has an "error". Exits with the code of the first
        failure.

        Raises:
            UsageError: options contradict each other, or two inputs would become one file.
        """
        if self.as_json and self.outputs.to_stdout:
            raise UsageError("--json and the result cannot both go to stdout: use -o")
        if self.skip_existing and self.outputs.force:
            raise UsageError("--skip-existing: keeps what -f overwrites; use one of them")
        results: dict[Source, Done] = {}
        targets = self._targets()
        if self.skip_existing:
            results = {
                source: _left_as_it_is(source, target)
                for source, target in targets.items()
                if target != STDIO and Path(target).is_file()
            }
        self._work_on([source for source in self.found.sources if source not in results], results)
        self._conclude([results[source] for source in self.found.sources])

    def _targets(self) -> dict[Source, str]:
        """Return what inputs become, without those of which that is not known before the work."""
        targets: list[tuple[Source, str]] = []
        for source in self.found.sources:
            suffix = "" if self.outputs.has_one_name else self.suffix_of(source)
            if suffix is not None:
                targets.append((source, self.outputs.target(source, suffix)))
        require_distinct(targets)
        return dict(targets)

    def _work_on(self, sources: Sequence[Source], results: dict[Source, Done]) -> None:
        """Add the results of these inputs, and tell the user of each as it comes."""
        attempt, num_before = _Attempt(self.work), len(results)
        with self._progress(sources) as show:

            def finished(index: int, done: Done) -> None:
                results[sources[index]] = done
                if done.ok:
                    for text in done.notes:
                        note(text, quiet=self.quiet)
                else:
                    complain(str(done.record["error"]))

            if min(self.jobs, len(sources)) <= 1:
                for index, source in enumerate(sources):
                    finished(index, attempt(source, partial(_show_share, show, index, source)))
                return
            from vqcodec.pool import run_in_processes  # here: it takes time to import

            def finished_elsewhere(index: int, done: Done) -> None:
                finished(index, done)
                show(len(results) - num_before, sources[index].name)

            try:
                run_in_processes(attempt, sources, self.jobs, finished_elsewhere)
            except VqcodecError as error:  # a process was killed, and its input with it
                left = [source for source in sources if source not in results]
                complain(f"{error}; inputs that are not done: {len(left)}")
                results.update((source, _failed(source, error)) for source in left)

    @contextmanager
    def _progress(self, sources: Sequence[Source]) -> Iterator[Callable[[float, str], None]]:
        """Give a function that takes the number of inputs done and the name of the last one."""
        if len(sources) == 1:
            with progress(display_name(sources[0].name), quiet=self.quiet) as report:
                yield lambda number, _name: report(number)
        else:
            with progress_of_many(len(sources), quiet=self.quiet) as show:
                yield show

    def _conclude(self, results: Sequence[Done]) -> None:
        records = [done.record for done in results]
        num_failed = sum(not done.ok for done in results)
        num_existing = sum("existing" in record for record in records)
        num_done = len(records) - num_failed - num_existing
        if len(records) > 1 or any(source.folder is not None for source in self.found.sources):
            sizes = [
                size for record in records if isinstance(size := record.get("size_bytes"), int)
            ]
            parts = [f"{num_done} {self.verb}"]
            parts += [f"{sum(sizes)} bytes in all"] if sizes else []
            parts += [f"{num_existing} existed already"] if num_existing else []
            parts += [f"{num_failed} failed"] if num_failed else []
            if num_others := self.found.num_other_files:
                parts.append(f"{num_others} other file{'s' * (num_others > 1)} left out")
            note(", ".join(parts), quiet=self.quiet)
        if self.as_json:
            write_json(
                {
                    "files": records,
                    "num_done": num_done,
                    "num_existing": num_existing,
                    "num_failed": num_failed,
                    "num_other_files": self.found.num_other_files,
                }
            )
        exit_code = next((record["exit_code"] for record in records if not record["ok"]), 0)
        if exit_code:
            assert isinstance(exit_code, int)
            raise typer.Exit(exit_code)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Does the work on one input and turns a failure into a record."""

    work: Work

    def __call__(self, source: Source, report: Report = lambda _share: None) -> Done:
        try:
            with naming(source.name):
                done = self.work(source, report)
        except VqcodecError as error:
            return _failed(source, error)
        record = {"input": display_name(source.name), "ok": True, **done.record}
        return Done(record, done.notes)


def _failed(source: Source, error: VqcodecError) -> Done:
    record = {"input": display_name(source.name), "ok": False, "error": str(error)}
    return Done({**record, "exit_code": error.exit_code})


def _left_as_it_is(source: Source, target: str) -> Done:
    record = {"input": display_name(source.name), "ok": True, "output": target}
    return Done({**record, "existing": True})


def _show_share(
    show: Callable[[float, str], None], num_done: int, source: Source, share: float
) -> None:
    show(num_done + share, display_name(source.name))
