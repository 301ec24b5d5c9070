"""How close a decoded picture is to the original."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vqcodec.evaluation.metrics.ssimulacra2 import ssimulacra2
from vqcodec.signals.picture import Picture

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW_SIDE = 11
_WINDOW_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for values in 0 … 1


def compare(reference: Picture, decoded: Picture) -> dict[str, float | None]:
    """Return psnr_db, ms_ssim, ms_ssim_db and ssimulacra2 of two pictures of one size.

    ms_ssim_db is -10 log10(1 - ms_ssim). Both are taken as 8-bit RGB, grey as three equal channels,
    without alpha. Equal pictures have an infinite psnr_db and ms_ssim_db.
    """
    similarity = ms_ssim_of_pictures(reference, decoded)
    return {
        "psnr_db": psnr(reference, decoded),
        "ms_ssim": similarity,
        "ms_ssim_db": math.inf if similarity >= 1 else -10 * math.log10(1 - similarity),
        "ssimulacra2": ssimulacra2(_rgb(reference), _rgb(decoded)),
    }


def missing() -> list[str]:
    """Return the names of the metrics that `compare` leaves out: none, they need no package."""
    return []


def psnr(reference: Picture, decoded: Picture) -> float:
    """Return the ratio of peak to noise in dB, over all channels of the 8-bit RGB values."""
    difference = _rgb(reference).astype(np.int32) - _rgb(decoded)
    noise = float(np.mean(np.square(difference), dtype=np.float64))
    return 10 * math.log10(255**2 / noise) if noise else math.inf


def ms_ssim_of_pictures(reference: Picture, decoded: Picture) -> float:
    """Return `ms_ssim` of the 8-bit RGB values, mean of the channels."""
    similarities = []
    for first, second in zip(_rgb(reference).T, _rgb(decoded).T, strict=True):  # [W, H] each
        image, reconstruction = (
            torch.from_numpy(np.ascontiguousarray(channel))[None, None].float() / 255
            for channel in (first, second)
        )
        similarities.append(float(ms_ssim(image, reconstruction)))  # one channel: less memory
    return sum(similarities) / len(similarities)


def ms_ssim(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the multi-scale structural similarity [B], mean of the channels; differentiable.

    Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity for image quality
    assessment": a Gaussian window of 11 pixels (sigma 1.5) without padding, five scales, each the
    mean of 2 x 2 pixels of the one before (an odd side is padded by zeros), the weights of the
    paper. Contrast and structure below zero count as zero, so that powers stay real.

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
    """Return the Gaussian means of all windows that lie inside: sides shrink by 10 pixels."""
    num_channels, *sides = image.shape[1:]
    for dim, side in enumerate(sides):
        length = min(_WINDOW_SIDE, side)
        offsets = torch.arange(length, dtype=image.dtype, device=image.device) - (length - 1) / 2
        window = torch.exp(-offsets.square() / (2 * _WINDOW_SIGMA**2))
        kernel = (window / window.sum()).view([-1, 1] if dim == 0 else [1, -1])
        kernel = kernel.expand(num_channels, 1, -1, -1)
        image = functional.conv2d(image, kernel, groups=num_channels)
    return image


def _rgb(picture: Picture) -> NDArray[np.uint8]:
    return np.broadcast_to(picture.to_8_bits(), (picture.height, picture.width, 3))
