"""Rate-distortion curves as one picture, for papers and slides."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module

from vqcodec.errors import MissingCodecError, UsageError
from vqcodec.evaluation.curves import METRICS, known_curves
from vqcodec.evaluation.record import Record
from vqcodec.extras import install_hint

SUFFIXES = (".png", ".svg", ".pdf")
_MARKERS = "os^DvPX*<>"  # distinct without colours, too
_WIDTH, _HEIGHT = 5.0, 4.0  # inches of one plot


def build_plots(records: Sequence[Record], suffix: str) -> bytes:
    """Return a file in a format of SUFFIXES: a plot for each metric, a line for each codec.

    Raises:
        UsageError: no codec has two settings, so there is no line to draw.
        MissingCodecError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    codecs = list(dict.fromkeys(record.codec for record in records))
    found = {metric: known_curves(records, codecs, metric) for metric in METRICS}
    drawn = {metric: curves for metric, curves in found.items() if curves}
    if not drawn:
        raise UsageError("plot: no codec has two settings, which a curve needs")
    figure = Figure(figsize=(_WIDTH * len(drawn), _HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (metric, curves) in enumerate(drawn.items(), 1):
        axes = figure.add_subplot(1, len(drawn), place)
        for codec, curve in curves.items():
            number = codecs.index(codec)
            marker, colour = _MARKERS[number % len(_MARKERS)], f"C{number % 10}"
            axes.plot(curve.rates, curve.qualities, marker=marker, color=colour, label=codec)
        axes.set_xscale("log")
        axes.set_xlabel(_unit(records, metric))
        axes.set_ylabel(metric)
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
    file = io.BytesIO()
    figure.savefig(file, format=suffix.removeprefix("."), dpi=150)
    return file.getvalue()


def require_matplotlib() -> None:
    """Check that matplotlib is installed, before any work is done.

    Raises:
        MissingCodecError: it is not installed; the message says how to install it.
    """
    try:
        import_module("matplotlib")
    except ImportError as error:
        raise MissingCodecError(f"plot: needs matplotlib; {install_hint('eval')}") from error


def _unit(records: Sequence[Record], metric: str) -> str:
    """Return the unit of the rates of the records that have a metric."""
    first = next(record for record in records if record.metrics.get(metric) is not None)
    return "bits per second" if first.bits_per_pixel is None else "bits per pixel"
