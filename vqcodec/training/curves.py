"""Plots of a training log: one small plot over steps for every value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from vqcodec.files import write_text

Points = Sequence[tuple[float, float]]  # of step and value

WIDTH, HEIGHT, GAP, COLUMNS = 300, 170, 16, 3
TITLE_HEIGHT, LEFT = 24, 8
HELD_OUT = "valid_"
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#bc4c00")  # the first is for training


def read_curves(log: Path) -> dict[str, dict[str, Points]]:
    """Return the lines of every value: "training", and "held out", for each rate if there are any.

    After an interruption a log may repeat steps; the last report of a step counts. A line that is
    no report is left out: a crash or a full disk cuts lines short.
    """
    curves: dict[str, dict[str, dict[float, float]]] = {}
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            report = json.loads(text)
            step = float(report.pop("step"))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            continue
        for key in ("elapsed_s", "processes"):
            report.pop(key, None)
        for key, value in report.items():
            if not isinstance(value, (int, float)):
                continue
            name, _, rate = key.removeprefix(HELD_OUT).partition("@")
            line = "training" if not key.startswith(HELD_OUT) else f"held out {rate}".rstrip()
            curves.setdefault(name, {}).setdefault(line, {})[step] = value
    return {
        name: {line: sorted(points.items()) for line, points in lines.items()}
        for name, lines in curves.items()
    }


def has_held_out(log: Path, step: int) -> bool:
    """Return whether a log has figures of the held-out files at a step; at step 0 it needs none."""
    if step == 0 or not log.exists():
        return True
    lines = (line for lines in read_curves(log).values() for line in lines.items())
    return any(name.startswith("held out") and (step in dict(points)) for name, points in lines)


def draw_curves(curves: Mapping[str, Mapping[str, Points]]) -> str:
    """Return an SVG picture with a plot for every value."""
    rows = -(-len(curves) // COLUMNS)
    width = COLUMNS * (WIDTH + GAP) + GAP
    height = rows * (HEIGHT + TITLE_HEIGHT + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, (name, lines) in enumerate(curves.items()):
        row, column = divmod(number, COLUMNS)
        x = GAP + column * (WIDTH + GAP)
        y = GAP + row * (HEIGHT + TITLE_HEIGHT + GAP)
        parts.append(f'<g transform="translate({x} {y})">{_plot(name, lines)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def write_curves(log: Path) -> None:
    """Draw a log beside itself, as .svg."""
    write_text(log.with_suffix(".svg"), draw_curves(read_curves(log)), overwrite=True)


def _plot(name: str, lines: Mapping[str, Points]) -> str:
    """Return one plot: title, frame, the ends of both axes and the lines."""
    points = [point for line in lines.values() for point in line]
    last = max(step for step, _ in points) or 1.0
    low, high = min(value for _, value in points), max(value for _, value in points)
    span = (high - low) or 1.0
    parts = [
        f'<text y="16" font-weight="bold">{escape(name)}</text>',
        f'<rect y="{TITLE_HEIGHT}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>',
        _label(high, LEFT, TITLE_HEIGHT + 14, "start"),
        _label(low, LEFT, TITLE_HEIGHT + HEIGHT - 6, "start"),
        _label(last, WIDTH - LEFT, TITLE_HEIGHT + HEIGHT - 6, "end"),
    ]
    for number, (line, found) in enumerate(lines.items()):
        places = " ".join(
            f"{step / last * WIDTH:.1f},{TITLE_HEIGHT + HEIGHT * (1 - (value - low) / span):.1f}"
            for step, value in found
        )
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}">'
            f"<title>{escape(line)}</title></polyline>"
        )
        parts.append(
            f'<text x="{WIDTH}" y="{4 + 12 * (number + 1) + TITLE_HEIGHT}" text-anchor="end" '
            f'fill="{colour}">{escape(line)}</text>'
        )
    return "".join(parts)


def _label(value: float, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#666">{value:.4g}</text>'
