"""Records <-> JSON lines; records -> Markdown and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from vqcodec.errors import InputError
from vqcodec.evaluation.curves import missing_fits, rate_gaps
from vqcodec.evaluation.parts import level_names, levels_of, part_sizes
from vqcodec.evaluation.record import Record
from vqcodec.numbers import plain

Cell = str | float | None

# Columns that are not for readers, and columns that have a table of their own.
_DIGESTS = ("file_digest", "codec_digest")
_PARTS = ("overhead_bytes", "level_bits", "codebook_bits")


def build_json_lines(records: Iterable[Record]) -> str:
    """Return one JSON object for each line; the keys are the fields of `Record`."""
    return "".join(json.dumps(asdict(record), allow_nan=False) + "\n" for record in records)


def parse_json_lines(text: str) -> list[Record]:
    """Return the records of JSON lines; empty lines are skipped.

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
    """Return a table with a row for each record; empty columns are left out."""
    return _markdown(tabulate(records))


def build_summary(records: Sequence[Record], rows: Sequence[Record]) -> str:
    """Return Markdown: a table of `rows`, then BD-rates and bits by part of all records."""
    return build_markdown(rows) + build_gaps_markdown(records) + build_parts_markdown(records)


def build_parts_markdown(records: Sequence[Record]) -> str:
    """Return a paragraph and a table of the mean bits of our streams by part.

    The text is empty if no record has levels.
    """
    sizes = part_sizes(records)
    names = level_names(sizes)
    if not names:
        return ""
    rows: list[list[Cell]] = [
        [each.codec, each.quality, each.num_bits, each.header_bits, *levels_of(each, len(names))]
        for each in sizes
    ]
    header = ["codec", "quality", "bits", "header and sections", *names]
    return "\nMean bits of a stream by part:\n\n" + _markdown([list(header), *rows])


def build_gaps_markdown(records: Sequence[Record]) -> str:
    """Return a paragraph and a matrix of BD-rates for each metric; empty for a single codec.

    Below 0, the codec of the row needs fewer bits than the codec of the column. Without scipy, the
    text is one sentence.
    """
    gaps = rate_gaps(records)
    if gaps and (sentences := missing_fits()):
        return f"\n{'; '.join(sentences)}\n"
    text = ""
    for metric, matrix in gaps.items():
        header = ["codec", *(f"against {codec}" for codec in matrix)]
        rows = [[codec, *map(_both_fits, row)] for codec, row in matrix.items()]
        text += f"\nBD-rate in per cent at equal {metric}, PCHIP (cubic):\n\n"
        text += _markdown([header, *rows])
    return text


def _both_fits(gaps: Sequence[float | None] | None) -> Cell:
    """Return one gap by both fits."""
    if gaps is None:
        return None
    pchip, cubic = ("-" if gap is None else f"{gap:+.1f}" for gap in gaps)
    return None if pchip == "-" else f"{pchip} ({cubic})"


def build_csv(records: Sequence[Record]) -> str:
    """Return the records as comma-separated values, unrounded, with all columns."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(tabulate(records, complete=True))
    return text.getvalue()


def tabulate(records: Sequence[Record], *, complete: bool = False) -> list[list[Cell]]:
    """Return a header and a row for each record; empty columns are left out.

    Digests, bits by part and codes of notes are included only if `complete`.
    """
    rows = []
    for record in records:
        row = asdict(record)
        digests = {name: row.pop(name) for name in _DIGESTS}
        notes = {"notes": " ".join(note["code"] for note in row.pop("notes")) or None}
        metrics, overhead, *lists = (row.pop(name) for name in ("metrics", *_PARTS))
        parts = {"overhead_bytes": overhead}
        for kind, found in zip(("level", "codebook"), lists, strict=True):
            parts |= {f"{kind}_{number}_bits": bits for number, bits in enumerate(found or (), 1)}
        rows.append(row | metrics | (parts | digests | notes if complete else {}))
    names = dict.fromkeys(name for row in rows for name in row)
    kept = [name for name in names if any(row.get(name) is not None for row in rows)]
    return [list(kept), *([row.get(name) for name in kept] for row in rows)]


def _markdown(table: Sequence[Sequence[Cell]]) -> str:
    header, *rows = [[_format(cell) for cell in row] for row in table]
    ruler = ["---" if cell in ("file", "codec") else "---:" for cell in header]
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, ruler, *rows])


def _format(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell.replace("|", r"\|")
    return plain(cell, 4)
