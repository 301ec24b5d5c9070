"""`vqcodec eval`: real sizes and qualities over folders of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqcodec.errors import MissingCodecError, UsageError

from .console import complain, progress, write_json, write_stdout
from .models import load_model
from .options import Device, Force, Json, ModelName, Quiet, require_quality
from .paths import check_target, open_target

if TYPE_CHECKING:
    from vqcodec.codec.model import Model
    from vqcodec.evaluation.baselines import Baseline
    from vqcodec.evaluation.report.comparison import Comparison
    from vqcodec.evaluation.run import Record

MODALITIES: tuple[Literal["image", "audio"], ...] = ("image", "audio")
Files = dict[str, list[Path]]  # by modality

SUFFIXES = (".jsonl", ".csv", ".md")
REPORT_SUFFIX = ".html"


def evaluate_folders(
    *,
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Folders of sounds or pictures, or files."),
    ],
    model: ModelName = None,
    quality: Annotated[
        str, typer.Option(metavar="LIST", help="Qualities to measure, as 1,3,5,8.")
    ] = "5",
    against: Annotated[
        str, typer.Option(metavar="LIST", help="Other codecs, over their own scales, as jpeg,webp.")
    ] = "",
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="All records, as .jsonl, .csv or .md."),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A page with plots, tables, pictures and sounds, as .html."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Files at once; times then say little.")
    ] = 1,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    device: Device = "cpu",
) -> None:
    """Measure sizes, quality and times on whole folders."""
    from vqcodec.evaluation.run import mean_records
    from vqcodec.evaluation.table import build_markdown

    qualities = _parse_qualities(quality)
    _check_outputs(output, report, force=force)
    baselines, missing = _baselines(against)
    files = _find(sources)
    models = _models(model, files, device)
    records: list[Record] = []
    for loaded in models:
        records += _measure(files, loaded, qualities, jobs=jobs, quiet=quiet)
    for baseline in baselines:
        records += _measure(files, baseline, baseline.qualities, jobs=jobs, quiet=quiet)
    means = mean_records(records)
    if output is not None:
        with open_target(output, force=force) as file:
            file.write(_table(records, means, Path(output).suffix).encode())
    if report is not None:
        from vqcodec.evaluation.report.page import build_page

        middle = sorted(qualities)[len(qualities) // 2]
        comparisons = [_compare(loaded, baselines, files, records, middle) for loaded in models]
        page = build_page(comparisons, missing)
        with open_target(report, force=force) as file:
            file.write(page)
    if as_json:
        write_json({"records": list(map(asdict, records)), "means": list(map(asdict, means))})
    else:
        write_stdout(build_markdown(means))


def _check_outputs(output: str | None, report: str | None, *, force: bool) -> None:
    """Fail before the work is done rather than after it."""
    if output is not None:
        if Path(output).suffix not in SUFFIXES:
            raise UsageError(f"-o {output}: records are written as {', '.join(SUFFIXES)}")
        check_target(output, force=force)
    if report is not None:
        if Path(report).suffix != REPORT_SUFFIX:
            raise UsageError(f"--report {report}: a report is written as {REPORT_SUFFIX}")
        check_target(report, force=force)


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
) -> Comparison:
    """Return a model beside the baselines of its modality."""
    from vqcodec.evaluation.report.comparison import Comparison

    peers = [baseline for baseline in baselines if baseline.modality == model.modality]
    names = {model.name, *(peer.name for peer in peers)}
    return Comparison(
        modality=model.modality,
        files=files[model.modality],
        model=model,
        peers=peers,
        quality=quality,
        records=[record for record in records if record.codec in names],
    )


def _parse_qualities(text: str) -> list[float]:
    try:
        return [require_quality(float(part)) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--quality {text}: not a list of numbers like 1,3,5,8") from error


def _find(sources: Sequence[Path]) -> Files:
    """Return the files to measure, by modality."""
    from vqcodec.data.manifest import find_files
    from vqcodec.modalities.audio import media as audio
    from vqcodec.modalities.image import media as image

    files = find_files(sources, {*image.SUFFIXES, *audio.SUFFIXES})
    sounds = {path for path in files if path.suffix.lower() in audio.SUFFIXES}
    return {"image": [path for path in files if path not in sounds], "audio": sorted(sounds)}


def _models(name: str | None, files: Files, device: str) -> list[Model]:
    """Return the model of this name, or else the usual one for each modality there is."""
    from vqcodec.codec.zoo import default_model_name

    names = [name] if name else [default_model_name(key) for key in MODALITIES if files[key]]
    return [load_model(name, device) for name in names]


def _measure(
    files: Files,
    codec: Model | Baseline,
    qualities: Sequence[float],
    *,
    jobs: int,
    quiet: bool,
) -> list[Record]:
    """Return the records of one codec on the files that it takes."""
    from vqcodec.evaluation.run import evaluate

    found = files[codec.modality]
    if not found:
        raise UsageError(f"{codec.name}: there is no file of modality {codec.modality}")
    with progress(codec.name, quiet=quiet) as report:
        return evaluate(
            found, [codec], qualities, jobs=jobs, progress=lambda done, of, _: report(done / of)
        )


def _table(records: Sequence[Record], means: Sequence[Record], suffix: str) -> str:
    """Return what a file with this suffix is to hold; readers expect means in Markdown only."""
    from vqcodec.evaluation.table import build_csv, build_json_lines, build_markdown

    if suffix == ".jsonl":
        return build_json_lines(records)
    return build_csv(records) if suffix == ".csv" else build_markdown([*records, *means])
