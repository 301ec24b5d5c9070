"""Published curves and our own: read, measured, compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import published
import result

from vqcodec.errors import InputError
from vqcodec.evaluation.picture_baselines import PillowCodec

HEADER = "dataset,codec,bpp,psnr_rgb\n"


def table(path, *, codecs=("jpeg", "webp"), count=19, dataset="kodak"):
    rows = [
        f"{dataset},{codec},{0.1 * n},{20 + n}\n" for codec in codecs for n in range(1, count + 1)
    ]
    path.write_text(HEADER + "".join(rows) + "kodak,learnt,0.5,\nother,jpeg,9,9\n")
    return path


def test_the_rows_of_a_codec_are_its_qualities_in_order(tmp_path):
    curves = published.read_published(table(tmp_path / "points.csv"), "kodak")
    assert list(curves) == ["jpeg", "webp"]
    assert list(curves["webp"]) == list(range(5, 100, 5))
    assert curves["jpeg"][10] == published.Point(0.2, 22)
    assert curves["jpeg"][95] == published.Point(pytest.approx(1.9), 39)


def test_a_table_without_all_points_is_reported(tmp_path):
    path = tmp_path / "points.csv"
    with pytest.raises(InputError, match="No such file"):
        published.read_published(path, "kodak")
    for options in ({"count": 18}, {"count": 20}, {"codecs": ["jpeg"]}, {"dataset": "clic"}):
        with pytest.raises(InputError, match="19 rows of kodak for each of JPEG, WEBP"):
            published.read_published(table(path, **options), "kodak")
    path.write_text("dataset,rate\nkodak,1\n")
    with pytest.raises(InputError, match="codec"):
        published.read_published(path, "kodak")


def test_differences_are_relative_and_only_at_common_points():
    own = {5: published.Point(0.9, 20.2), 7: published.Point(1, 1), 10: published.Point(2.1, 30)}
    theirs = {5: published.Point(1.0, 20), 10: published.Point(2.0, 30), 15: published.Point(3, 3)}
    found = published.compare("jpeg", "so", own, theirs)
    assert [point["quality"] for point in found["points"]] == [5, 10]
    assert found["points"][1]["rate_difference"] == pytest.approx(0.05)
    assert found["largest_rate_difference"] == pytest.approx(-0.1)
    assert found["largest_psnr_difference"] == pytest.approx(0.01)
    assert published.compare("jpeg", "so", {}, theirs)["largest_rate_difference"] is None


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 24, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_a_curve_is_of_means_over_pictures(pictures):
    codec, files = PillowCodec("JPEG", {}), sorted(pictures.iterdir())
    both, *alone = (
        published.measured_curve(codec, paths) for paths in (files, files[:1], files[1:])
    )
    for quality in published.QUALITIES:
        for field in ("bits_per_pixel", "psnr_db"):
            values = [getattr(curve[quality], field) for curve in alone]
            assert getattr(both[quality], field) == pytest.approx(sum(values) / 2)
    assert both[95].bits_per_pixel > both[5].bits_per_pixel


def test_the_result_has_recorded_and_measured_curves(pictures, tmp_path, monkeypatch, capsys):
    mean = {"quality": 5.0, "bits_per_pixel": 0.05, "metrics": {"psnr_db": 21.0}}
    means = [{"codec": codec, **mean} for codec in ("image", "jpeg", "avif")]
    (tmp_path / "pictures.json").write_text(json.dumps({"means": means}))
    monkeypatch.setattr(result, "RESULTS", tmp_path)
    monkeypatch.setattr(result, "ROOT", tmp_path)
    points = table(tmp_path / "points.csv")
    command = ["published.py", str(points), "--pictures", str(pictures)]
    monkeypatch.setattr(sys, "argv", command)
    published.main()
    found = json.loads((tmp_path / "published.json").read_text())
    assert (found["dataset"], found["n"]) == ("kodak", 2)
    assert [(each["codec"], each["settings"]) for each in found["comparisons"]] == [
        ("jpeg", published.RECORDED),
        ("jpeg", published.DEFAULTS),
        ("webp", published.DEFAULTS),
    ]
    assert found["comparisons"][0]["largest_rate_difference"] == pytest.approx(-0.5)
    assert [len(each["points"]) for each in found["comparisons"]] == [1, 19, 19]
    assert "largest difference: rate -50.00%, PSNR +0.00%" in capsys.readouterr().out
