"""The whole page: figures in text, tables and plots; pictures and sounds as data for its script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from vqcodec.evaluation.curves import missing_fits
from vqcodec.evaluation.record import Record, mean_records
from vqcodec.evaluation.report.comparison import (
    FIT,
    Comparison,
    label_of,
    rate_gap,
    rate_of,
    unit_of,
)
from vqcodec.evaluation.report.media import Media, build_media
from vqcodec.evaluation.report.parts import build_parts
from vqcodec.evaluation.report.plots import Line, Point, build_plot
from vqcodec.evaluation.report.tables import build_table, format_number
from vqcodec.evaluation.table import tabulate

MAX_PAGE_BYTES = 15_000_000
MAX_ROWS = 3000  # of a table
_RESERVE_BYTES = 100_000  # for what stands around pictures and sounds


def build_page(comparisons: Sequence[Comparison], missing: Sequence[str] = ()) -> bytes:
    """Return an HTML page of at most `MAX_PAGE_BYTES` that needs no other file and no network.

    Args:
        comparisons: one for each modality; their codecs run once more over the files that are
            shown.
        missing: sentences on peers that could not be measured.
    """
    figures = [_figures(comparison) for comparison in comparisons]
    size_bytes = sum(len(part.encode("utf-8", "replace")) for part in figures)
    budget_bytes = (MAX_PAGE_BYTES - _RESERVE_BYTES - size_bytes) // max(1, len(comparisons))
    media = [build_media(comparison, max(0, budget_bytes)) for comparison in comparisons]
    sections = [
        _section(comparison, text, shown)
        for comparison, text, shown in zip(comparisons, figures, media, strict=True)
    ]
    title = "vqcodec eval: " + "; ".join(map(_names, comparisons))
    page = Template(_resource("page.html")).substitute(
        title=escape(title),
        style=_resource("page.css"),
        script=_resource("page.js"),
        links="".join(_link(comparison) for comparison in comparisons),
        notes="".join(
            f"<p>Not measured: {escape(sentence)}</p>" for sentence in [*missing, *missing_fits()]
        ),
        sections="".join(sections),
        media=_embedded(
            {
                comparison.modality: shown.files
                for comparison, shown in zip(comparisons, media, strict=True)
            }
        ),
    )
    return page.encode("utf-8", "replace")  # a file's name may hold what is no character


def _resource(name: str) -> str:
    return (resources.files("vqcodec.evaluation.report") / name).read_text("utf-8")


def _embedded(value: object) -> str:
    """Return JSON that can stand in a script element, whatever names it holds."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _names(comparison: Comparison) -> str:
    peers = ", ".join(peer.name for peer in comparison.peers)
    return f"{comparison.model.name} beside {peers}" if peers else comparison.model.name


def _link(comparison: Comparison) -> str:
    return f'<li><a href="#{comparison.modality}">{comparison.title}</a></li>'


def _section(comparison: Comparison, figures: str, media: Media) -> str:
    """Return all that is said of one modality."""
    modality = comparison.modality
    shown = ""
    if media.files:
        template = "pictures.html" if modality == "image" else "sounds.html"
        ids = {"kind": modality, "note": escape(media.note)}
        shown = Template(_resource(template)).substitute(ids)
        shown += Template(_resource("blind.html")).substitute(ids)
    return (
        f'<section id="{modality}" aria-labelledby="{modality}-title">'
        f'<h2 id="{modality}-title">{comparison.title}</h2>'
        f"<p>{escape(_names(comparison))}; files: {len(comparison.files)}.</p>"
        f"{figures}{shown}</section>"
    )


def _figures(comparison: Comparison) -> str:
    means = mean_records(comparison.records)
    mean_caption = f"{comparison.title}: means of all files, by codec and quality"
    caption = f"{comparison.title}: every file by every codec at every quality"
    plots = [_plot(comparison, means, metric) for metric in comparison.metrics]
    return (
        f'<h3>Rate and distortion</h3><div class="plots">{"".join(plots)}</div>'
        f"{_gaps(comparison)}{build_parts(comparison)}"
        f"<h3>Means</h3>{_records(mean_caption, means)}"
        "<h3>All records</h3><details><summary>Every file, codec and quality</summary>"
        f"{_records(caption, comparison.records)}</details>"
    )


def _plot(comparison: Comparison, means: Sequence[Record], metric: str) -> str:
    label, unit = label_of(metric), unit_of(comparison.modality)
    lines = []
    for codec in comparison.codecs:
        points = []
        for mean in means:
            rate, value = rate_of(mean), mean.metrics.get(metric)
            if mean.codec == codec.name and value is not None and rate > 0:
                setting = f"{codec.name}, quality {mean.quality:g}"
                figures = f"{format_number(rate)} {unit}, {label} {format_number(value)}"
                points.append(Point(rate, value, f"{setting}: {figures}"))
        lines.append(Line(codec.name, points))
    return build_plot(f"{label} by rate, means", unit, label, lines)


def _gaps(comparison: Comparison) -> str:
    """Return the BD-rates of the model, if there is a peer to compare with."""
    if not comparison.peers:
        return ""
    metrics = comparison.metrics
    rows = [
        [peer.name, *(rate_gap(comparison, peer.name, metric) for metric in metrics)]
        for peer in comparison.peers
    ]
    caption = (
        f"{comparison.title}: BD-rate of {comparison.model.name} in per cent, against each peer"
    )
    header = ["against", *map(label_of, metrics)]
    return (
        f"<h3>BD-rate</h3>{build_table(caption, header, rows)}"
        "<p>The mean difference in rate at equal quality; below 0, the model needs fewer bits. "
        f"Curves of means, logarithmic rate, {FIT.value.upper()} interpolation over the qualities "
        "that both reach; - where they share none.</p>"
    )


def _records(caption: str, records: Sequence[Record]) -> str:
    """Return a table of records, or of as many as a page takes."""
    header, *rows = tabulate(records[:MAX_ROWS])
    table = build_table(caption, list(map(str, header)), rows)
    if len(records) > MAX_ROWS:
        table += f"<p>The first {MAX_ROWS} of {len(records)}; -o writes all of them.</p>"
    return table
