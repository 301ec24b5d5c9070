"""Records written to disk one by one, so that an interrupted run can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.evaluation.identity import digest_of_codec, digest_of_file
from vqcodec.evaluation.record import Record
from vqcodec.evaluation.run import Task
from vqcodec.evaluation.table import build_json_lines, parse_json_lines

# File and its digest, codec and its digest, setting. A record is valid while these match.
Key: TypeAlias = tuple[str, str | None, str, str | None, float]


def key_of_record(record: Record) -> Key:
    """Return the key of a record."""
    return (
        record.file,
        record.file_digest,
        record.codec,
        record.codec_digest,
        float(record.quality),
    )


def keys_of_tasks(tasks: Sequence[Task]) -> list[Key]:
    """Return the key of each task; every file is read for its digest.

    Raises:
        InputError: a file cannot be read.
    """
    inputs = {(task.path, task.reading) for task in tasks}
    digests = {(path, reading): digest_of_file(path, reading) for path, reading in inputs}
    return [
        (
            task.path.name,
            digests[task.path, task.reading],
            task.codec.name,
            digest_of_codec(task.codec),
            float(task.quality),
        )
        for task in tasks
    ]


def read_finished(path: Path, wanted: Sequence[Key]) -> dict[Key, Record]:
    """Return the records of an earlier run; if it was killed, the last line may be incomplete.

    Args:
        path: of JSON lines.
        wanted: the keys of the resumed run.

    Raises:
        InputError: the file cannot be read, or holds something other than records.
        UsageError: it holds a record that is not in `wanted`: it is out of date or would be lost.
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
            f"for example {others[0].file} by {others[0].codec} at {others[0].quality:g}; "
            "ask for all earlier settings again, or write to another file"
        )
    return finished


class Journal:
    """Writes every record to a file at once; the first record creates or truncates the file."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        """With `resume`, records are appended to a file that `read_finished` has accepted."""
        self.path = path
        self.num_written = 0
        self._resume = resume

    def append(self, record: Record) -> None:
        """Write a record to disk, so that it survives if this process is killed.

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
        """Truncate the file to its complete lines, or to nothing."""
        with self.path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1 if self._resume else 0)
