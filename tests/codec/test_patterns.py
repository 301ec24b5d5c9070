"""Shipped models for pictures code patterns that photographs lack, without large streams."""

from __future__ import annotations

import numpy as np
import pytest

import vqcodec
from vqcodec.signals.picture import Picture, psnr

SIDE = 256
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
# Height and width of a field: checks, rows, columns.
FIELDS = [(2, 2), (4, 4), (8, 8), (8, 4), (16, 16), (8, SIDE), (SIDE, 8), (2, SIDE)]
COLOURS = [
    ((0, 0, 0), (255, 255, 255)),
    ((0, 0, 0), (0, 255, 0)),
    ((255, 0, 0), (0, 255, 255)),
    ((0, 0, 255), (255, 255, 0)),
]
MOST_BYTES = {1: 16_000, 5: 50_000, 10: 110_000}  # by quality; the pixels are 196,608 bytes
MOST_BELOW_DB = 3  # a plain picture of the mean colour


@pytest.fixture(scope="module", params=["image", "image-msssim"])
def shipped(request):
    return vqcodec.load(request.param)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("colours", COLOURS)
def test_a_pattern_is_no_failure(shipped, field, colours):
    is_second = (ROWS // field[0] + COLUMNS // field[1]) % 2 == 1
    pixels = np.where(is_second[..., None], *map(np.array, reversed(colours))).astype(np.uint8)
    mean = pixels.mean(axis=(0, 1)).astype(np.uint8)
    picture, plain = Picture(pixels), Picture(np.tile(mean, (SIDE, SIDE, 1)))
    for quality, most_bytes in MOST_BYTES.items():
        stream = shipped.compress(picture, quality=quality)
        assert len(stream) < most_bytes
        assert psnr(picture, shipped.decompress(stream)) > psnr(picture, plain) - MOST_BELOW_DB
