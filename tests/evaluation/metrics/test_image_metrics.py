import math
import subprocess
import sys

import numpy as np
import pytest

from vqcodec.evaluation.metrics.image import compare, ms_ssim, ms_ssim_of_pictures, psnr
from vqcodec.evaluation.metrics.windows import weighted_means
from vqcodec.signals.picture import Picture


def waves(height=200, width=180, channels=3):
    """Return a smooth picture that needs no random generator."""
    y, x, c = np.ogrid[:height, :width, :channels]
    values = np.sin(x / (5 + c)) + np.cos(y / (9 - c)) + np.sin(x * y / 700)
    return np.rint(127.5 + 40 * values).astype(np.uint8)


def ripples(picture):
    """Return the picture with a fine pattern over it."""
    y, x, _ = np.ogrid[: picture.shape[0], : picture.shape[1], :1]
    return (picture + 12 * ((x + 2 * y) % 3) - 12).clip(0, 255).astype(np.uint8)


def test_psnr_of_an_error_of_one_is_48_13_db():
    picture = waves()
    assert psnr(Picture(picture), Picture(picture + 1)) == pytest.approx(20 * math.log10(255))


def test_an_equal_picture_is_perfect():
    picture = Picture(waves())
    best = {"psnr_db": math.inf, "ms_ssim": 1, "ms_ssim_db": math.inf, "ssimulacra2": 100}
    assert compare(picture, picture) == best


def test_ms_ssim_is_that_of_the_usual_implementation():
    picture = waves()
    # The figure is of pytorch-msssim 1.0.0, data_range=255.
    similarity = ms_ssim_of_pictures(Picture(picture), Picture(ripples(picture)))
    assert similarity == pytest.approx(0.984185, abs=2e-6)
    decibels = compare(Picture(picture), Picture(ripples(picture)))["ms_ssim_db"]
    assert decibels == pytest.approx(-10 * math.log10(1 - similarity))


def test_grey_counts_as_three_equal_channels():
    grey, other = waves(channels=1), ripples(waves(channels=1))
    wide = [Picture(np.repeat(pixels, 3, axis=2)) for pixels in (grey, other)]
    assert compare(Picture(grey), Picture(other)) == pytest.approx(compare(*wide))


def test_sixteen_bits_are_compared_as_eight():
    picture = waves(channels=1)
    assert psnr(Picture(picture.astype(np.uint16) * 257), Picture(picture)) == math.inf


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (4, 7), (10, 11), (21, 20), (160, 161)])
def test_a_small_picture_has_as_many_scales_as_fit(size):
    image = np.random.default_rng(0).random(size, np.float32)
    assert ms_ssim(image, image) == pytest.approx(1)
    assert 0 <= ms_ssim(image, (image + np.float32(0.5)) % 1) < 0.9


def test_similarity_falls_with_the_error():
    image = waves()[..., 0].astype(np.float32) / 255
    noise = np.random.default_rng(0).normal(size=image.shape).astype(np.float32)
    similarities = [ms_ssim(image, image + np.float32(scale) * noise) for scale in (0.02, 0.1, 0.5)]
    assert similarities[0] > similarities[1] > similarities[2]


# Height, width, and MS-SSIM of the training loss on pixels in float64.
SIMILARITIES = [
    (1, 1, 0.9972603),
    (4, 7, 0.6711929),
    (11, 300, 0.6818861),
    (77, 123, 0.9685894),
    (161, 163, 0.9831991),
    (200, 180, 0.9841854),
]


@pytest.mark.parametrize(("height", "width", "similarity"), SIMILARITIES)
def test_ms_ssim_keeps_its_values_on_all_sizes(height, width, similarity):
    picture = waves(height, width)
    found = ms_ssim_of_pictures(Picture(picture), Picture(ripples(picture)))
    assert found == pytest.approx(similarity, abs=1e-5)


@pytest.mark.parametrize("lengths", [(1, 1), (11, 11), (3, 9)])
@pytest.mark.parametrize("size", [(11, 11), (40, 43), (75, 12), (64, 97)])
def test_weighted_means_are_those_of_a_sliding_window(lengths, size):
    generator = np.random.default_rng(1)
    down, across = (generator.random(length) for length in lengths)
    maps = generator.random((2, *size)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(maps, lengths, axis=(1, 2))
    expected = np.einsum("nhwij,i,j->nhw", windows, down, across)
    assert np.allclose(weighted_means(maps, across, down), expected, rtol=1e-5)


def test_metrics_of_pictures_do_not_import_torch_or_scipy():
    code = (
        "import sys, numpy; from vqcodec.evaluation.metrics.image import compare\n"
        "from vqcodec.signals.picture import Picture\n"
        "picture = Picture(numpy.zeros((200, 180, 3), numpy.uint8)); compare(picture, picture)\n"
        "assert not {'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
