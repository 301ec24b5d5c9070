"""Helpers for all tables of results: Markdown, the origin of figures, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vqcodec.numbers import counted

Result = Mapping[str, Any]
Results = Mapping[str, Result]
Row = Sequence[str]


def markdown(header: Row, rows: Sequence[Row]) -> str:
    """Return a table; all columns but the first are aligned to the right."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, ruler, *rows])


def origin(*results: Result) -> str:
    """Return a line with the origin of figures."""
    lines = dict.fromkeys(
        f"{machine['cpu']}, {counted(machine['cores'], 'core')}, "
        f"{counted(machine['threads'], 'thread')}; "
        f"commit {result['commit']}: `{result['command']}`"
        for result in results
        for machine in [result["machine"]]
    )
    return "\n" + "".join(f"- {line}\n" for line in lines)


def percentage(value: float | None) -> str:
    """Return per cent with one decimal."""
    return "-" if value is None else f"{value:.1f} %"


def number(value: float | None) -> str:
    """Return four significant digits."""
    return "-" if value is None else f"{value:.4g}"
