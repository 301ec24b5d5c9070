"""Curves as a picture: it has every codec, and errors say why nothing can be drawn."""

import io

import numpy as np
import pytest
from PIL import Image

from vqcodec.errors import UsageError
from vqcodec.evaluation.plot import build_plots
from vqcodec.evaluation.record import Record

pytest.importorskip("matplotlib")


def records(codec, *, metric="psnr_db", points=3):
    sound = metric == "stoi"
    return [
        Record(
            file="a",
            codec=codec,
            quality=quality,
            size_bytes=1,
            payload_bytes=None,
            bits_per_pixel=None if sound else 0.1 * quality,
            bits_per_second=1000 * quality if sound else None,
            compress_s=0,
            decompress_s=0,
            metrics={metric: 25.0 + quality},
        )
        for quality in range(1, points + 1)
    ]


def test_a_drawing_names_codecs_metrics_and_units():
    both = records("ours") + records("single", points=1) + records("voice", metric="stoi")
    text = build_plots(both, ".svg").decode()
    for comment in ("ours", "voice", "psnr_db", "stoi", "bits per pixel", "bits per second"):
        assert f"<!-- {comment} -->" in text
    assert "<!-- single -->" not in text


def test_a_drawing_is_a_picture_with_lines():
    pixels = np.asarray(Image.open(io.BytesIO(build_plots(records("ours"), ".png"))).convert("RGB"))
    assert min(pixels.shape[:2]) > 400
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    assert build_plots(records("ours"), ".pdf").startswith(b"%PDF")


def test_records_without_a_curve_are_reported():
    with pytest.raises(UsageError, match="two settings"):
        build_plots(records("ours", points=1), ".png")
