import sys

import numpy as np
import pytest

from vqcodec.errors import UsageError
from vqcodec.evaluation import curves
from vqcodec.evaluation.curves import (
    Fit,
    bjontegaard_rate,
    build_curve,
    bytes_at_equal_quality,
    curve_of_records,
    gap_records,
    rate_gaps,
)
from vqcodec.evaluation.record import Record
from vqcodec.evaluation.table import build_gaps_markdown

# Kodak, as CompressAI publishes them: bits per pixel and PSNR in dB.
RATES = np.array([0.0557, 0.1100, 0.1700, 0.2456, 0.3563, 0.5021])
PSNRS = np.array([25.561, 27.562, 29.025, 30.442, 31.951, 33.552])


def curve(name="a", factor=1.0, keep=slice(None)):
    return build_curve(name, zip(factor * RATES[keep], PSNRS[keep], strict=True))


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_the_same_curve_at_another_rate_differs_by_the_factor(fit, factor):
    gap = bjontegaard_rate(curve(), curve("b", factor), fit)
    assert gap == pytest.approx(100 * (factor - 1))


@pytest.mark.parametrize("fit", Fit)
def test_swapping_the_curves_inverts_the_ratio(fit):
    other = build_curve("b", zip(RATES, PSNRS + np.linspace(0.2, 0.6, 6), strict=True))
    there, back = bjontegaard_rate(curve(), other, fit), bjontegaard_rate(other, curve(), fit)
    assert there < 0
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


@pytest.mark.parametrize("fit", Fit)
def test_straight_lines_give_the_gap_in_the_middle_of_their_overlap(fit):
    qualities = np.array([30.0, 31, 33, 34, 36])
    slow = build_curve("a", zip(np.exp(0.1 * (qualities - 30)), qualities, strict=True))
    fast = build_curve("b", zip(np.exp(0.3 * (qualities - 31)), qualities + 1, strict=True))
    middle = (31 + 36) / 2
    expected = 0.3 * (middle - 1 - 31) - 0.1 * (middle - 30)
    assert bjontegaard_rate(slow, fast, fit) == pytest.approx(100 * np.expm1(expected))


@pytest.mark.parametrize(
    ("rates", "gap", "saving"),
    [
        ([1, 3, 2, 2, 5, 4], 170.74709, -1.9218564),
        ([5, 4, 4, 4, 1, 2], 182.21929, -2.2068034),
        ([1, 1, 1, 9, 9, 8], 183.23983, -3.5589394),
    ],
)
def test_the_monotonic_fit_keeps_its_values_at_turns_and_ends(rates, gap, saving):
    bumpy = build_curve("b", zip(rates, PSNRS, strict=True))
    flat = build_curve("a", [(1, PSNRS[0]), (1, PSNRS[-1])])
    assert bjontegaard_rate(flat, bumpy) == pytest.approx(gap)
    assert bytes_at_equal_quality(flat, bumpy, PSNRS[0], PSNRS[-1]) == pytest.approx(saving)


def test_without_scipy_a_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.interpolate", None)
    monkeypatch.setattr(curves, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"scipy; .* pip install '\.\[eval\]'"):
        bjontegaard_rate(curve(), curve("b", 2))
    with pytest.raises(UsageError, match="scipy"):
        bytes_at_equal_quality(curve(), curve("b", 2), 27, 32)
    assert bjontegaard_rate(curve(), curve("b", 2), Fit.CUBIC) == pytest.approx(100)
    assert curves.gap_or_none(curve(), curve("b", 2)) is None
    records = records_of("a", 1) + records_of("b", 2)
    assert rate_gaps(records)["psnr_db"]["b"][0] == [None, pytest.approx(100)]
    assert build_gaps_markdown(records) == f"\n{curves.NEEDS_SCIPY}\n"
    assert build_gaps_markdown(records[:6]) == ""


def test_bytes_at_equal_quality_are_a_share_of_the_first():
    assert bytes_at_equal_quality(curve(), curve("b", 0.8), 27, 32) == pytest.approx(0.2)
    assert bytes_at_equal_quality(curve(), curve("b", 1.5), 27, 32) == pytest.approx(-0.5)


def test_points_may_come_in_any_order():
    order = [3, 0, 5, 1, 4, 2]
    assert bjontegaard_rate(curve(), curve("b", keep=order)) == pytest.approx(0)


@pytest.mark.parametrize(
    "points", [[], [(1, 30)], [(1, 30), (2, 30)], [(0, 30), (1, 31)], [(-1, 30), (1, 31)]]
)
def test_points_that_are_not_a_curve_are_refused(points):
    with pytest.raises(UsageError, match="b: "):
        build_curve("b", points)


def test_curves_that_share_no_quality_are_refused():
    low, high = curve(keep=slice(0, 3)), curve("b", keep=slice(3, 6))
    with pytest.raises(UsageError, match=r"a \(25\.56 … 29\.0[23]\) and b"):
        bjontegaard_rate(low, high)
    for limits in ((20, 30), (30, 40), (30, 30), (31, 30)):
        with pytest.raises(UsageError):
            bytes_at_equal_quality(curve(), curve("b"), *limits)


def test_a_cubic_needs_four_points_and_the_monotonic_fit_two():
    short = curve("b", 2.0, keep=slice(0, 6, 5))
    assert bjontegaard_rate(short, short) == pytest.approx(0)
    with pytest.raises(UsageError, match="b: a cubic needs 4"):
        bjontegaard_rate(curve(), curve("b", keep=slice(0, 3)), Fit.CUBIC)


@pytest.mark.parametrize("unit", ["bits_per_pixel", "bits_per_second"])
def test_the_curve_of_a_codec_goes_through_its_means(unit):
    rates = {"bits_per_pixel": None, "bits_per_second": None}
    records = [
        Record(
            file=str(file),
            codec=codec,
            quality=quality,
            size_bytes=1,
            payload_bytes=None,
            compress_s=0,
            decompress_s=0,
            metrics={"psnr_db": 30.0 + quality + file, "other": None},
            **(rates | {unit: quality * (1.0 + file)}),
        )
        for codec in ("a", "b")
        for quality in (2, 1)
        for file in (0, 2)
    ]
    found = curve_of_records(records, "b", "psnr_db")
    assert (found.name, *found.rates, *found.qualities) == ("b", 2, 4, 32, 33)
    for codec, metric in (("a", "other"), ("a", "absent"), ("c", "psnr_db")):
        with pytest.raises(UsageError, match=f"{codec}: "):
            curve_of_records(records, codec, metric)


@pytest.mark.filterwarnings("ignore:Insufficient curve overlap")
@pytest.mark.parametrize("fit", Fit)
def test_the_gap_is_that_of_the_usual_tool(fit):
    library = pytest.importorskip("bjontegaard")
    rates, psnrs = np.array([0.14, 0.37, 0.64, 0.93, 1.3]), np.array([22.8, 27.6, 29.8, 31.4, 33])
    expected = library.bd_rate(
        rates, psnrs, RATES, PSNRS, method=fit.value, require_matching_points=False
    )
    other = build_curve("b", zip(rates, psnrs, strict=True))
    assert bjontegaard_rate(other, curve(), fit) == pytest.approx(expected)


def records_of(codec, factor, metric="psnr_db", points=6):
    return [
        Record(
            file="a.png",
            codec=codec,
            quality=number,
            size_bytes=1,
            payload_bytes=None,
            bits_per_pixel=factor * rate,
            bits_per_second=None,
            compress_s=0,
            decompress_s=0,
            metrics={metric: psnr},
        )
        for number, (rate, psnr) in enumerate(zip(RATES, PSNRS, strict=True))
    ][:points]


def test_every_pair_of_codecs_has_gaps_by_both_fits():
    matrix = rate_gaps(records_of("a", 1) + records_of("b", 2) + records_of("c", 1, points=3))
    assert list(matrix) == ["psnr_db"]
    rows = matrix["psnr_db"]
    assert rows["b"][0] == pytest.approx([100, 100])
    assert rows["a"] == [None, pytest.approx([-50, -50]), [pytest.approx(0, abs=0.1), None]]


def test_gaps_are_objects_for_programs():
    first, second = gap_records(records_of("a", 1) + records_of("b", 2))
    pair = {"metric": "psnr_db", "codec": "b", "against": "a"}
    assert second == pair | {
        name: pytest.approx(100) for name in ("pchip_percent", "cubic_percent")
    }
    assert first["codec"] == "a" and first["pchip_percent"] == pytest.approx(-50)


def test_codecs_that_share_no_metric_have_no_gaps():
    assert rate_gaps(records_of("a", 1) + records_of("b", 1, metric="stoi")) == {}
    assert rate_gaps(records_of("a", 1) + records_of("b", 1, points=1)) == {}
