"""Bits by part as a bar for each setting, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from vqcodec.evaluation.parts import PartSizes, level_names, levels_of, part_sizes
from vqcodec.evaluation.report.comparison import Comparison
from vqcodec.evaluation.report.tables import build_table, format_number

_WIDTH, _LEFT, _RIGHT = 640, 120, 160  # margins with room for settings and sums on a phone
_ROW, _BAR = 30, 20  # heights
_FAINTEST = 0.25  # opacity of the last level's colour
_HEADER = "header and sections"


def build_parts(comparison: Comparison) -> str:
    """Return the bits of our streams by part; empty if no stream is ours."""
    sizes = part_sizes(comparison.records)
    if not sizes:
        return ""
    return f"<h3>Bits by part</h3>{_bars(comparison.title, sizes)}{_table(comparison, sizes)}"


def _table(comparison: Comparison, sizes: Sequence[PartSizes]) -> str:
    names = level_names(sizes)
    rows = [
        [
            each.quality,
            each.header_bits,
            each.payload_bits,
            100 * each.header_bits / each.num_bits,
            *levels_of(each, len(names)),
        ]
        for each in sizes
    ]
    header = ["quality", _HEADER, "payload", f"{_HEADER}, %", *names]
    text = (
        "<p>Header and sections are all bits except the entropy-coded indices: frames, "
        "checksums, transparency, colour profiles."
    )
    if names:
        text += (
            " Levels are the groups of codebooks that the prior predicts together, in the order "
            "of coding. Their sum is the payload before it is rounded to whole bytes."
        )
    caption = f"{comparison.title}: mean bits of a stream of {comparison.model.name} by part"
    return build_table(caption, header, rows) + text + "</p>"


def _bars(kind: str, sizes: Sequence[PartSizes]) -> str:
    """Return a bar for each setting, divided by the shares of the parts; empty without levels."""
    names = level_names(sizes)
    if not names:
        return ""
    title = f"{kind}: share of each part, by quality"
    rows = [_bar(each, number, len(names)) for number, each in enumerate(sizes)]
    legend = [_swatch(_HEADER, "header", 1.0)]
    legend += [_swatch(name, "level", _opacity(n, len(names))) for n, name in enumerate(names)]
    return (
        f'<figure class="bars"><figcaption>{title}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_ROW * len(sizes)}" role="img" '
        f'aria-label="{title}. The table below has the figures.">{"".join(rows)}</svg>'
        f'<ul class="legend">{"".join(legend)}</ul></figure>'
    )


def _bar(sizes: PartSizes, row: int, num_levels: int) -> str:
    top = row * _ROW + (_ROW - _BAR) / 2
    baseline = top + _BAR - 5
    parts = [(_HEADER, "header", 1.0, sizes.header_bits)]
    parts += [
        (f"level {number + 1}", "level", _opacity(number, num_levels), bits)
        for number, bits in enumerate(sizes.level_bits)
    ]
    whole = sum(bits for *_, bits in parts)  # without the rounding to whole bytes
    drawn, left = [], float(_LEFT)
    for name, kind, opacity, bits in parts:
        width = (_WIDTH - _LEFT - _RIGHT) * bits / whole
        tip = f"{name}: {format_number(bits)} bits, {100 * bits / whole:.1f} %"
        drawn.append(
            f'<rect class="{kind}" fill-opacity="{opacity:.2f}" x="{left:.1f}" y="{top:g}" '
            f'width="{width:.1f}" height="{_BAR}"><title>{escape(tip)}</title></rect>'
        )
        left += width
    return (
        f'<text x="{_LEFT - 8}" y="{baseline:g}" text-anchor="end">quality {sizes.quality:g}</text>'
        f'{"".join(drawn)}<text x="{_WIDTH - _RIGHT + 8}" y="{baseline:g}">'
        f"{format_number(sizes.num_bits)} bits</text>"
    )


def _swatch(name: str, kind: str, opacity: float) -> str:
    rect = f'<rect class="{kind}" fill-opacity="{opacity:.2f}" width="16" height="16"/>'
    return f'<li><svg viewBox="-1 -1 18 18" aria-hidden="true">{rect}</svg> {escape(name)}</li>'


def _opacity(level: int, num_levels: int) -> float:
    """Return the opacity of a level's colour; that of the first level is the highest."""
    return 1 - (1 - _FAINTEST) * level / max(1, num_levels - 1)
