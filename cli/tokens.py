"""`vqcodec tokens`: indices of many files in Parquet or WebDataset shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from vqcodec.errors import InputError, OutputError, UsageError, VqcodecError
from vqcodec.files import as_text
from vqcodec.numbers import counted
from vqcodec.urls import relative_parts

from .console import (
    Record,
    complain,
    display_name,
    naming,
    note,
    note_lines,
    note_records,
    on_others,
    progress_of_many,
    write_json,
)
from .hints import refuse_stream
from .models import load_model, shared_models
from .options import (
    Device,
    Force,
    Jobs,
    Json,
    ModelName,
    Quality,
    Quiet,
    Ray,
    require_cpu,
    require_quality,
)
from .outputs import Found, Source, find_sources
from .paths import STDIO, check_target, open_source, require_apart

if TYPE_CHECKING:
    from vqcodec.notes import Note
    from vqcodec.tokens.entry import Tokens
    from vqcodec.tokens.shards import Shard


def tokens(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="Files, folders or URLs."),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Shards to write: words.tar gives words-00000.tar, ... (WebDataset), and "
            "words.parquet gives words-00000.parquet, ...",
        ),
    ],
    model: ModelName = None,
    quality: Quality = None,
    files_per_shard: Annotated[
        int, typer.Option(metavar="N", min=1, help="Files in one shard.")
    ] = 256,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep shards that are complete, and write the others.")
    ] = False,
    jobs: Jobs = None,
    ray: Ray = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Write the indices of sounds or pictures to shards.

    Language models can use the indices as tokens. The inputs are all sounds or all pictures.
    Sounds are mixed down to one channel; models such as `audio` keep two. `vqcodec.tokens` reads
    shards in Python.
    """
    from vqcodec.signals.suffixes import SIGNAL_SUFFIXES
    from vqcodec.tokens.parquet import require_pyarrow
    from vqcodec.tokens.shards import plan_shards, require_no_more_shards

    require_cpu(ray, device)
    if resume and force:
        raise UsageError("--resume: keeps what -f overwrites; use one of them")
    if STDIO in inputs:
        raise UsageError("-: tokens are made of files and folders, not of stdin")
    found = find_sources(inputs, SIGNAL_SUFFIXES, left_out=None)
    files = [(source.name, _entry_name(source)) for source in found.sources]
    shards = plan_shards(files, output, files_per_shard)
    require_no_more_shards(output, len(shards))
    if output.endswith(".parquet"):
        require_pyarrow()
    work = _Work(
        model_name=model or _usual_model((name for name, _ in files), quiet=quiet),
        quality=require_quality(quality),
        device=device,
        overwrite=force or resume,
    )
    kept = [shard for shard in shards if resume and work.is_complete(shard)]
    left = [shard for shard in shards if shard not in kept]
    for shard in left:
        check_target(shard.name, force=force or resume)
    require_apart((shard.name for shard in left), (model, *(name for name, _ in files)))
    records = _write(left, work, jobs=jobs, ray=ray, quiet=quiet)
    _conclude(shards, kept, records, found, quiet=quiet, as_json=as_json)


def _entry_name(source: Source) -> str:
    """Return a file's name in entries: relative to the folder on the command line, as text."""
    try:
        return as_text("/".join(relative_parts(source.name, source.folder)))
    except ValueError as error:
        raise InputError(f"{source.name}: leads out of its folder") from error


def _usual_model(names: Iterable[str], *, quiet: bool) -> str:
    """Return the model that `compress` takes for the first file that can be read; tell the reason.

    Raises:
        InputError: none of the files can be read.
    """
    from vqcodec.codec.zoo import choose_model
    from vqcodec.signals.files import open_signal

    failures = []
    for name in names:
        try:
            with naming(name), open_source(name) as file:
                choice = choose_model(open_signal(file, display_name(name)))
        except InputError as error:
            failures.append(error)
            continue
        if choice.note:
            for line in note_lines([choice.note], display_name(name)):
                note(line, quiet=quiet)
        return choice.name
    raise failures[0]


@dataclass(frozen=True, slots=True)
class _Failure:
    file: str
    error: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class _Written:
    """What came of one shard."""

    path: str
    num_files: int
    num_tokens: int
    failures: tuple[_Failure, ...]
    notes: tuple[tuple[str, Note], ...] = ()  # with the names of their files


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """The settings that all shards share; it is pickled for other processes."""

    model_name: str
    quality: float
    device: str
    overwrite: bool

    def is_complete(self, shard: Shard) -> bool:
        """Return whether a shard is there with all its files."""
        model = load_model(self.model_name, self.device)
        return shard.is_complete(model.fingerprint, model.rate_of(self.quality))

    def __call__(self, shard: Shard) -> _Written:
        """Write a shard; files that cannot be read are left out and told.

        A shard without any file is not written; one that cannot be written is told, too.
        """
        failures: list[_Failure] = []
        notes: list[tuple[str, Note]] = []
        entries = list(self._entries(shard, failures, notes))
        try:
            if entries:
                shard.write(entries, overwrite=self.overwrite)
        except OutputError as error:
            entries = []
            failures.append(_Failure(shard.name, str(error), error.exit_code))
        num_tokens = sum(each.indices.size for each in entries)
        return _Written(shard.name, len(entries), num_tokens, tuple(failures), tuple(notes))

    def on_cluster(self, item: tuple[Shard, bool]) -> _Written:
        """Write a shard; a worker that ended may have written it already, if so it is told."""
        shard, again = item
        return replace(self, overwrite=self.overwrite or again)(shard)

    def _entries(
        self, shard: Shard, failures: list[_Failure], notes: list[tuple[str, Note]]
    ) -> Iterator[Tokens]:
        from vqcodec.tokens.making import encode_file

        model = load_model(self.model_name, self.device)
        for path, name in shard.files:
            try:
                of_file: list[Note] = []
                with naming(path), open_source(path) as file:
                    refuse_stream(file, display_name(path))
                    made = encode_file(
                        file,
                        model,
                        quality=self.quality,
                        name=display_name(path),
                        on_note=of_file.append,
                    )
                    yield replace(made, file=name)
                notes += [(display_name(path), each) for each in of_file]
            except VqcodecError as error:
                failures.append(_Failure(display_name(path), str(error), error.exit_code))


def _write(
    shards: Sequence[Shard], work: _Work, *, jobs: int | None, ray: str | None, quiet: bool
) -> list[_Written]:
    """Write shards: in this process, in several, or on a cluster."""
    records: list[_Written] = []
    with progress_of_many(len(shards), quiet=quiet) as show:

        def finished(_index: int, written: _Written) -> None:
            records.append(written)
            for file, found in written.notes:
                for line in note_lines([found], file):
                    note(line, quiet=quiet)
            for failure in written.failures:
                complain(failure.error)
            show(len(records), written.path)

        def failed(index: int, error: VqcodecError) -> None:
            name = shards[index].name
            failure = _Failure(name, f"{name}: not written: {error}", error.exit_code)
            finished(index, _Written(name, 0, 0, (failure,)))

        if ray is not None:
            from vqcodec.cluster.connection import Cluster
            from vqcodec.cluster.run import run_on_cluster

            run_on_cluster(
                work.on_cluster,
                [(shard, False) for shard in shards],
                Cluster(address=ray, workers=jobs),
                finished=finished,
                failed=failed,
                retried=lambda item: (item[0], True),
                size_of=lambda _item: 1 << 30,  # one shard at a time
                shared=shared_models(work.model_name),
            )
        elif min(jobs or 1, len(shards)) <= 1:
            for index, shard in enumerate(shards):
                finished(index, work(shard))
        else:
            from vqcodec.pool import run_in_processes  # here: it takes time to import

            run_in_processes(work, shards, jobs or 1, finished)
    return sorted(records, key=lambda written: written.path)


def _conclude(
    shards: Sequence[Shard],
    kept: Sequence[Shard],
    records: Sequence[_Written],
    found: Found,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Tell what was written; exit with the code of the first failure."""
    failures = [failure for written in records for failure in written.failures]
    num_files = sum(written.num_files for written in records)
    num_tokens = sum(written.num_tokens for written in records)
    num_written = sum(written.num_files > 0 for written in records)
    parts = [counted(num_files, "file"), counted(num_tokens, "token")]
    parts += [f"{num_written} of {counted(len(shards), 'shard')}"]
    parts += [f"{counted(len(kept), 'complete shard')} kept"] if kept else []
    parts += [f"{counted(len(failures), 'file')} failed"] if failures else []
    note(", ".join([*parts, *on_others(found.other_files)]), quiet=quiet)
    if as_json:
        result: Record = {
            "shards": [
                {
                    "path": written.path,
                    "num_files": written.num_files,
                    "num_tokens": written.num_tokens,
                }
                for written in records
            ],
            "kept": [shard.name for shard in kept],
            "failed": [
                {"input": f.file, "error": f.error, "exit_code": f.exit_code} for f in failures
            ],
            "notes": [
                {"input": file, **record}
                for written in records
                for file, each in written.notes
                for record in note_records([each])
            ],
            "num_files": num_files,
            "num_tokens": num_tokens,
            "other_files": list(found.other_files),
        }
        write_json(result)
    if failures:
        raise typer.Exit(failures[0].exit_code)
