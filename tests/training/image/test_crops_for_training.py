"""Training crops of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vqcodec.training.image.dataset import ImageCrops, ImageDataConfig
from vqcodec.training.inputs import InputReader


def crops(path, pixels, **config):
    Image.fromarray(pixels).save(path / "picture.png")
    options = ImageDataConfig(crop=16, **config)
    return ImageCrops([str(path / "picture.png")], options, 10**6, InputReader())


def stripes(height, width):
    """Black and white columns in turn."""
    columns = np.arange(width) % 2 * 255
    return np.broadcast_to(columns[None, :, None], (height, width, 3)).astype(np.uint8)


def draw(dataset, num=64):
    return dataset.signals(num, np.random.default_rng(0))


def test_crops_are_parts_of_the_picture(tmp_path):
    batch = draw(crops(tmp_path, stripes(40, 50)))
    assert batch.shape == (64, 3, 16, 16)
    assert bool(((batch == 0) | (batch == 1)).all())


@pytest.mark.parametrize("size", [(16, 16), (17, 90), (64, 64)])
def test_half_of_the_crops_are_made_smaller_without_aliasing(tmp_path, size):
    batch = draw(crops(tmp_path, stripes(*size), largest_reduction=2.0))
    assert batch.shape == (64, 3, 16, 16)
    whole = ((batch == 0) | (batch == 1)).flatten(1).all(dim=1)
    if min(size) == 16:  # there is nothing to be made smaller
        assert bool(whole.all())
    else:
        assert 16 < int(whole.sum()) < 56
        assert float(batch[~whole].std()) < float(batch[whole].std())


def test_a_reduction_changes_no_plain_colour(tmp_path):
    batch = draw(crops(tmp_path, np.full((60, 60, 3), 51, np.uint8), largest_reduction=4.0))
    assert torch.allclose(batch, torch.tensor(0.2), atol=1e-6)


def test_large_pictures_are_halved(tmp_path):
    dataset = crops(tmp_path, stripes(40, 50), halve_above_megapixels=0.0019)
    assert dataset.picture(0).shape == (20, 25, 3)
    assert set(np.unique(dataset.picture(0))) <= {127, 128}
    dataset = crops(tmp_path, stripes(40, 50), halve_above_megapixels=0.002)
    assert dataset.picture(0).shape == (40, 50, 3)


def test_pictures_smaller_than_a_crop_are_enlarged(tmp_path):
    dataset = crops(tmp_path, stripes(8, 40))
    assert dataset.picture(0).shape == (16, 80, 3)
