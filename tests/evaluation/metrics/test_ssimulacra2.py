"""SSIMULACRA 2 beside the tool that defines it."""

import numpy as np
import pytest

from vqcodec.evaluation.metrics.ssimulacra2 import ssimulacra2

# Of the tool ssimulacra2 of libjxl 0.11.2: height, width, step of the levels, score.
SCORES = [
    (8, 8, 4, 97.5157),
    (8, 8, 96, 83.2684),
    (9, 31, 32, 90.4730),
    (50, 17, 4, 96.0472),
    (50, 17, 96, 35.2360),
    (100, 133, 4, 93.0730),
    (100, 133, 32, 52.3911),
    (100, 133, 96, -11.7610),
    (300, 280, 32, 70.0569),
    (300, 280, 96, -28.7404),
]


def waves(height, width):
    y, x = np.ogrid[:height, :width]
    planes = [80 * np.sin(x / 9 + y / 13), 80 * np.cos(x / 7 - y / 11), 60 * np.sin(y / 5 + 0 * x)]
    return np.rint(127.5 + np.stack(planes, axis=2)).astype(np.uint8)


@pytest.mark.parametrize(("height", "width", "step", "score"), SCORES)
def test_a_score_is_that_of_the_reference_tool(height, width, step, score):
    picture = waves(height, width)
    coarse = (picture // step * step + step // 2).clip(0, 255).astype(np.uint8)
    assert ssimulacra2(picture, coarse) == pytest.approx(score, abs=0.05)


def test_an_equal_picture_has_100_and_a_very_small_one_no_score():
    picture = waves(40, 40)
    assert ssimulacra2(picture, picture) == 100
    assert ssimulacra2(picture[:7], picture[:7]) is None
    assert ssimulacra2(picture[:, :7], picture[:, :7]) is None


# Of the same steps in float64: height, width, step of the levels, score.
EXACT_SCORES = [
    (8, 8, 4, 97.515306),
    (50, 17, 96, 35.239151),
    (100, 133, 4, 93.092655),
    (300, 280, 32, 70.059333),
]


@pytest.mark.parametrize(("height", "width", "step", "score"), EXACT_SCORES)
def test_a_score_loses_nothing_by_single_precision(height, width, step, score):
    picture = waves(height, width)
    coarse = (picture // step * step + step // 2).clip(0, 255).astype(np.uint8)
    assert ssimulacra2(picture, coarse) == pytest.approx(score, abs=5e-4)
