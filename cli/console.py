"""Output to the console: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import typer

from vqcodec.errors import OutputError, VqcodecError
from vqcodec.notes import printable, printable_lines
from vqcodec.numbers import counted
from vqcodec.stderr import abandon, tell

if TYPE_CHECKING:
    from vqcodec.notes import Note
    from vqcodec.signals.files import LazySignal

Record = dict[str, object]
_LOG_EVERY_S = 60.0
_MOST_NAMED = 3  # files that are left out


def note(message: str, *, quiet: bool = False) -> None:
    """Print a message on stderr, unless `quiet` is true."""
    if not quiet:
        tell(printable(message))


def complain(message: str) -> None:
    """Print an error on stderr, also with `--quiet`."""
    tell(printable(f"vqcodec: {message}"))


def write_stdout(data: bytes | str) -> None:
    """Write a result to stdout and flush it.

    If the reader has closed the pipe, the program exits with OutputError's code, without a message.

    Raises:
        OutputError: stdout cannot be written, for example because the disk is full.
    """
    if sys.stdout is None:
        raise OutputError("stdout: is closed")
    try:
        sys.stdout.flush()
        if isinstance(data, str):
            text = printable_lines(data).replace("\n", os.linesep)
            data = text.encode(sys.stdout.encoding, sys.stdout.errors or "strict")
        rest = memoryview(data)
        while rest:  # an unbuffered stdout (PYTHONUNBUFFERED) may write a part only
            rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()
    except OSError as error:
        abandon(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(OutputError.exit_code) from error
        raise OutputError(f"stdout: {error.strerror}") from error


def write_line(text: str) -> None:
    """Print one line of a result on stdout."""
    write_stdout(printable(text) + "\n")


def write_json(record: Mapping[str, object]) -> None:
    """Print one JSON object on stdout; infinity and NaN become null."""
    write_stdout(json.dumps(_plain(record), indent=2, allow_nan=False) + "\n")


def json_line(record: Mapping[str, object]) -> str:
    """Return a record as one line of JSON; infinity and NaN become null."""
    return json.dumps(_plain(record), allow_nan=False)


def _plain(value: object) -> object:
    """Return `value` converted to types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def write_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; columns of numbers are aligned to the right."""
    lines = [list(header), *([_cell(value) for value in row] for row in rows)]
    columns = range(len(header))
    widths = [max(len(line[i]) for line in lines) for i in columns]
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in columns]
    for line in lines:
        cells = [
            line[i].rjust(widths[i]) if numeric[i] else line[i].ljust(widths[i]) for i in columns
        ]
        write_line("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


class _MinuteLog:
    """Writes what it is told to stderr, once a minute at most."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def __call__(self, message: str) -> None:
        """Write the message if a minute has passed."""
        if time.monotonic() - self._last_s >= _LOG_EVERY_S:
            self._last_s = time.monotonic()
            note(message)


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Give a function that takes the share done, 0 … 1.

    On a terminal it shows a bar; in a log, a line a minute.
    """
    if quiet:
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        log = _MinuteLog()
        yield lambda fraction: log(f"{label}: {fraction:.0%}")
        return
    from rich.console import Console  # here: rich takes a tenth of a second
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    name = TextColumn("{task.description}", markup=False)  # file names may hold brackets
    share = TextColumn("{task.percentage:>3.0f}%")
    columns = (name, BarColumn(), share, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(label), total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


@contextmanager
def progress_of_many(total: int, *, quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """Give a function that takes the number of items done, with fractions, and a label.

    On a terminal it shows a bar, the number done and the time left; in a log, a line a minute.
    """
    if quiet:
        yield lambda _number, _label: None
        return
    if not sys.stderr.isatty():
        log = _MinuteLog()
        yield lambda number, label: log(f"{math.floor(number)} of {total} done: {label}")
        return
    from rich.console import Console  # here: rich takes a tenth of a second
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    name = TextColumn("{task.description}", markup=False)  # file names may hold brackets
    count = TextColumn("{task.fields[num_done]}/{task.total:.0f}")
    columns = (BarColumn(), count, TimeRemainingColumn(), name)
    console = Console(stderr=True)
    # The time left is estimated from all items so far, because their times differ widely.
    with Progress(*columns, console=console, transient=True, speed_estimate_period=math.inf) as bar:
        task = bar.add_task("", total=total, num_done=0)

        def show(number: float, label: str) -> None:
            bar.update(
                task,
                completed=number,
                description=printable(label),
                num_done=math.floor(number),
            )

        show(0, "")  # starts the clock
        yield show


def display_name(source: str) -> str:
    """Return the name of an input, for messages."""
    return "stdin" if source == "-" else source


def on_others(names: Sequence[str]) -> list[str]:
    """Return the part of a summary on files that are left out; none if there are none."""
    if not names:
        return []
    named = ", ".join(PurePosixPath(name).name for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return [f"{counted(len(names), 'other file')} left out: {named}{more}"]


@contextmanager
def naming(source: str) -> Iterator[None]:
    """Add the name of an input to errors in the block that do not begin with the name."""
    name = display_name(source)
    try:
        yield
    except VqcodecError as error:
        if str(error).startswith(f"{name}:"):
            raise
        raise type(error)(f"{name}: {error}") from error


def signal_facts(signal: LazySignal) -> Record:
    """Return the modality and the size of a signal, for a JSON record."""
    from vqcodec.signals.picture import Picture  # here: importing numpy takes time

    if isinstance(signal, Picture):
        return {"modality": "image", "width": signal.width, "height": signal.height}
    return {
        "modality": "audio",
        "duration_s": signal.num_samples / signal.sample_rate,
        "sample_rate": signal.sample_rate,
        "num_channels": signal.num_channels,
    }


def note_records(notes: Iterable[Note]) -> list[Record]:
    """Return what a record has under "notes"."""
    return [{"code": note.code.value, "text": note.text} for note in notes]


def note_lines(notes: Iterable[Note], name: str) -> list[str]:
    """Return the lines on stderr for the notes of an input; quiet ones have none."""
    return [f"{name}: {note.text}" for note in notes if not note.quiet]
