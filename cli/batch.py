"""One piece of work over many inputs: in processes, or on a cluster; with records and a summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import typer

from vqcodec.errors import UsageError, VqcodecError
from vqcodec.url_schemes import IN_PROCESS
from vqcodec.urls import is_url, scheme_of

from .attempt import Attempt, Done, Work, failed, failed_at, left_as_it_is
from .console import (
    Record,
    complain,
    display_name,
    note,
    on_others,
    progress,
    progress_of_many,
    write_json,
)
from .manifest import Manifest
from .outputs import Found, Outputs, Source, existing, require_distinct
from .paths import STDIO, identity

_GUESSED_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """How a command works on its inputs.

    Attributes:
        found: the inputs.
        outputs: where results go.
        suffix_of: returns the suffix of an input's result, or None if the input is unreadable.
        work: does the work on one input; is pickled if there are several jobs.
        verb: what the summary says of inputs that went well.
        jobs: the number of processes; a single job runs in this process. None means one; on a
            cluster, as many as it has CPUs.
        quiet: whether there is no progress, and no notes.
        as_json: whether a JSON object is printed at the end.
        ray: the address of the Ray cluster that does the work; None for this machine.
        model: the name of the model that the work loads, if one is named.
        also_read: other files that the work reads.
        manifest: the file with a record of every input; what it has is not done again.
    """

    found: Found
    outputs: Outputs
    suffix_of: Callable[[Source], str | None]
    work: Work
    verb: str
    jobs: int | None
    quiet: bool
    as_json: bool
    ray: str | None = None
    model: str | None = None
    also_read: tuple[str | None, ...] = ()
    manifest: str | None = None

    def run(self) -> None:
        """Work on every input: a failing one is reported and the rest go on.

        With `as_json`, prints {"files": [...], ...} at the end, one record an input; "ok" says
        whether it went well, and a failed one has an "error". Exits with the code of the first
        failure.

        Raises:
            UsageError: options contradict each other, or two inputs would become one file.
        """
        self._check_options()
        results: dict[Source, Done] = {}
        targets = self._targets()
        manifest = None
        sources = list(self.found.sources)
        if self.manifest is not None:
            settings = repr((self.verb, getattr(self.work, "__self__", self.work)))
            manifest = Manifest(self.manifest, settings)
            earlier = manifest.read()
            if earlier is not None:
                results = _finished(earlier, sources)
                sources = [replace(source, retried=True) for source in sources]
            manifest.begin()
        if self.outputs.skip_existing:
            found = existing(targets.values())
            results |= {
                source: left_as_it_is(source, target)
                for source, target in targets.items()
                if target in found and source not in results
            }
        try:
            left = [source for source in sources if source not in results]
            self._work_on(left, results, manifest)
        except (KeyboardInterrupt, SystemExit):
            self._tell_of_the_stop(len(results))
            raise
        finally:
            if manifest is not None:
                manifest.close()
        self._conclude([results[source] for source in self.found.sources])

    def _tell_of_the_stop(self, num_done: int) -> None:
        """Say how much a command that was stopped has done, and how it goes on."""
        total = len(self.found.sources)
        if total > 1 and not self.quiet:
            how = f"--manifest {self.manifest}" if self.manifest else "--skip-existing"
            complain(f"stopped: {num_done} of {total} inputs are done; {how} goes on from there")

    def _check_options(self) -> None:
        if self.as_json and self.outputs.to_stdout:
            raise UsageError("--json and the result cannot both go to stdout: use -o")
        if self.outputs.skip_existing and self.outputs.force:
            raise UsageError("--skip-existing: keeps what -f overwrites; use one of them")
        names = [source.name for source in self.found.sources]
        for option, value in (("--ray", self.ray), ("--manifest", self.manifest)):
            if value is not None and (STDIO in names or self.outputs.to_stdout):
                raise UsageError(f"{option}: works on files, not on stdin or stdout")
        if self.ray is not None or (self.jobs or 1) > 1:
            for name in (*names, self.outputs.output or ""):
                if is_url(name) and scheme_of(name) == IN_PROCESS:
                    raise UsageError(
                        f"{name}: exists in one process only; leave out --jobs and --ray"
                    )

    def _targets(self) -> dict[Source, str]:
        """Return what inputs become, without those of which that is not known before the work."""
        targets: list[tuple[Source, str]] = []
        unknown: list[Source] = []
        for source in self.found.sources:
            suffix = "" if self.outputs.has_one_name else self.suffix_of(source)
            if suffix is not None:
                targets.append((source, self.outputs.target(source, suffix)))
            elif source.name != STDIO:
                unknown.append(source)
        require_distinct(targets, (self.model, *self.also_read))
        if self.manifest is not None and identity(self.manifest) in map(
            identity, (target for _, target in targets)
        ):
            raise UsageError(f"--manifest {self.manifest}: an input would become this file")
        self._require_other_stems(unknown)
        return dict(targets)

    def _require_other_stems(self, unknown: Sequence[Source]) -> None:
        """Check that results with unknown suffixes have other names than all other results.

        Raises:
            UsageError: two results may have the same name.
        """
        if not unknown:
            return
        of_stems: dict[str, list[Source]] = {}
        for source in self.found.sources:
            if source.name != STDIO:
                of_stems.setdefault(self.outputs.target(source, ""), []).append(source)
        for stem, sources in of_stems.items():
            if len(sources) > 1 and not set(sources).isdisjoint(unknown):
                require_distinct([(source, stem) for source in sources])

    def _work_on(
        self, sources: Sequence[Source], results: dict[Source, Done], manifest: Manifest | None
    ) -> None:
        """Add the results of these inputs, and tell the user of each as it comes."""
        attempt, num_before = Attempt(self.work), len(results)
        with self._progress(sources) as show:

            def finished(index: int, done: Done) -> None:
                if manifest is not None and "existing" not in done.record:
                    manifest.append(done.record)
                results[sources[index]] = done if self.as_json else done.brief()
                if done.ok:
                    for text in done.notes:
                        note(text, quiet=self.quiet)
                else:
                    complain(str(done.record["error"]))

            if self.ray is None and min(self.jobs or 1, len(sources)) <= 1:
                for index, source in enumerate(sources):
                    finished(index, attempt(source, partial(_show_share, show, index, source)))
                return

            def finished_elsewhere(index: int, done: Done) -> None:
                finished(index, done)
                show(len(results) - num_before, sources[index].name)

            if self.ray is not None:
                self._work_on_cluster(self.ray, attempt, sources, finished_elsewhere)
                return
            from vqcodec.pool import run_in_processes  # here: it takes time to import

            try:
                run_in_processes(attempt, sources, self.jobs or 1, finished_elsewhere)
            except VqcodecError as error:  # a process was killed, and its input with it
                left = [source for source in sources if source not in results]
                complain(f"{error}; inputs that are not done: {len(left)}")
                results.update((source, failed(source, error)) for source in left)

    def _work_on_cluster(
        self,
        address: str,
        attempt: Attempt,
        sources: Sequence[Source],
        finished: Callable[[int, Done], None],
    ) -> None:
        from vqcodec.cluster.connection import Cluster
        from vqcodec.cluster.run import run_on_cluster

        from .models import shared_models

        run_on_cluster(
            attempt,
            sources,
            Cluster(address=address, workers=self.jobs),
            finished=finished,
            failed=lambda index, error: finished(index, failed_at(sources[index], error)),
            size_of=_size_bytes,
            retried=lambda source: replace(source, retried=True),
            shared=shared_models(self.model),
        )

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
            parts += on_others(self.found.other_files)
            note(", ".join(parts), quiet=self.quiet)
        if self.as_json:
            write_json(
                {
                    "files": records,
                    "num_done": num_done,
                    "num_existing": num_existing,
                    "num_failed": num_failed,
                    "num_other_files": len(self.found.other_files),
                    "other_files": list(self.found.other_files),
                }
            )
        exit_code = next((record["exit_code"] for record in records if not record["ok"]), 0)
        if exit_code:
            assert isinstance(exit_code, int)
            raise typer.Exit(exit_code)


def _finished(earlier: Mapping[str, Record], sources: Sequence[Source]) -> dict[Source, Done]:
    """Return what an earlier run has finished, and what is still there."""
    found = {}
    for source in sources:
        record = earlier.get(source.name)
        if record is None or not record["ok"]:
            continue
        if _known_bytes(source) in (None, record.get("input_bytes")):
            found[source] = Done({**record, "existing": True})
    there = existing({str(done.record["output"]) for done in found.values()})
    return {source: done for source, done in found.items() if done.record["output"] in there}


def _known_bytes(source: Source) -> int | None:
    """Return the size of an input; None if it is not known without a request."""
    if source.size_bytes is not None or is_url(source.name):
        return source.size_bytes
    try:
        return Path(source.name).stat().st_size
    except OSError:
        return None


def _size_bytes(source: Source) -> int:
    size_bytes = _known_bytes(source)
    return _GUESSED_BYTES if size_bytes is None else size_bytes


def _show_share(
    show: Callable[[float, str], None], num_done: int, source: Source, share: float
) -> None:
    show(num_done + share, display_name(source.name))
