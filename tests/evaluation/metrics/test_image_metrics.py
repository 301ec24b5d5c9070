import math

import numpy as np
import pytest
import torch

from vqcodec.evaluation.metrics.image import compare, ms_ssim, ms_ssim_of_pictures, psnr
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
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, *size, generator=generator)
    assert torch.allclose(ms_ssim(image, image), torch.ones(2))
    worse = ms_ssim(image, (image + 0.5) % 1)
    assert ((worse >= 0) & (worse < 0.9)).all()


def test_similarity_falls_with_the_error_and_has_a_gradient():
    image = torch.from_numpy(waves()).permute(2, 0, 1)[None].float() / 255
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    noisy = [(image + scale * noise).requires_grad_() for scale in (0.02, 0.05, 0.2)]
    similarities = [ms_ssim(image, reconstruction) for reconstruction in noisy]
    assert similarities[0] > similarities[1] > similarities[2]
    similarities[1].sum().backward()
    assert noisy[1].grad.isfinite().all()
    assert noisy[1].grad.any()
