"""From a folder of files to a model: the files, figures and models of a training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import noise_clip, noise_picture
from training_recipes import AUDIO, IMAGE, RESIDUAL

from vqcodec.codec.loading import read_model
from vqcodec.errors import ConfigError, InputError, UsageError
from vqcodec.training.commands import export_model, train_prior, train_vqvae
from vqcodec.training.manifest import read_manifest
from vqcodec.training.trained_run import load_run

PRIOR = '[prior]\nkind = "grid"\nhead = "categorical"\ngroups = [1, 2]\nwidth = 8\n'


def without_network(kind):
    assert PRIOR in RESIDUAL
    return RESIDUAL.replace(PRIOR, f'[prior]\nkind = "{kind}"\n')


def reports(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_keeps_its_recipe_its_files_and_its_log(joint_run, data_folder):
    assert (joint_run / "recipe.toml").read_text() == IMAGE
    manifest = read_manifest(joint_run / "manifest.json")
    assert sorted(manifest.train + manifest.valid) == sorted(map(str, data_folder.glob("*.png")))
    first, *_, last = reports(joint_run / "log.jsonl")
    assert first["step"] == last["step"] == 6
    assert first["total"] > 0
    assert any(key.startswith("valid_mse@") for key in last)


def test_all_files_of_a_speaker_are_held_out_together(tmp_path, train):
    train(tmp_path, AUDIO, joint=False, steps=1)
    manifest = read_manifest(tmp_path / "manifest.json")
    speakers = [{Path(name).name[0] for name in part} for part in (manifest.train, manifest.valid)]
    assert len(speakers[0] | speakers[1]) == 3
    assert not speakers[0] & speakers[1]


def test_a_jointly_trained_model_is_exported_whole(joint_run, tmp_path):
    path = tmp_path / "mine.safetensors"
    fingerprint = export_model(run=joint_run, output=path, name="mine")
    model = read_model(path)
    assert (model.name, model.fingerprint, model.modality) == ("mine", fingerprint, "image")
    assert model.card["licence"] == "CC0"
    assert model.card["steps"] == 6
    assert model.card["recipe"] == IMAGE
    assert model.card["num_training_files"] + model.card["num_held_out_files"] == 6
    picture = noise_picture(33, 17)
    assert model.decompress(model.compress(picture)).pixels.shape == picture.pixels.shape


def test_a_model_file_has_its_suffix(joint_run, tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.safetensors"):
        export_model(run=joint_run, output=tmp_path / "mine.bin", name="mine")


def test_the_paper_s_order_is_networks_then_prior_then_model(tmp_path, train, data_folder):
    train(tmp_path, RESIDUAL, joint=False)
    with pytest.raises(UsageError, match="no prior yet"):
        export_model(run=tmp_path, output=tmp_path / "x.safetensors", name="x")
    assert load_run(tmp_path).prior is None
    bits = train_prior(run=tmp_path, steps=4)
    assert set(bits) == {"uniform", "histogram", "float", "integer"}
    assert bits["integer"] == pytest.approx(bits["float"], rel=0.5)  # payloads of few bytes
    assert bits["uniform"] <= 3 + 1e-9
    again = train_prior(run=tmp_path, data=[data_folder])
    assert again["float"] > 0
    assert reports(tmp_path / "prior_log.jsonl")[-1]["step"] == 6
    export_model(run=tmp_path, output=tmp_path / "x.safetensors", name="x")
    model = read_model(tmp_path / "x.safetensors")
    picture = noise_picture(20, 40)
    for quality in (1, 5, 10):
        stream = model.compress(picture, quality=quality)
        assert model.decompress(stream).pixels.shape == picture.pixels.shape


@pytest.mark.parametrize("kind", ["uniform", "histogram"])
def test_a_prior_without_a_network_needs_no_training(tmp_path, train, kind):
    text = without_network(kind)
    train(tmp_path, text, joint=False, steps=1)
    bits = train_prior(run=tmp_path)
    assert set(bits) == {"uniform", "histogram", "integer"}
    assert not (tmp_path / "prior.pt").exists()
    export_model(run=tmp_path, output=tmp_path / "x.safetensors", name="x")
    model = read_model(tmp_path / "x.safetensors")
    assert model.prior.kind == kind
    picture = noise_picture(33, 17)
    assert model.decompress(model.compress(picture)).pixels.shape == picture.pixels.shape
    with pytest.raises(ConfigError, match=r"prior\.kind"):
        train(tmp_path / "joint", text, joint=True)


def test_a_joint_training_for_sounds_is_judged_and_exported(tmp_path, train):
    train(tmp_path, AUDIO, steps=2)
    bits = train_prior(run=tmp_path, steps=1)
    assert bits["integer"] == pytest.approx(bits["float"], rel=0.05)
    export_model(run=tmp_path, output=tmp_path / "x.safetensors", name="x")
    model = read_model(tmp_path / "x.safetensors")
    clip = noise_clip(1000)
    assert model.decompress(model.compress(clip)).waveform.shape == clip.waveform.shape


def test_a_prior_needs_a_schedule(tmp_path, train):
    text = RESIDUAL[: RESIDUAL.index("[prior_schedule]")]
    train(tmp_path, text, joint=False, steps=1)
    with pytest.raises(UsageError, match=r"no \[prior_schedule\]"):
        train_prior(run=tmp_path)


def test_a_prior_needs_a_training(tmp_path):
    with pytest.raises(UsageError, match="holds no training"):
        train_prior(run=tmp_path)


def test_a_prior_of_the_wrong_head_is_not_trained_jointly(tmp_path, train):
    text = IMAGE.replace('kind = "grid"', 'kind = "grid"\nhead = "categorical"')
    with pytest.raises(ConfigError, match=r"prior\.head"):
        train(tmp_path, text)


def test_data_without_files_is_refused(tmp_path, recipes):
    with pytest.raises(InputError, match="no file ending in"):
        train_vqvae(
            data=[tmp_path],
            recipe=recipes(IMAGE),
            run=tmp_path / "run",
            steps=1,
            seed=0,
            device="cpu",
        )
