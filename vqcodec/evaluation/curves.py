"""Rate-distortion curves and the average gap between two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import UsageError
from vqcodec.evaluation.record import Record, mean_records
from vqcodec.extras import install_hint

Floats = NDArray[np.float64]
_NUM_LEVELS = 101
# BD-rates are computed at equal values of these metrics.
METRICS = (
    "psnr_db",
    "ms_ssim_db",
    "ssimulacra2",
    "pesq_wb",
    "stoi",
    "visqol",
    "visqol_audio",
)

NEEDS_SCIPY = f"BD-rate by PCHIP needs scipy; {install_hint('eval')}"

# By metric, codec and other codec: the BD-rate by each fit; None for a codec and itself.
Gaps = dict[str, dict[str, list[list[float | None] | None]]]


class Fit(Enum):
    """How the logarithm of the rate is interpolated as a function of quality."""

    PCHIP = "pchip"  # through all points, monotonic (Fritsch and Butland 1984); 2 points
    CUBIC = "cubic"  # one polynomial, least squares (Bjøntegaard 2001, VCEG-M33); 4 points


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """Points of one codec, sorted by quality.

    Attributes:
        name: of the codec, for messages.
        rates: [P] in any unit, above 0.
        qualities: [P] in dB or any other scale, strictly increasing.

    Raises:
        UsageError: fewer than 2 points, a rate of 0 or less, or two points of one quality.
    """

    name: str
    rates: Floats
    qualities: Floats

    def __post_init__(self) -> None:
        if len(self.rates) < 2 or len(self.rates) != len(self.qualities):
            raise UsageError(f"{self.name}: a curve needs 2 points or more")
        if not (self.rates > 0).all() or not (np.diff(self.qualities) > 0).all():
            raise UsageError(f"{self.name}: needs rates above 0 and a different quality each")


def build_curve(name: str, points: Iterable[tuple[float, float]]) -> Curve:
    """Return the curve through points (rate, quality), in any order."""
    ordered = sorted(points, key=lambda point: point[1])
    rates, qualities = np.array(ordered, dtype=np.float64).reshape(-1, 2).T
    return Curve(name, rates, qualities)


def curve_of_records(records: Iterable[Record], codec: str, metric: str) -> Curve:
    """Return the curve of a codec's mean records: bits per pixel or per second and one metric.

    Raises:
        UsageError: there are fewer than 2 qualities with this metric.
    """
    means = mean_records([record for record in records if record.codec == codec])
    points = []
    for mean in means:
        rate = mean.bits_per_second if mean.bits_per_pixel is None else mean.bits_per_pixel
        quality = mean.metrics.get(metric)
        if rate is not None and quality is not None:
            points.append((rate, quality))
    return build_curve(codec, points)


def bjontegaard_rate(reference: Curve, other: Curve, fit: Fit = Fit.PCHIP) -> float:
    """Return the average rate difference in per cent at equal quality; below 0, `other` is better.

    It is the difference of the means of log(rate) over the qualities that both curves cover.

    Raises:
        UsageError: the curves share no range of quality, or have too few points for the fit; or
            the fit's package is not installed.
    """
    low = max(reference.qualities[0], other.qualities[0])
    high = min(reference.qualities[-1], other.qualities[-1])
    _check_range(reference, other, low, high)
    gap = _mean_log_rate(other, low, high, fit) - _mean_log_rate(reference, low, high, fit)
    return 100 * float(np.expm1(gap))


def rate_gaps(records: Sequence[Record]) -> Gaps:
    """Return the BD-rate of each codec against each other codec, for each of METRICS.

    Every BD-rate is computed twice: by PCHIP and by cubic. It is None if the curves share no
    quality or have too few points. A metric is left out if fewer than two codecs have it.
    """
    codecs = list(dict.fromkeys(record.codec for record in records))
    matrices: Gaps = {}
    for metric in METRICS:
        curves = known_curves(records, codecs, metric)
        if len(curves) > 1:
            matrices[metric] = {
                codec: [
                    None if other is own else [gap_or_none(other, own, fit) for fit in Fit]
                    for other in curves.values()
                ]
                for codec, own in curves.items()
            }
    return matrices


def gap_records(records: Sequence[Record]) -> list[dict[str, str | float | None]]:
    """Return `rate_gaps` as one object for each metric and pair of codecs, in per cent."""
    return [
        {"metric": metric, "codec": codec, "against": other}
        | {f"{fit.value}_percent": gap for fit, gap in zip(Fit, gaps, strict=True)}
        for metric, matrix in rate_gaps(records).items()
        for codec, row in matrix.items()
        for other, gaps in zip(matrix, row, strict=True)
        if gaps is not None
    ]


def known_curves(records: Sequence[Record], codecs: Sequence[str], metric: str) -> dict[str, Curve]:
    """Return the curves of the codecs that have this metric at two or more settings."""
    curves = {}
    for codec in codecs:
        try:
            curves[codec] = curve_of_records(records, codec, metric)
        except UsageError:
            continue
    return curves


def missing_fits() -> list[str]:
    """Return a sentence for each fit whose package is not installed."""
    return [] if find_spec("scipy") else [NEEDS_SCIPY]


def gap_or_none(reference: Curve, other: Curve, fit: Fit = Fit.PCHIP) -> float | None:
    """Return `bjontegaard_rate`, or None for curves that cannot be compared.

    It is also None if the fit's package is not installed; `missing_fits` reports that.
    """
    try:
        return bjontegaard_rate(reference, other, fit)
    except UsageError:
        return None


def bytes_at_equal_quality(curve_a: Curve, curve_b: Curve, lo_db: float, hi_db: float) -> float:
    """Return the share of bytes that b saves against a at equal quality: 0.2 is a fifth fewer.

    It is the mean of 1 - rate_b / rate_a at evenly spaced qualities in lo_db … hi_db. log(rate)
    is interpolated monotonically.

    Raises:
        UsageError: one of the curves does not cover the range, or scipy is not installed.
    """
    _check_range(curve_a, curve_b, lo_db, hi_db)
    levels = np.linspace(lo_db, hi_db, _NUM_LEVELS)
    log_rates_a, log_rates_b = (_fit(curve, Fit.PCHIP)(levels) for curve in (curve_a, curve_b))
    return float(-np.expm1(log_rates_b - log_rates_a).mean())


def _check_range(first: Curve, second: Curve, low: float, high: float) -> None:
    covered = all(c.qualities[0] <= low and high <= c.qualities[-1] for c in (first, second))
    if not covered or low >= high:
        raise UsageError(
            f"{first.name} ({first.qualities[0]:.2f} … {first.qualities[-1]:.2f}) and "
            f"{second.name} ({second.qualities[0]:.2f} … {second.qualities[-1]:.2f}) "
            f"cannot be compared over {low:.2f} … {high:.2f}"
        )


def _mean_log_rate(curve: Curve, low: float, high: float, fit: Fit) -> float:
    log_rate = _fit(curve, fit)
    inner = curve.qualities[(curve.qualities > low) & (curve.qualities < high)]
    knots = np.concatenate([[low], inner, [high]])
    middles = (knots[:-1] + knots[1:]) / 2
    sums = log_rate(knots[:-1]) + 4 * log_rate(middles) + log_rate(knots[1:])
    integral = float((np.diff(knots) * sums).sum()) / 6  # Simpson's rule, exact for cubics
    return integral / (high - low)


def _fit(curve: Curve, fit: Fit) -> Callable[[Floats], Floats]:
    """Return log(rate) as a function of quality: one cubic between two neighbouring points."""
    log_rates = np.log(curve.rates)
    if fit is Fit.PCHIP:
        return _pchip(curve.qualities, log_rates)
    if len(log_rates) < 4:
        raise UsageError(f"{curve.name}: a cubic needs 4 points, not {len(log_rates)}")
    return np.polynomial.Polynomial.fit(curve.qualities, log_rates, 3)


def _pchip(x: Floats, y: Floats) -> Callable[[Floats], Floats]:
    """Return the monotonic piecewise cubic through (x, y).

    Raises:
        UsageError: scipy is not installed.
    """
    try:
        from scipy.interpolate import PchipInterpolator  # here: part of the extra [eval]
    except ImportError as error:
        raise UsageError(NEEDS_SCIPY) from error
    fit: Callable[[Floats], Floats] = PchipInterpolator(x, y)
    return fit
