"""The distortion of pictures in training."""

from __future__ import annotations

import pytest
import torch

from vqcodec.modalities import build_modality
from vqcodec.training.image.modality import ImageTraining
from vqcodec.training.modality import training_side


@pytest.fixture
def picture():
    torch.manual_seed(0)
    return torch.nn.functional.interpolate(torch.rand(2, 3, 24, 24), size=176, mode="bicubic")


def distortion(reconstruction, target, kind):
    return training_side(build_modality("image", {})).distortion(reconstruction, target, kind)


@pytest.mark.parametrize("kind", ImageTraining.distortions)
def test_the_original_has_no_error_and_noise_has_one(picture, kind):
    assert distortion(picture, picture, kind)["total"].abs().max() < 1e-3
    errors = [
        distortion(picture + size * torch.randn_like(picture), picture, kind)["total"]
        for size in (0.02, 0.1)
    ]
    assert (errors[0] > 0).all()
    assert (errors[0] < errors[1]).all()


def test_structure_forgives_a_change_of_brightness(picture):
    brighter = picture + 0.05
    noisy = picture + 0.05 * torch.randn_like(picture)
    structure = [distortion(x, picture, "ms_ssim")["total"] for x in (brighter, noisy)]
    squares = [distortion(x, picture, "default")["total"] for x in (brighter, noisy)]
    assert (structure[0] < structure[1] / 5).all()
    assert (squares[0] > squares[1] / 2).all()


def test_ms_ssim_has_a_finite_gradient(picture):
    noisy = (picture + 0.05 * torch.randn_like(picture)).requires_grad_()
    terms = distortion(noisy, picture, "ms_ssim")
    terms["total"].sum().backward()
    assert noisy.grad is not None
    assert noisy.grad.isfinite().all()
    assert set(terms) == {"total", "mse", "psnr_db", "ms_ssim"}
