"""MS-SSIM as a differentiable loss equals the metric."""

import numpy as np
import pytest
import torch

from vqcodec.evaluation.metrics import image as metrics
from vqcodec.training.image.losses import ms_ssim


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (10, 11), (77, 123), (161, 163), (200, 180)])
def test_the_loss_measures_what_the_metric_measures(size):
    generator = np.random.default_rng(0)
    image = generator.random((3, *size), np.float32)
    other = (image + generator.normal(size=image.shape) / 5).clip(0, 1).astype(np.float32)
    loss = float(ms_ssim(torch.from_numpy(image)[None], torch.from_numpy(other)[None]))
    measured = [metrics.ms_ssim(*pair) for pair in zip(image, other, strict=True)]
    assert loss == pytest.approx(sum(measured) / 3, abs=2e-5)


@pytest.mark.parametrize("size", [(1, 1), (4, 7), (21, 20), (160, 161)])
def test_a_small_picture_has_as_many_scales_as_fit(size):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, *size, generator=generator)
    assert torch.allclose(ms_ssim(image, image), torch.ones(2))
    worse = ms_ssim(image, (image + 0.5) % 1)
    assert ((worse >= 0) & (worse < 0.9)).all()


def test_similarity_falls_with_the_error_and_has_a_gradient():
    generator = torch.Generator().manual_seed(0)
    image = torch.linspace(0, 1, 190).expand(1, 3, 180, 190)
    noise = torch.randn(image.shape, generator=generator)
    noisy = [(image + scale * noise).requires_grad_() for scale in (0.02, 0.05, 0.2)]
    similarities = [ms_ssim(image, reconstruction) for reconstruction in noisy]
    assert similarities[0] > similarities[1] > similarities[2]
    similarities[1].sum().backward()
    assert noisy[1].grad.isfinite().all()
    assert noisy[1].grad.any()
