"""Tables as HTML; a click on a column's name sorts by it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Cell = str | float | None


def build_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table whose columns the page's script sorts; None becomes "-"."""
    names = "".join(
        f'<th scope="col" aria-sort="none"{_alignment(rows, column)}>'
        f'<button type="button">{escape(name)}</button></th>'
        for column, name in enumerate(header)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    label = escape(caption)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">'
        f'<table class="sortable"><caption>{label}</caption>'
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def format_number(value: float) -> str:
    """Return four significant digits, or all digits before the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _alignment(rows: Sequence[Sequence[Cell]], column: int) -> str:
    """Return the attribute of a header above numbers."""
    return "" if any(isinstance(row[column], str) for row in rows) else ' class="number"'


def _cell(value: Cell) -> str:
    if value is None:
        return '<td class="number">-</td>'
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    return f'<td class="number" data-value="{value!r}">{format_number(value)}</td>'
