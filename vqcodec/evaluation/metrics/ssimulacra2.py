"""SSIMULACRA 2: how close a picture looks to its original, from 100 down."""

from __future__ import annotations

from itertools import pairwise
from math import cos, exp, pi, sin, tan

import numpy as np
from numpy.typing import NDArray

from vqcodec.evaluation.metrics.windows import Maps, mean_of_pairs, weighted_means

_NUM_SCALES = 6
_SMALLEST_SIDE = 8  # pixels of a scale
_C2 = np.float32(0.0009)
_SIGMA = 1.5  # pixels

# Linear RGB to LMS, and XYB from the cube roots of that: the colours of JPEG XL.
_ABSORBANCE = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.55180986650955360),
)
_BIAS = np.float32(0.0037930732552754493)

# Of version 2.1, fitted by its author to what viewers said. By channel X, Y, B, then by scale, then
# mean and 4-norm, each of three maps: structure, artefacts, lost detail.
_WEIGHTS = (
    0.0,
    0.0007376606707406586,
    0.0,
    0.0,
    0.0007793481682867309,
    0.0,
    0.0,
    0.0004371155730107379,
    0.0,
    1.1041726426657346,
    0.00066284834129271,
    0.00015231632783718752,
    0.0,
    0.0016406437456599754,
    0.0,
    1.8422455520539298,
    11.441172603757666,
    0.0,
    0.0007989109436015163,
    0.000176816438078653,
    0.0,
    1.8787594979546387,
    10.94906990605142,
    0.0,
    0.0007289346991508072,
    0.9677937080626833,
    0.0,
    0.00014003424285435884,
    0.9981766977854967,
    0.00031949755934435053,
    0.0004550992113792063,
    0.0,
    0.0,
    0.0013648766163243398,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    7.466890328078848,
    0.0,
    17.445833984131262,
    0.0006235601634041466,
    0.0,
    0.0,
    6.683678146179332,
    0.00037724407979611296,
    1.027889937768264,
    225.20515300849274,
    0.0,
    0.0,
    19.213238186143016,
    0.0011401524586618361,
    0.001237755635509985,
    176.39317598450694,
    0.0,
    0.0,
    24.43300999870476,
    0.28520802612117757,
    0.0004485436923833408,
    0.0,
    0.0,
    0.0,
    34.77906344483772,
    44.835625328877896,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0008680556573291698,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0005313191874358747,
    0.0,
    0.00016533814161379112,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0004179171803251336,
    0.0017290828234722833,
    0.0,
    0.0020827005846636437,
    0.0,
    0.0,
    8.826982764996862,
    23.19243343998926,
    0.0,
    95.1080498811086,
    0.9863978034400682,
    0.9834382792465353,
    0.0012286405048278493,
    171.2667255897307,
    0.9807858872435379,
    0.0,
    0.0,
    0.0,
    0.0005130064588990679,
    0.0,
    0.00010854057858411537,
)


def ssimulacra2(reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float | None:
    """Return the score of a picture [H, W, 3] beside its original, both sRGB of 8 bits.

    100 is an equal picture, 90 cannot be told from it, 70 is high quality, 50 medium, 30 low; there
    is no lowest. None for a picture with a side below 8 pixels, which is too small.

    Sneyers, "SSIMULACRA 2" (Cloudinary 2022), version 2.1, as libjxl's tool of that name measures
    it: maps of differences in structure, of edges that were added and of edges that were lost, in
    three channels of a perceptual colour space at six scales, their means and 4-norms weighted.
    """
    if min(reference.shape[:2]) < _SMALLEST_SIDE:
        return None
    first, second = _linear(reference), _linear(decoded)
    scales = []
    for scale in range(_NUM_SCALES):
        if min(first.shape[1:]) < _SMALLEST_SIDE:
            break
        if scale:
            first, second = _halved(first), _halved(second)
        scales.append(_errors(_xyb(first), _xyb(second)))
    errors = np.stack(scales, axis=1).ravel()  # [3 channels, scales, 2 norms, 3 maps]
    total = 0.9562382616834844 * float(errors @ np.array(_WEIGHTS[: len(errors)]))
    distance = total * (
        2.326765642916932 + total * (total * 6.248496625763138e-05 - 0.020884521182843837)
    )
    return 100 - 10 * distance**0.6276336467831387 if distance > 0 else 100.0


def _errors(first: Maps, second: Maps) -> NDArray[np.float64]:
    """Return the mean and the 4-norm of three maps of errors, [3 channels, 2 norms, 3 maps]."""
    return np.stack([_errors_of_channel(*channels) for channels in zip(first, second, strict=True)])


def _errors_of_channel(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the same of one channel [H, W] and its copy, [2 norms, 3 maps]."""
    difference = first - second
    stacked = np.stack([first, difference, np.square(difference), first * second])
    mean_1, shift, squares, product = _blurred(stacked)
    mean_2 = mean_1 - shift
    # From differences, as variances and covariance would cancel each other but for rounding.
    unlike = squares - np.square(shift)
    twice_covariance = 2 * (product - mean_1 * mean_2) + _C2
    structure = unlike + np.square(shift) * twice_covariance
    structure /= unlike + twice_covariance
    blur_1, blur_2 = np.abs(first - mean_1), np.abs(second - mean_2)
    edges = (blur_2 - blur_1) / (1 + blur_1)
    maps = [np.maximum(structure, 0), np.maximum(edges, 0), np.maximum(-edges, 0)]
    means = [values.mean(dtype=np.float64) for values in maps]
    norms = [np.square(np.square(values)).mean(dtype=np.float64) ** 0.25 for values in maps]
    return np.array([means, norms])


def _linear(pixels: NDArray[np.uint8]) -> Maps:
    """Return light [3, H, W] in 0 … 1."""
    values = np.arange(256) / 255
    curve = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return curve.astype(np.float32)[pixels.transpose(2, 0, 1)]


def _halved(image: Maps) -> Maps:
    """Return the means of 2 x 2 pixels; a last row or column that is alone counts twice."""
    height, width = image.shape[1:]
    return mean_of_pairs(np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge"))


def _xyb(image: Maps) -> Maps:
    """Return the three channels of XYB, moved and stretched to be positive and of similar range."""
    absorbance = np.array(_ABSORBANCE, np.float32)
    light = np.tensordot(absorbance, image, axes=1) + _BIAS
    long, medium, short = np.cbrt(np.maximum(light, 0)) - np.cbrt(_BIAS)
    x, y = (long - medium) / 2, (long + medium) / 2
    return np.stack([14 * x + np.float32(0.42), y + np.float32(0.01), short - y + np.float32(0.55)])


def _blurred(maps: Maps) -> Maps:
    """Return Gaussian means of maps [N, H, W], which are 0 beyond their edges."""
    kernel = _kernel()
    radius = len(kernel) // 2
    padded = np.pad(maps, ((0, 0), (radius, radius), (radius, radius)))
    return weighted_means(padded, kernel, kernel)


def _kernel() -> list[float]:
    """Return a Gaussian as a sum of three truncated cosines.

    Charalampidis 2016, "Recursive implementation of the Gaussian filter using truncated cosine
    functions"; numbers of equations are of that paper. It differs from a Gaussian enough to matter.
    """
    radius = round(3.2795 * _SIGMA + 0.2546)  # (57)
    omegas = [k * pi / (2 * radius) for k in (1, 3, 5)]
    signs = (1, -1, 1)
    p = [sign / tan(omega / 2) for sign, omega in zip(signs, omegas, strict=True)]  # (37)
    r = [s * x * x / sin(omega) for s, x, omega in zip(signs, p, omegas, strict=True)]  # (44)
    rho = [exp(-0.5 * (_SIGMA * omega) ** 2) / radius for omega in omegas]  # (50)
    d_13, d_35, d_51 = (p[a] * r[b] - r[a] * p[b] for a, b in pairwise((0, 1, 2, 0)))
    zeta = [d_35 / d_13, d_51 / d_13, 1.0]  # (52)
    gamma = [1.0, radius**2 - _SIGMA**2, float(np.dot(zeta, rho))]
    betas = np.linalg.solve(np.array([p, r, zeta]), gamma)
    return [
        sum(beta * cos(omega * n) for beta, omega in zip(betas, omegas, strict=True))
        for n in range(1 - radius, radius)
    ]
