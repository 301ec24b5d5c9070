"""The bits of a file by place or time, as a picture and as numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.evaluation.palette import PALETTE
from vqcodec.evaluation.ticks import ticks_from_zero

if TYPE_CHECKING:
    from vqcodec.codec.bit_map import BitMap

MAP_SIDE = 1024  # pixels of the longer side of a heat map, at most
_BAR_WIDTH, _LEAST_HEIGHT = 16, 160
_MARGIN, _GAP, _LEGEND_WIDTH = 12, 6, 120
_PLOT_WIDTH, _PLOT_HEIGHT, _LEFT, _ABOVE, _BELOW = 880, 140, 76, 34, 44
_PAPER, _INK, _LINES, _FILL = (255, 255, 255), (40, 40, 40), (222, 222, 222), (87, 16, 110)
_FONT_SIZE = 12


def draw_bit_map(bit_map: BitMap, facts: ImageFacts | AudioFacts) -> bytes:
    """Return a PNG: a heat map of a picture, or a sound's bit rate over time."""
    if isinstance(facts, ImageFacts):
        image = _draw_map(bit_map, facts)
    else:
        image = _draw_timeline(bit_map, facts)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def bits_by_row(bit_map: BitMap) -> list[float]:
    """Return the bits of each row of a picture's grid, from the top."""
    (plane,) = bit_map.planes
    return [float(bits) for bits in plane.sum(axis=1)]


def bits_by_second(bit_map: BitMap, facts: AudioFacts) -> list[list[float]]:
    """Return the bits of each second of each plane; the last second may be incomplete."""
    edges_s = np.arange(math.ceil(facts.num_samples / facts.sample_rate) + 1)
    return [
        [float(bits) for bits in _bits_between(plane, edges_s / bit_map.step)]
        for plane in bit_map.planes
    ]


def _bits_between(frames: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the bits between consecutive edges, for the bits [F] of each frame.

    Edges are in frames and increase. If an edge cuts a frame, both sides share its bits in
    proportion. The last interval includes all bits after it.
    """
    reached = np.concatenate([[0.0], np.cumsum(frames)])
    at_edges = np.interp(edges, np.arange(len(reached)), reached)
    at_edges[-1] = reached[-1]
    return np.diff(at_edges)


def _draw_map(bit_map: BitMap, facts: ImageFacts) -> Image.Image:
    """Return a heat map of a picture's positions, with a legend."""
    (plane,) = bit_map.planes
    density = plane / bit_map.step**2  # bits per pixel, [h, w]
    ticks = ticks_from_zero(float(density.max()), 4)
    shares = Image.fromarray(np.rint(255 * density / ticks[-1]).astype(np.uint8))
    scale = min(1.0, MAP_SIDE / max(facts.width, facts.height))
    width, height = (max(1, round(scale * side)) for side in (facts.width, facts.height))
    inside = (0, 0, facts.width / bit_map.step, facts.height / bit_map.step)  # of the grid
    positions = shares.resize((width, height), Image.Resampling.NEAREST, box=inside)
    bar_height = max(height, _LEAST_HEIGHT)
    canvas = Image.new(
        "RGB",
        (width + 3 * _MARGIN + _BAR_WIDTH + _LEGEND_WIDTH, bar_height + 2 * _MARGIN),
        _PAPER,
    )
    canvas.paste(_coloured(positions), (_MARGIN, _MARGIN))
    rising = np.linspace(255, 0, bar_height).round().astype(np.uint8)
    bar = Image.fromarray(np.repeat(rising[:, None], _BAR_WIDTH, axis=1))
    left = width + 2 * _MARGIN
    canvas.paste(_coloured(bar), (left, _MARGIN))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_FONT_SIZE)
    for tick in ticks:
        y = _MARGIN + round((bar_height - 1) * (1 - tick / ticks[-1]))
        place = (left + _BAR_WIDTH + _GAP, min(max(y, _MARGIN + 6), _MARGIN + bar_height - 6))
        draw.text(place, f"{tick:g} bit/pixel", _INK, font, anchor="lm")
    return canvas


def _coloured(shares: Image.Image) -> Image.Image:
    """Return a picture of 0 … 255 in the colours of the palette."""
    shares.putpalette(PALETTE)
    return shares.convert("RGB")


def _draw_timeline(bit_map: BitMap, facts: AudioFacts) -> Image.Image:
    """Return the bit rate over time, one plot for each plane, all on the same scale."""
    duration_s = facts.num_samples / facts.sample_rate
    edges = np.linspace(0, duration_s, _PLOT_WIDTH + 1) / bit_map.step
    column_s = max(duration_s, 1e-9) / _PLOT_WIDTH
    rates = [_bits_between(plane, edges) / column_s for plane in bit_map.planes]  # bit/s
    ticks = ticks_from_zero(max((float(rate.max()) for rate in rates), default=0.0), 4)
    times_s = [time for time in ticks_from_zero(duration_s, 10) if time <= duration_s]
    panel = _ABOVE + _PLOT_HEIGHT
    size = (_LEFT + _PLOT_WIDTH + 2 * _MARGIN, max(1, len(rates)) * panel + _BELOW)
    canvas = Image.new("RGB", size, _PAPER)
    for number, rate in enumerate(rates or [np.zeros(_PLOT_WIDTH)]):
        title = f"mean {rate.mean():.0f} bit/s"
        if len(rates) > 1:
            title = f"{bit_map.names[number]}, {title}"
        plot = _Plot(canvas, top=number * panel + _ABOVE, highest=ticks[-1], duration_s=duration_s)
        plot.draw(rate, title, ticks, times_s)
    return canvas


class _Plot:
    """The plot of one plane on the canvas."""

    def __init__(self, canvas: Image.Image, *, top: int, highest: float, duration_s: float) -> None:
        self.draw_on, self.font = ImageDraw.Draw(canvas), ImageFont.load_default(_FONT_SIZE)
        self.top, self.bottom = top, top + _PLOT_HEIGHT
        self.highest, self.duration_s = highest, duration_s

    def draw(
        self,
        rate: NDArray[np.float64],
        title: str,
        ticks: Sequence[float],
        times_s: Sequence[float],
    ) -> None:
        """Draw a title, labelled lines and the bit/s of each column."""
        text, line = self.draw_on.text, self.draw_on.line
        text((_LEFT + _GAP, self.top - _GAP), title, _INK, self.font, anchor="ls")
        text((_LEFT - _GAP, self.top - _GAP), "bit/s", _INK, self.font, anchor="rs")
        for tick in ticks:
            y = self._y_of(tick)
            line([(_LEFT, y), (_LEFT + _PLOT_WIDTH, y)], _LINES)
            text((_LEFT - _GAP, y), f"{tick:g}", _INK, self.font, anchor="rm")
        for column, value in enumerate(rate):
            if value > 0:
                line([(_LEFT + column, self._y_of(value)), (_LEFT + column, self.bottom)], _FILL)
        for time in times_s:
            x = _LEFT + round(_PLOT_WIDTH * time / self.duration_s) if time else _LEFT
            line([(x, self.bottom), (x, self.bottom + 4)], _INK)
            text((x, self.bottom + _GAP), f"{time:g} s", _INK, self.font, anchor="mt")
        line([(_LEFT, self.bottom), (_LEFT + _PLOT_WIDTH, self.bottom)], _INK)

    def _y_of(self, rate: float) -> int:
        return self.bottom - round(_PLOT_HEIGHT * rate / self.highest)
