"""Losses of pictures other than the squared error."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW_SIDE = 11
_WINDOW_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for values in 0 … 1


def ms_ssim(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the multi-scale structural similarity [B], mean of the channels; differentiable.

    Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity for image quality
    assessment": a Gaussian window of 11 pixels (sigma 1.5) without padding, five scales, each the
    mean of 2 x 2 pixels of the one before (an odd side is padded by zeros), the weights of the
    paper. Negative values of contrast and structure count as zero, so that powers stay real.
    `vqcodec.evaluation.metrics.image` measures the same without gradients.

    A picture with a side below 161 pixels is too small for five windows: it has as many scales as
    fit, at least one, with weights scaled to the sum of all five. A side below 11 narrows the
    window.

    Args:
        image: [B, C, H, W] in 0 … 1.
        reconstruction: the same shape.
    """
    side = min(image.shape[-2:])
    num_scales = max(1, sum((_WINDOW_SIDE - 1) << scale < side for scale in range(5)))
    weights = _SCALE_WEIGHTS[:num_scales]
    stretch = sum(_SCALE_WEIGHTS) / sum(weights)
    result = torch.ones_like(image[:, :, 0, 0])  # [B, C]
    for scale, weight in enumerate(weights):
        if scale:
            padding = [side % 2 for side in image.shape[-2:]]
            image = functional.avg_pool2d(image, 2, padding=padding)
            reconstruction = functional.avg_pool2d(reconstruction, 2, padding=padding)
        luminance, structure = _similarity(image, reconstruction)
        if scale == num_scales - 1:
            structure = structure * luminance
        result = result * structure.mean(dim=(2, 3)).relu() ** (weight * stretch)
    return result.mean(dim=1)


def _similarity(image: Tensor, reconstruction: Tensor) -> tuple[Tensor, Tensor]:
    """Return maps of luminance similarity, and of contrast and structure similarity."""
    products = (image.square(), reconstruction.square(), image * reconstruction)
    blurred = _blur(torch.cat([image, reconstruction, *products], dim=1))
    mean_1, mean_2, square_1, square_2, product = blurred.chunk(5, dim=1)
    variance_1 = square_1 - mean_1.square()
    variance_2 = square_2 - mean_2.square()
    covariance = product - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _C1) / (mean_1.square() + mean_2.square() + _C1)
    return luminance, (2 * covariance + _C2) / (variance_1 + variance_2 + _C2)


def _blur(image: Tensor) -> Tensor:
    """Return the Gaussian means of all windows inside the picture: sides shrink by 10 pixels."""
    num_channels, *sides = image.shape[1:]
    for dim, side in enumerate(sides):
        length = min(_WINDOW_SIDE, side)
        offsets = torch.arange(length, dtype=image.dtype, device=image.device) - (length - 1) / 2
        window = torch.exp(-offsets.square() / (2 * _WINDOW_SIGMA**2))
        kernel = (window / window.sum()).view([-1, 1] if dim == 0 else [1, -1])
        kernel = kernel.expand(num_channels, 1, -1, -1)
        image = functional.conv2d(image, kernel, groups=num_channels)
    return image
