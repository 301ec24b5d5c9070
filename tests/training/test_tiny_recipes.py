"""The shipped recipes build, and the tiny ones make models that compress."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import noise_clip, noise_picture

from vqcodec.codec.loading import read_model
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors import build_prior_network
from vqcodec.signals.picture_files import write_picture
from vqcodec.signals.sound_files import write_clip
from vqcodec.training.commands import export_model, train_joint, train_prior, train_vqvae
from vqcodec.training.recipe import read_recipe, shipped_recipes

TINY = [name for name in shipped_recipes() if name.startswith("tiny-")]
STEPS = 3


def make_data(modality: str, folder: Path) -> Path:
    """Write a few files to train on."""
    folder.mkdir()
    for number in range(4):
        if modality == "image":
            with (folder / f"{number}.png").open("wb") as file:
                write_picture(noise_picture(96, 80, seed=number), file, "PNG")
        else:
            with (folder / f"{number}.wav").open("wb") as file:
                write_clip(noise_clip(16_000, seed=number), file, "WAV")
    return folder


@pytest.mark.parametrize("name", shipped_recipes())
def test_the_parts_of_a_shipped_recipe_fit(name):
    recipe, _ = read_recipe(name)
    quantizer = Autoencoder(recipe.model_tables()).quantizer
    prior = build_prior_network(recipe.prior, quantizer.codebook_sizes)
    num_bands = recipe.prior.get("num_bands", 1)  # each has all groups
    assert num_bands * sum(prior.group_sizes) == quantizer.num_codebooks
    assert prior.head == quantizer.relaxed_head


@pytest.mark.parametrize("joint", [False, True], ids=["vqvae", "joint"])
@pytest.mark.parametrize("name", TINY)
def test_a_tiny_recipe_trains_to_a_model_that_compresses(name, joint, tmp_path):
    recipe, _ = read_recipe(name)
    run, output = tmp_path / "run", tmp_path / "model.safetensors"
    data = [make_data(recipe.modality, tmp_path / "data")]
    if joint:
        train_joint(
            data=data, recipe=name, run=run, start_from=None, steps=STEPS, seed=0, device="cpu"
        )
    else:
        train_vqvae(data=data, recipe=name, run=run, steps=STEPS, seed=0, device="cpu")
    bits = train_prior(run=run, steps=STEPS)
    assert 0 < bits["integer"] <= bits["uniform"] * 2
    fingerprint = export_model(run=run, output=output, name=name)
    model = read_model(output)
    assert model.fingerprint == fingerprint
    signal = noise_picture(67, 41) if recipe.modality == "image" else noise_clip(9_000)
    for quality in (1, 10):
        stream = model.compress(signal, quality=quality)
        (indices,) = model.indices_of(stream)
        assert (indices == model.encode(signal, quality=quality)).all()
        assert type(model.decompress(stream)) is type(signal)
