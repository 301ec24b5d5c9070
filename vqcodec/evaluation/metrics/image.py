"""How close a decoded picture is to the original."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vqcodec.evaluation.metrics.ssimulacra2 import ssimulacra2
from vqcodec.evaluation.metrics.windows import Maps, mean_of_pairs, weighted_means
from vqcodec.signals.picture import Picture

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW_SIDE = 11
_WINDOW_SIGMA = 1.5
_C1, _C2 = np.float32(0.01**2), np.float32(0.03**2)  # for values in 0 … 1


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
    pairs = zip(_rgb(reference).transpose(2, 0, 1), _rgb(decoded).transpose(2, 0, 1), strict=True)
    similarities = [ms_ssim(*(_unit_range(channel) for channel in pair)) for pair in pairs]
    return sum(similarities) / len(similarities)


def ms_ssim(image: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> float:
    """Return the multi-scale structural similarity of two channels [H, W] in 0 … 1.

    Wang, Simoncelli and Bovik 2003, "Multiscale structural similarity for image quality
    assessment": a Gaussian window of 11 pixels (sigma 1.5) without padding, five scales, each the
    mean of 2 x 2 pixels of the one before (an odd side is padded by zeros), the weights of the
    paper. Contrast and structure below zero count as zero, so that powers stay real.

    A picture with a side below 161 pixels is too small for five windows: it has as many scales as
    fit, at least one, with weights scaled to the sum of all five. A side below 11 narrows the
    window.
    """
    side = min(image.shape)
    num_scales = max(1, sum((_WINDOW_SIDE - 1) << scale < side for scale in range(5)))
    weights = _SCALE_WEIGHTS[:num_scales]
    stretch = sum(_SCALE_WEIGHTS) / sum(weights)
    pair = np.stack([image, reconstruction])
    result = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            pair = _halved(pair)
        similarity = _mean_similarity(pair, with_luminance=scale == num_scales - 1)
        result *= max(0.0, similarity) ** (weight * stretch)
    return result


def _mean_similarity(pair: Maps, *, with_luminance: bool) -> float:
    """Return the mean similarity of contrast and structure, and of luminance, if wanted."""
    first, second = pair
    difference = first - second
    stacked = np.stack([first, difference, np.square(difference), first * second])
    across, down = (_window(side) for side in (first.shape[1], first.shape[0]))
    mean_1, shift, squares, product = weighted_means(stacked, across, down)
    mean_2 = mean_1 - shift
    # From differences, as variances and covariance would cancel each other but for rounding.
    unlike = squares - np.square(shift)
    similarity = 1 - unlike / (unlike + 2 * (product - mean_1 * mean_2) + _C2)
    if with_luminance:
        unlike = np.square(shift)
        similarity *= 1 - unlike / (unlike + 2 * mean_1 * mean_2 + _C1)
    return float(similarity.mean(dtype=np.float64))


def _window(side: int) -> NDArray[np.float64]:
    """Return the weights of a Gaussian window that fits into a side."""
    length = min(_WINDOW_SIDE, side)
    offsets = np.arange(length) - (length - 1) / 2
    weights: NDArray[np.float64] = np.exp(-np.square(offsets) / (2 * _WINDOW_SIGMA**2))
    weights /= weights.sum()
    return weights


def _halved(pair: Maps) -> Maps:
    """Return the means of 2 x 2 pixels; an odd side gets zeros before and after."""
    rows, columns = (side % 2 for side in pair.shape[1:])
    padded = np.pad(pair, ((0, 0), (rows, rows), (columns, columns)))
    height, width = (side // 2 * 2 for side in padded.shape[1:])
    return mean_of_pairs(padded[:, :height, :width])


def _unit_range(channel: NDArray[np.uint8]) -> NDArray[np.float32]:
    return channel.astype(np.float32) / np.float32(255)


def _rgb(picture: Picture) -> NDArray[np.uint8]:
    return np.broadcast_to(picture.to_8_bits(), (picture.height, picture.width, 3))
