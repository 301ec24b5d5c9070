"""The savings of a model against other codecs, from records of files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vqcodec.evaluation.run import Record

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import rate_distortion


def curve(codec, first_db, rate_factor):
    """Records of a codec whose rate doubles every 6 dB, from first_db on."""
    return [
        Record(
            file="picture.png",
            codec=codec,
            quality=step,
            size_bytes=1000,
            payload_bytes=None,
            bits_per_pixel=rate_factor * 2 ** (first_db / 6 + step),
            bits_per_second=None,
            compress_s=0,
            decompress_s=0,
            metrics={"psnr_db": first_db + 6 * step, "ms_ssim_db": None},
        )
        for step in range(4)
    ]


def test_half_the_bytes_are_half_the_bytes():
    records = curve("image", 20, 0.5) + curve("jpeg", 20, 1)
    found = rate_distortion.gap(records, "image", "jpeg", "psnr_db")
    assert found["range_db"] == [24.0, 30.0]
    assert found["bytes_saved"] == pytest.approx(0.5)
    assert found["bd_rate_percent"] == pytest.approx(-50)


def test_bytes_are_compared_where_both_codecs_are():
    records = curve("image", 20, 1) + curve("webp", 27, 1)
    found = rate_distortion.gap(records, "image", "webp", "psnr_db")
    assert found["range_db"] == [27.0, 30.0]
    assert found["bytes_saved"] == pytest.approx(0, abs=1e-9)


def test_curves_without_overlap_have_no_gap():
    records = curve("image", 0, 1) + curve("webp", 27, 1)
    found = rate_distortion.gap(records, "image", "webp", "psnr_db")
    assert found == {"against": "webp", "metric": "psnr_db", "bd_rate_percent": None}


def test_a_metric_without_values_has_no_gap():
    records = curve("image", 20, 1) + curve("webp", 20, 1)
    found = rate_distortion.gap(records, "image", "webp", "ms_ssim_db")
    assert found["bd_rate_percent"] is None


def test_other_codecs_keep_the_figures_of_an_earlier_result():
    stored = json.loads((rate_distortion.RESULTS / "pictures.json").read_text(encoding="utf-8"))
    peers, commit = rate_distortion.measured_before("pictures", ["avif", "webp"], stored["n"])
    assert {peer.codec for peer in peers} == {"avif", "webp"}
    assert commit == stored.get("peers_of", stored["commit"])
    ours = [Record(**mean) for mean in stored["means"] if mean["codec"] == "image"]
    for gap in stored["gaps"]:
        if gap["against"] in ("avif", "webp"):
            again = rate_distortion.gap([*ours, *peers], "image", gap["against"], gap["metric"])
            for key, value in gap.items():
                assert again[key] == (value if isinstance(value, str) else pytest.approx(value))


def test_figures_of_other_files_or_codecs_are_refused():
    with pytest.raises(SystemExit, match="not of 3"):
        rate_distortion.measured_before("pictures", ["avif"], 3)
    with pytest.raises(SystemExit, match="no figures of bpg"):
        rate_distortion.measured_before("pictures", ["bpg"], 24)
