"""The windows of the shipped models for pictures overlap by less than their receptive field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import noise_picture

import vqcodec
from vqcodec.modalities.image.config import PATCH, PatchesConfig
from vqcodec.modalities.image.modality import image_array

SAMPLES = Path(__file__).parents[2] / "assets/samples"
BORDER = 12  # positions, of a window that ends within the picture


@pytest.fixture(scope="module", params=["image", "image-msssim"])
def model(request):
    return vqcodec.load(request.param)


def pictures():
    for name in ("tulips", "giraffe"):
        pixels = vqcodec.read(SAMPLES / f"{name}.png").pixels
        yield pixels[: 28 * PATCH, : 28 * PATCH]
    yield noise_picture(28 * PATCH, 28 * PATCH).pixels
    rows, columns = np.indices((28 * PATCH, 28 * PATCH)) // 8
    board = 255 * ((rows + columns) % 2)
    yield np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("quality", [1, 5, 10])
@pytest.mark.parametrize("number", range(4))
def test_what_is_beyond_the_reach_has_no_effect(model, number, quality):
    parts, pixels = model.parts, list(pictures())[number]
    geometry, rate = parts.modality.geometry, round(quality * 25.5)
    assert geometry.encoder_reach < 19 and geometry.decoder_reach < 20  # receptive fields
    image = image_array(pixels, pixels.shape[:2])
    whole = parts.encode(image, rate)
    stop = BORDER + geometry.encoder_reach
    part = parts.encode(image[..., : stop * PATCH], rate)
    gain = parts.quantizer.gain(rate, 3)
    steps = np.abs((part - whole[..., :stop]) * gain)[..., :BORDER]
    assert steps.max() < 0.05
    latents = np.rint(whole * gain) / gain
    stop = BORDER + geometry.decoder_reach
    decoded = parts.decode(latents, rate, (0, 0))[..., : BORDER * PATCH]
    shorter = parts.decode(latents[..., :stop], rate, (0, 0))[..., : BORDER * PATCH]
    levels = 255 * np.abs(shorter.clip(0, 1) - decoded.clip(0, 1))
    assert levels.max() < 0.25
    assert levels[..., -PATCH:].mean() < 0.02


def test_small_networks_overlap_by_their_receptive_field():
    geometry = PatchesConfig(fine_units=1, coarse_units=1).geometry()
    assert (geometry.encoder_reach, geometry.decoder_reach) == (4, 5)
