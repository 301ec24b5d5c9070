"""Records <-> JSON lines; records -> Markdown and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from vqcodec.errors import InputError
from vqcodec.evaluation.record import Record

Cell = str | float | None

_DIGESTS = ("file_digest", "codec_digest")


def build_json_lines(records: Iterable[Record]) -> str:
    """Return one JSON object a line, with the names of `Record`."""
    return "".join(json.dumps(asdict(record), allow_nan=False) + "\n" for record in records)


def parse_json_lines(text: str) -> list[Record]:
    """Return the records of such lines; empty lines are skipped.

    Raises:
        InputError: a line is not a record.
    """
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.strip():
                records.append(Record(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise InputError(f"line {number}: not a record: {error}") from error
    return records


def build_markdown(records: Sequence[Record]) -> str:
    """Return a table with a row for each record, without the columns that are empty in all."""
    header, *rows = [[_format(cell) for cell in row] for row in tabulate(records)]
    ruler = ["---" if cell in ("file", "codec") else "---:" for cell in header]
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, ruler, *rows])


def build_csv(records: Sequence[Record]) -> str:
    """Return the same table as comma-separated values, unrounded and with digests."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(tabulate(records, with_digests=True))
    return text.getvalue()


def tabulate(records: Sequence[Record], *, with_digests: bool = False) -> list[list[Cell]]:
    """Return a header and rows, one a record, without the columns that are empty in all.

    Digests say nothing to people, and are left out unless they are asked for.
    """
    rows = []
    for record in records:
        row = asdict(record)
        digests = {name: row.pop(name) for name in _DIGESTS}
        metrics = row.pop("metrics")
        rows.append(row | metrics | (digests if with_digests else {}))
    names = dict.fromkeys(name for row in rows for name in row)
    kept = [name for name in names if any(row.get(name) is not None for row in rows)]
    return [list(kept), *([row.get(name) for name in kept] for row in rows)]


def _format(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell.replace("|", r"\|")
    return f"{cell:.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"
