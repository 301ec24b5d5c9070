"""Manifests: the records of a batch on disk, so that a batch that was stopped can go on."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from vqcodec.errors import InputError, UsageError
from vqcodec.extras import install_hint
from vqcodec.files import as_text, naming_failures, replacing
from vqcodec.urls import is_url

from .console import Record, json_line

PARQUET = ".parquet"
SETTINGS = "settings"  # the key of the digest of all settings
_ROWS = 10_000  # written at once
_BEGINNING = b'{"input": '  # of a record
_LONGEST = 1 << 24  # bytes of a record


class Manifest:
    """JSON lines that grow by one record for each input; or a Parquet file, at the end.

    The last record of an input counts. While a batch runs, the records of a Parquet file are in
    a file of JSON lines beside it.
    """

    def __init__(self, name: str, settings: str) -> None:
        """Take the path of the manifest, and a text that tells the settings of two runs apart.

        Raises:
            UsageError: the manifest is a URL, or pyarrow is missing.
        """
        if is_url(name):
            raise UsageError(
                f"--manifest {name}: must be a local file, because lines are appended to it"
            )
        self._path = Path(name)
        self._is_parquet = self._path.suffix.lower() == PARQUET
        if self._is_parquet:
            require_pyarrow()
        self._lines = Path(f"{name}.jsonl") if self._is_parquet else self._path
        self._settings = hashlib.sha256(settings.encode()).hexdigest()[:16]
        self._file: IO[bytes] | None = None

    def read(self) -> dict[str, Record] | None:
        """Return the last record of each input by its name; None if there is no manifest.

        Raises:
            InputError: a file cannot be read, or is no manifest.
            UsageError: it was made with other settings.
        """
        for path in (self._path, self._lines):
            if path.exists() and not path.is_file() and not path.is_dir():  # a pipe, a device
                raise InputError(f"{path}: is no manifest")
        if not self._path.exists() and not self._lines.exists():
            return None
        found: dict[str, Record] = {}
        for record in self._records():
            if record[SETTINGS] != self._settings:
                raise UsageError(
                    f"--manifest {self._path}: is of a run with other settings; "
                    "name another file, or use the earlier settings"
                )
            found[str(record["input"])] = record
        return found

    def _records(self) -> Iterator[Record]:
        if self._is_parquet and self._path.exists():
            yield from _read_parquet(self._path)
        if not self._lines.exists():
            return
        with _naming_input(self._lines), self._lines.open("rb") as file:
            for number, line in enumerate(_lines_of(file), start=1):
                where = f"{self._lines}: line {number}"
                if not line.endswith(b"\n"):  # the run was killed while it wrote
                    begins = line[: len(_BEGINNING)] == _BEGINNING[: len(line)]
                    if not begins or len(line) >= _LONGEST:
                        raise InputError(f"{where} is no record of a manifest")
                    return
                yield _parse(line, where)

    def append(self, record: Record) -> None:
        """Write one record; it survives the end of this process.

        Raises:
            OutputError: the file cannot be written.
        """
        with naming_failures(self._lines):
            if self._file is None:
                self._file = self._open()
            line = json_line({**record, SETTINGS: self._settings})
            rest = memoryview(line.encode() + b"\n")
            while rest:  # on a full disk, a part only may be written
                rest = rest[self._file.write(rest) :]

    def begin(self) -> None:
        """Make the file, so that a run that is killed before its first record is known.

        Raises:
            OutputError: the file cannot be written.
        """
        with naming_failures(self._lines):
            self._file = self._open()

    def _open(self) -> IO[bytes]:
        file = self._lines.open("ab+", buffering=0)
        file.seek(0)
        whole = 0
        for line in _lines_of(file):
            whole += len(line) if line.endswith(b"\n") else 0
        file.truncate(whole)
        return file

    def close(self) -> None:
        """Close the file; with Parquet, write all records and remove the JSON lines.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._is_parquet:
            _write_parquet(self._path, self._last_records())
            with naming_failures(self._lines):
                self._lines.unlink(missing_ok=True)

    def _last_records(self) -> Iterator[Record]:
        """Yield the last record of each input."""
        last = {str(record["input"]): number for number, record in enumerate(self._records())}
        for number, record in enumerate(self._records()):
            if last[str(record["input"])] == number:
                yield record


def _lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file, in parts if they are longer than any record."""
    return iter(lambda: file.readline(_LONGEST), b"")


@contextmanager
def _naming_input(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into an InputError that begins with the path."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _parse(line: bytes, where: str) -> Record:
    try:
        record = json.loads(line)
        if isinstance(record, dict) and isinstance(record["input"], str) and SETTINGS in record:
            return record
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{where} is no record of a manifest") from error
    raise InputError(f"{where} is no record of a manifest")


def require_pyarrow() -> None:
    """Raise UsageError unless pyarrow is installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--manifest: Parquet needs pyarrow; {install_hint('scale')}") from error


def _schema() -> Any:
    import pyarrow as pa

    notes = pa.list_(pa.struct([("code", pa.string()), ("text", pa.string())]))
    kinds = {
        pa.string(): "input output model fingerprint modality digest error settings",
        pa.int64(): "width height sample_rate num_channels input_bytes size_bytes exit_code",
        pa.float64(): "duration_s bits_per_pixel bits_per_second",
        pa.bool_(): "ok",
        notes: "notes",
    }
    return pa.schema([(name, kind) for kind, names in kinds.items() for name in names.split()])


def _row(record: Mapping[str, object], columns: Collection[str]) -> Record:
    """Return a record as a row; what no text can hold in names of files is escaped."""
    assert record.keys() <= set(columns), record
    return {
        key: as_text(value) if isinstance(value, str) else value for key, value in record.items()
    }


def _read_parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _naming_input(path):
        try:
            with pq.ParquetFile(path) as file:
                if not file.schema_arrow.equals(_schema()):
                    raise InputError(f"{path}: is no manifest")
                for batch in file.iter_batches(_ROWS):
                    for row in batch.to_pylist():
                        yield {key: value for key, value in row.items() if value is not None}
        except pa.ArrowException as error:
            raise InputError(f"{path}: is no manifest: {error}") from error


def _write_parquet(path: Path, records: Iterator[Record]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    with replacing(path, overwrite=True) as temporary, pq.ParquetWriter(temporary, schema) as file:
        while rows := list(itertools.islice(records, _ROWS)):
            rows = [_row(record, schema.names) for record in rows]
            file.write_table(pa.Table.from_pylist(rows, schema=schema))
