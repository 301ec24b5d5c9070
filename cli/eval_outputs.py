"""The output files of `vqcodec eval`: checks of options, and contents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vqcodec.errors import UsageError
from vqcodec.urls import is_url

from .paths import Kind, check_target, kind_of

if TYPE_CHECKING:
    from vqcodec.evaluation.record import Record
    from vqcodec.evaluation.run import Task

JOURNAL_SUFFIX = ".jsonl"
SUFFIXES = (JOURNAL_SUFFIX, ".csv", ".md")
REPORT_SUFFIX = ".html"


def check_outputs(
    output: str | None, report: str | None, plot: str | None, *, force: bool, resume: bool
) -> None:
    """Check the output options before the work begins.

    Raises:
        UsageError: a suffix or a combination of options is wrong, or matplotlib is missing.
        OutputError: a file cannot be written, see `check_target`.
    """
    if resume and (output is None or not _may_be_journal(output)):
        raise UsageError(
            f"--resume: needs -o FILE{JOURNAL_SUFFIX} on this machine, with the earlier records"
        )
    if resume and force:
        raise UsageError("--resume: keeps what -f overwrites; use one of them")
    if output is not None:
        if Path(output).suffix not in SUFFIXES:
            raise UsageError(f"-o {output}: records are written as {', '.join(SUFFIXES)}")
        check_target(output, force=force or resume)
    if report is not None:
        if Path(report).suffix != REPORT_SUFFIX:
            raise UsageError(f"--report {report}: a report is written as {REPORT_SUFFIX}")
        check_target(report, force=force or resume)
    if plot is not None:
        from vqcodec.evaluation.plot import SUFFIXES as PLOT_SUFFIXES
        from vqcodec.evaluation.plot import require_matplotlib

        if Path(plot).suffix not in PLOT_SUFFIXES:
            raise UsageError(f"--plot {plot}: curves are written as {', '.join(PLOT_SUFFIXES)}")
        require_matplotlib()
        check_target(plot, force=force or resume)


def require_curve(tasks: Sequence[Task]) -> None:
    """Check that --plot has a curve to draw, before the work begins.

    Raises:
        UsageError: no codec has two settings.
    """
    settings = {(task.codec, task.quality) for task in tasks}
    if len(settings) == len({task.codec for task in tasks}):
        raise UsageError("--plot: no codec has two settings, which a curve needs")


def keeps_journal(output: str | None) -> bool:
    """Return whether records are written one by one: to a regular file, not to a pipe."""
    if output is None or not _may_be_journal(output):
        return False
    return kind_of(output) in (Kind.FILE, Kind.NOTHING)


def _may_be_journal(output: str) -> bool:
    """Return whether a name is that of a local file for records."""
    return not is_url(output) and Path(output).suffix == JOURNAL_SUFFIX


def build_object(records: Sequence[Record], means: Sequence[Record]) -> dict[str, object]:
    """Return what `--json` prints."""
    from vqcodec.evaluation.curves import gap_records

    return {
        "records": list(map(asdict, records)),
        "means": list(map(asdict, means)),
        "bd_rates": gap_records(records),
    }


def build_records(records: Sequence[Record], means: Sequence[Record], suffix: str) -> str:
    """Return the contents of a file with this suffix; only Markdown has means."""
    from vqcodec.evaluation.table import build_csv, build_json_lines, build_summary

    if suffix == ".jsonl":
        return build_json_lines(records)
    if suffix == ".csv":
        return build_csv(records)
    return build_summary(records, [*records, *means])
