"""`vqcodec eval`: real sizes and qualities over folders of files."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqcodec.errors import InputError, MissingCodecError, UsageError
from vqcodec.files import as_text
from vqcodec.numbers import counted
from vqcodec.urls import is_url

from .console import complain, note, progress_of_many, write_json, write_stdout
from .copies import LocalCopies
from .eval_inputs import Files, find_by_modality, readable_files
from .eval_outputs import build_object, build_records, check_outputs, keeps_journal, require_curve
from .models import load_model
from .options import (
    Device,
    Force,
    Frame,
    Json,
    ModelName,
    NoIcc,
    Quiet,
    Ray,
    Salvage,
    SkipBad,
    require_cpu,
    require_quality,
)
from .paths import open_target, require_apart

if TYPE_CHECKING:
    from vqcodec.cluster.connection import Cluster
    from vqcodec.codec.model import Model
    from vqcodec.evaluation.baseline import Baseline
    from vqcodec.evaluation.record import Record
    from vqcodec.evaluation.report.comparison import Comparison
    from vqcodec.evaluation.run import Task
    from vqcodec.signals.options import ReadOptions

MODALITIES: tuple[Literal["image", "audio"], ...] = ("image", "audio")


def evaluate_folders(
    *,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="DIR...", help="Folders of sounds or pictures, or files; or URLs."),
    ],
    model: ModelName = None,
    quality: Annotated[
        str, typer.Option(metavar="LIST", help="Qualities to measure, e.g. 1,3,5,8.")
    ] = "5",
    against: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Other codecs to compare with, e.g. jpeg,webp; each at its own settings.",
        ),
    ] = "",
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write all records to FILE: .jsonl, .csv or .md."
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A page with plots, tables, pictures and sounds, as .html."
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rate-distortion curves, as .png, .svg or .pdf."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Keep the records in -o FILE.jsonl, and measure the rest."),
    ] = False,
    skip_bad: SkipBad = False,
    salvage: Salvage = False,
    no_icc: NoIcc = False,
    frame: Frame = 0,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Number of parallel processes. Default: one per core, at most 8.",
        ),
    ] = None,
    ray: Ray = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Measure sizes, quality and times on whole folders.

    All inputs are read before the first is measured, and each that cannot be read is named.
    """
    from vqcodec.cluster.connection import LOCAL, Cluster
    from vqcodec.evaluation.record import mean_records
    from vqcodec.evaluation.table import build_summary
    from vqcodec.pool import default_jobs
    from vqcodec.signals.options import ReadOptions
    from vqcodec.signals.suffixes import SIGNAL_SUFFIXES

    require_cpu(ray, device)
    qualities = _parse_qualities(quality)
    check_outputs(output, report, plot, force=force, resume=resume)
    baselines, missing = _baselines(against)
    reading = ReadOptions(salvage=salvage, keep_profile=not no_icc, frame=frame)
    if ray not in (None, LOCAL) and any(map(is_url, sources)):
        raise UsageError(
            "--ray: other machines do not have the copies of URLs; name shared folders"
        )
    copies = LocalCopies(sources, SIGNAL_SUFFIXES)
    files = readable_files(find_by_modality(copies.paths), reading, skip_bad=skip_bad, quiet=quiet)
    missing += _missing_metrics(files, quiet=quiet)
    named = [str(path) for paths in files.values() for path in paths]
    require_apart(filter(None, (output, report, plot)), (*sources, *named, model))
    models = _models(model, files, device, reading, quiet=quiet)
    tasks = _tasks(files, models, baselines, qualities, reading)
    if plot is not None:
        require_curve(tasks)
    cluster = None if ray is None else Cluster(address=ray, workers=jobs)
    if jobs is None:
        jobs = default_jobs(len(tasks)) if device == "cpu" else 1
    records, gone = _measure(tasks, output, jobs=jobs, cluster=cluster, resume=resume, quiet=quiet)
    files = {key: [path for path in paths if path not in gone] for key, paths in files.items()}
    means = mean_records(records)
    if output is not None:
        with open_target(output, force=force or keeps_journal(output)) as file:
            file.write(as_text(build_records(records, means, Path(output).suffix)).encode())
    if report is not None:
        from vqcodec.evaluation.report.page import build_page

        middle = sorted(qualities)[len(qualities) // 2]
        comparisons = [
            _compare(loaded, baselines, files, records, middle, reading) for loaded in models
        ]
        page = build_page(comparisons, missing)
        with open_target(report, force=force or resume) as file:
            file.write(page)
    if plot is not None:
        from vqcodec.evaluation.plot import build_plots

        drawing = build_plots(records, Path(plot).suffix)
        with open_target(plot, force=force or resume) as file:
            file.write(drawing)
    if as_json:
        write_json(build_object(records, means))
    else:
        write_stdout(build_summary(records, means))
    if gone and not skip_bad:
        raise InputError(f"inputs that could not be measured: {len(gone)}")


def _baselines(against: str) -> tuple[list[Baseline], list[str]]:
    """Return the codecs of the list that are installed, and how to get each of the others."""
    from vqcodec.evaluation.baselines import load_baseline

    found, missing = [], []
    for name in filter(None, map(str.strip, against.split(","))):
        try:
            found.append(load_baseline(name))
        except MissingCodecError as error:
            complain(str(error))
            missing.append(str(error))
    return found, missing


def _compare(
    model: Model,
    baselines: Sequence[Baseline],
    files: Files,
    records: Sequence[Record],
    quality: float,
    reading: ReadOptions,
) -> Comparison:
    """Return a model beside the baselines of its modality."""
    from vqcodec.evaluation.report.comparison import Comparison

    peers = [baseline for baseline in baselines if baseline.modality == model.modality]
    names = {model.name, *(peer.name for peer in peers)}
    return Comparison(
        modality="image" if model.modality == "image" else "audio",
        files=files[model.modality],
        model=model,
        peers=peers,
        quality=quality,
        records=[record for record in records if record.codec in names],
        reading=reading,
    )


def _parse_qualities(text: str) -> list[float]:
    try:
        return [require_quality(float(part)) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--quality {text}: not a list of numbers like 1,3,5,8") from error


def _models(
    name: str | None, files: Files, device: str, reading: ReadOptions, *, quiet: bool
) -> list[Model]:
    """Return the model of this name, or else the usual one for each modality there is."""
    from vqcodec.codec.zoo import default_model_name

    if name:
        return [load_model(name, device)]
    usual = {"image": default_model_name("image")} if files["image"] else {}
    if files["audio"]:
        usual["audio"] = _usual_model(files["audio"], reading, quiet=quiet)
    return [load_model(usual[key], device) for key in MODALITIES if key in usual]


def _usual_model(sounds: Sequence[Path], reading: ReadOptions, *, quiet: bool) -> str:
    """Return the model that `compress` takes for most of these sounds."""
    from vqcodec.codec.zoo import choose_model
    from vqcodec.signals.files import open_signal

    chosen: Counter[str] = Counter()
    for path in sounds:
        with path.open("rb") as file:
            chosen[choose_model(open_signal(file, str(path), options=reading)).name] += 1
    ((name, count),) = chosen.most_common(1)
    if count < len(sounds):
        text = f"'compress' takes it for {count} of {len(sounds)} sounds; --model overrules"
        note(f"all sounds are measured with model {name}: {text}", quiet=quiet)
    return name


def _missing_metrics(files: Files, *, quiet: bool) -> list[str]:
    """Return, and tell, what is not measured because it is not installed."""
    from vqcodec.evaluation.run import missing_metrics

    missing = [sentence for key in MODALITIES if files[key] for sentence in missing_metrics(key)]
    for sentence in missing:
        note(f"not measured: {sentence}", quiet=quiet)
    return missing


def _tasks(
    files: Files,
    models: Sequence[Model],
    baselines: Sequence[Baseline],
    qualities: Sequence[float],
    reading: ReadOptions,
) -> list[Task]:
    """Return every codec at every setting on the files that it takes, models first."""
    from vqcodec.evaluation.run import Task, highest_rate

    sample_rate = highest_rate(files["audio"], reading)
    scales: list[tuple[Model | Baseline, Sequence[float]]] = [
        *((model, qualities) for model in models),
        *((baseline, baseline.qualities_at(sample_rate)) for baseline in baselines),
    ]
    for codec, _ in scales:
        if not files[codec.modality]:
            raise UsageError(
                f"{codec.name}: none of the inputs is a file of its kind ({codec.modality})"
            )
    return [
        Task(path, codec, setting, reading)
        for codec, scale in scales
        for path in files[codec.modality]
        for setting in scale
    ]


def _measure(
    tasks: Sequence[Task],
    output: str | None,
    *,
    jobs: int,
    cluster: Cluster | None,
    resume: bool,
    quiet: bool,
) -> tuple[list[Record], set[Path]]:
    """Return the records of all tasks, and the files that could not be measured with every codec.

    Records that are on disk already are not measured again.
    """
    from vqcodec.evaluation.journal import Journal, key_of_record, keys_of_tasks, read_finished
    from vqcodec.evaluation.run import measure_all

    keys, gone = keys_of_tasks(tasks), set[Path]()
    path = Path(output) if output is not None and keeps_journal(output) else None
    done = read_finished(path, keys) if resume and path is not None and path.exists() else {}
    left = {key: task for key, task in zip(keys, tasks, strict=True) if key not in done}
    if done:
        note(f"{path}: has {len(done)} records, {len(left)} are left", quiet=quiet)
    journal = Journal(path, resume=resume) if path is not None else None
    # File by file, so that fast and slow codecs take turns and the time left can be told.
    work = sorted(left.values(), key=lambda task: task.path)
    with progress_of_many(len(work), quiet=quiet) as show:
        num_done = itertools.count(1)

        def finished(record: Record) -> None:
            done[key_of_record(record)] = record
            if journal is not None:
                journal.append(record)
            show(next(num_done), record.file)

        def failed(path: Path, error: InputError) -> None:
            show(next(num_done), path.name)
            if path not in gone:
                complain(str(error))
            gone.add(path)

        try:
            measure_all(work, jobs=jobs, cluster=cluster, finished=finished, failed=failed)
        except BaseException:
            if journal is not None and 0 < journal.num_written < len(work):
                note(f"{path}: keeps what was measured; --resume goes on from there", quiet=quiet)
            raise
    # Without a file in all its records, means of codecs would be over different files.
    gone |= {task.path for key, task in zip(keys, tasks, strict=True) if key not in done}
    kept = [key for key, task in zip(keys, tasks, strict=True) if task.path not in gone]
    if not kept:
        raise InputError("none of the inputs can be measured")
    if gone:
        text = "each could not be read, or not be coded by one of the codecs"
        note(f"{counted(len(gone), 'input')} left out of all figures: {text}", quiet=quiet)
    return [done[key] for key in kept], gone
