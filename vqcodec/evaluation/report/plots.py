"""Rate-distortion plots as SVG: a logarithmic rate, one line and one marker a codec."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from vqcodec.evaluation.ticks import logarithmic_ticks, ticks_between

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 52  # margins
_MARKER_PATHS = (  # told apart without colours, too
    "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
    "M-4.5,-4.5h9v9h-9z",
    "M0,-6L5.5,4.5H-5.5z",
    "M0,-6.5L6.5,0L0,6.5L-6.5,0z",
    "M0,6L5.5,-4.5H-5.5z",
    "M-6,-2h4v-4h4v4h4v4h-4v4h-4v-4h-4z",
)
NUM_STYLES = len(_MARKER_PATHS)


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of a codec."""

    rate: float  # above 0
    value: float
    description: str  # what the tooltip says


@dataclass(frozen=True, slots=True)
class Line:
    """The points of one codec."""

    codec: str
    points: Sequence[Point]


def build_plot(title: str, rate_label: str, value_label: str, lines: Sequence[Line]) -> str:
    """Return a figure with a legend; lines without points are only in the legend.

    Markers carry their description as `data-tip`, for the page's script to show.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    rates, values = [point.rate for point in points], [point.value for point in points]
    low_rate, high_rate = _widened(math.log10(min(rates)), math.log10(max(rates)))
    low_value, high_value = _widened(min(values), max(values))

    def x_of(rate: float) -> float:
        share = (math.log10(rate) - low_rate) / (high_rate - low_rate)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        share = (value - low_value) / (high_value - low_value)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_x_axis(logarithmic_ticks(low_rate, high_rate), x_of, rate_label)]
    parts.append(_y_axis(ticks_between(low_value, high_value), y_of, value_label))
    parts += [_line(line, number, x_of, y_of) for number, line in enumerate(lines)]
    summary = escape(f"{title}. The arrow keys go from point to point.")
    return (
        f'<figure class="plot"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" tabindex="0" aria-label="{summary}">'
        f"{''.join(parts)}</svg>{_legend(lines)}"
        '<p class="tip" role="status" hidden></p></figure>'
    )


def _x_axis(ticks: Sequence[float], x_of: Callable[[float], float], label: str) -> str:
    bottom = _HEIGHT - _BOTTOM
    parts = [
        f'<path class="grid" d="M{x_of(tick):.1f},{_TOP}V{bottom}"/>'
        f'<text x="{x_of(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
        for tick in ticks
    ]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<path class="axis" d="M{_LEFT},{bottom}H{_WIDTH - _RIGHT}"/>')
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">'
        f"{escape(label)}, logarithmic</text>"
    )
    return "".join(parts)


def _y_axis(ticks: Sequence[float], y_of: Callable[[float], float], label: str) -> str:
    parts = [
        f'<path class="grid" d="M{_LEFT},{y_of(tick):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 8}" y="{y_of(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in ticks
    ]
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<path class="axis" d="M{_LEFT},{_TOP}V{_HEIGHT - _BOTTOM}"/>')
    parts.append(
        f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(label)}</text>"
    )
    return "".join(parts)


def _line(
    line: Line, number: int, x_of: Callable[[float], float], y_of: Callable[[float], float]
) -> str:
    points = sorted(line.points, key=lambda point: point.rate)
    places = [(f"{x_of(point.rate):.1f}", f"{y_of(point.value):.1f}") for point in points]
    route = " ".join(f"{x},{y}" for x, y in places)
    markers = [
        f'<path class="marker" transform="translate({x} {y})" d="{_marker(number)}" '
        f'data-tip="{escape(point.description)}"/>'
        for point, (x, y) in zip(points, places, strict=True)
    ]
    style = number % NUM_STYLES
    return f'<g class="series-{style}"><polyline points="{route}"/>{"".join(markers)}</g>'


def _legend(lines: Sequence[Line]) -> str:
    items = [
        f'<li><svg class="series-{number % NUM_STYLES}" viewBox="-14 -8 28 16" aria-hidden="true">'
        f'<polyline points="-14,0 14,0"/><path class="marker" d="{_marker(number)}"/></svg> '
        f"{escape(line.codec)}</li>"
        for number, line in enumerate(lines)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _marker(number: int) -> str:
    return _MARKER_PATHS[number % NUM_STYLES]


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return the range with a margin of a twentieth on both sides, or of 0.5 around one value."""
    margin = (high - low) / 20 or 0.5
    return low - margin, high + margin
