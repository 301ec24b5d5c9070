"""Records on disk as they come, so that a run that was cut short can go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.evaluation.identity import digest_of_codec, digest_of_file
from vqcodec.evaluation.record import Record
from vqcodec.evaluation.run import Task
from vqcodec.evaluation.table import build_json_lines, parse_json_lines

# File and its content, codec and its weights, setting: what makes a record still true.
Key: TypeAlias = tuple[str, str | None, str, str | None, float]


def key_of_record(record: Record) -> Key:
    """Return what was measured."""
    return (
        record.file,
        record.file_digest,
        record.codec,
        record.codec_digest,
        float(record.quality),
    )


def keys_of_tasks(tasks: Sequence[Task]) -> list[Key]:
    """Return what is to be measured, task by task; every file is read for that.

    Raises:
        InputError: a file cannot be read.
    """
    digests = {path: digest_of_file(path) for path in {task.path for task in tasks}}
    return [
        (
            task.path.name,
            digests[task.path],
            task.codec.name,
            digest_of_codec(task.codec),
            float(task.quality),
        )
        for task in tasks
    ]


def read_finished(path: Path, wanted: Sequence[Key]) -> dict[Key, Record]:
    """Return the records that a run left, which may have been stopped in the middle of a line.

    Args:
        path: of JSON lines.
        wanted: what the run that goes on measures.

    Raises:
        InputError: the file cannot be read, or holds something else.
        UsageError: it holds a record that is not wanted, and would be lost or out of date.
    """
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        records = parse_json_lines(whole.decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    finished = {key_of_record(record): record for record in records}
    known = set(wanted)
    others = [record for key, record in finished.items() if key not in known]
    if others:
        raise UsageError(
            f"{path}: {len(others)} of its records are not of these files, codecs and settings, "
            f"{others[0].file} by {others[0].codec} at {others[0].quality:g} among them; "
            "repeat what was asked for, or more, or write to another file"
        )
    return finished


class Journal:
    """Adds every record to a file at once; the file is begun, or begun anew, with the first."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        """With `resume`, records are added to a file that `read_finished` has accepted."""
        self.path = path
        self.num_written = 0
        self._resume = resume

    def append(self, record: Record) -> None:
        """Write a record so that it is there whatever happens to this process.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            if not self.num_written:
                self._begin()
            with self.path.open("ab") as file:
                file.write(build_json_lines([record]).encode("utf-8"))
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror}") from error
        self.num_written += 1

    def _begin(self) -> None:
        """Leave of what is there the whole lines, or nothing."""
        with self.path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1 if self._resume else 0)
