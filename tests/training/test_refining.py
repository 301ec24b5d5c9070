"""Latents that are refined for one picture: a lower loss, and the same decoder."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_model_path

import vqcodec
from vqcodec.errors import UsageError
from vqcodec.rate import bits_per_pixel
from vqcodec.signals.picture import Picture, psnr
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.refining import refined, relaxed

GIRAFFE = Path(__file__).parents[2] / "assets" / "samples" / "giraffe.png"
QUALITY = 6.0


@pytest.fixture(scope="module")
def picture():
    whole = vqcodec.read(GIRAFFE)
    return Picture(whole.pixels[150:230, 200:312])


def loss(model, original, stream):
    """The loss that the model was trained for, with the real size and the real pixels."""
    objective = parse_recipe(model.card["recipe"]).objective
    fraction = model.rate_of(QUALITY) / 255
    ratio = objective.finest_weight / objective.coarsest_weight
    weight = objective.coarsest_weight * ratio**fraction
    squared_error = 255**2 / 10 ** (psnr(original, model.decompress(stream)) / 10)
    rate = bits_per_pixel(len(stream), original.width, original.height)
    return weight * squared_error + rate


def test_a_refined_stream_has_a_lower_loss_for_the_usual_decoder(picture):
    usual = vqcodec.load("image")
    first = usual.compress(picture, quality=QUALITY)
    better = refined(usual, "image", 40).compress(picture, quality=QUALITY)
    assert loss(usual, picture, better) < 0.995 * loss(usual, picture, first)


def test_a_plain_picture_does_not_become_worse():
    plain = Picture(np.full((64, 64, 3), 200, np.uint8))
    usual = vqcodec.load("image")
    refined_stream = refined(usual, "image", 3).compress(plain, quality=QUALITY)
    limit = 1.001 * loss(usual, plain, usual.compress(plain, quality=QUALITY))
    assert loss(usual, plain, refined_stream) <= limit


def test_the_same_steps_give_the_same_stream_also_in_a_copy(picture):
    model = refined(vqcodec.load("image"), "image", 2)
    once = model.compress(picture, quality=QUALITY)
    assert model.compress(picture, quality=QUALITY) == once
    copy = pickle.loads(pickle.dumps(model))
    assert copy.compress(picture, quality=QUALITY) == once
    assert model.to("cpu").compress(picture, quality=QUALITY) == once


@pytest.mark.parametrize("name", ["speech", "residual-image", "uniform-image"])
def test_models_of_another_kind_are_refused(name):
    path = str(tiny_model_path(name))
    with pytest.raises(UsageError, match="not one of pictures with a lattice"):
        refined(vqcodec.load(path), path, 1)


def test_relaxed_values_lie_between_the_integers_around():
    scaled = torch.tensor([-2.5, -0.2, 0.0, 0.7, 3.999, 5.0]).repeat(200, 1)
    generator = torch.Generator().manual_seed(1)
    for temperature in (0.5, 0.05):
        values = relaxed(scaled, temperature, generator)
        assert torch.all(values >= scaled.floor())
        assert torch.all(values <= scaled.floor() + 1)
    assert torch.allclose(values.round(), scaled.round(), atol=1)
    assert torch.all((values - values.round()).abs()[:, [1, 3]] < 1e-3)  # almost decided
    assert torch.equal(values[:, 1].round(), torch.zeros(200))  # the nearer integer


def test_relaxed_values_have_a_gradient():
    scaled = torch.tensor([0.4, 1.6], requires_grad=True)
    relaxed(scaled, 0.5, torch.Generator().manual_seed(1)).sum().backward()
    assert torch.all(scaled.grad > 0)
