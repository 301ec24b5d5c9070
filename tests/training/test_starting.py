"""A new training that starts from the weights of another run, or of a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny import TABLES
from tiny_training import save_tiny_model
from training_recipes import AUDIO, IMAGE, same

from vqcodec.codec.model_file import read_model_file, write_model_file
from vqcodec.errors import ConfigError, InputError, MissingModelError, ModelFileError
from vqcodec.training import start
from vqcodec.training.autoencoder import TrainingOptions, train_autoencoder
from vqcodec.training.commands import export_model
from vqcodec.training.modality import Dataset
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.state import CHECKPOINT, load_state


def checkpoint(folder):
    return load_state(folder / CHECKPOINT)


def test_a_new_run_can_start_from_the_networks_of_another(tmp_path, train, joint_run):
    train(tmp_path / "vqvae", IMAGE, joint=False, steps=1)
    for source in (tmp_path / "vqvae", joint_run):
        folder = tmp_path / f"from-{source.name}"
        train(folder, IMAGE, steps=1, start_from=source)
        started, average = checkpoint(folder)["module"], checkpoint(source)["average"]
        name = "autoencoder.decoder.linear.weight"
        assert torch.allclose(started[name], average[name], atol=1e-3)


def test_large_excerpts_make_a_smaller_first_batch(monkeypatch):
    class Large(Dataset):
        def draw(self, batch_size, generator):  # noqa: ARG002
            return range(batch_size)

        def load_signals(self, excerpts):
            return torch.zeros(len(excerpts), 3, 10, 10)

        def load(self, excerpts):
            raise NotImplementedError

        def describe(self):
            return ""

    generator = np.random.default_rng(0)
    assert len(start._first_batch(Large(), generator)) == 512
    monkeypatch.setattr(start, "FIRST_VALUES", 3_100)
    assert len(start._first_batch(Large(), generator)) == 10


def test_a_new_run_can_start_from_a_model(tmp_path, train, joint_run):
    model = tmp_path / "model.safetensors"
    export_model(run=joint_run, output=model, name="model")
    train(tmp_path / "run", IMAGE, steps=1, start_from=model)
    started, average = checkpoint(tmp_path / "run")["module"], checkpoint(joint_run)["average"]
    for name, tensor in average.items():  # one step and the model's precision away
        assert torch.allclose(started[name], tensor, atol=3e-3, rtol=3e-3), name


def test_networks_can_start_from_a_model_without_a_learnt_prior(tmp_path, train):
    table = TABLES["image"]
    text = IMAGE.replace("limit = 63", "limit = 15")
    model = save_tiny_model("uniform", tmp_path, tables={**table, "prior": {"kind": "uniform"}})
    train(tmp_path / "run", text, steps=1, start_from=model)
    weights = load_file(model)["decoder.linear.weight"]
    found = checkpoint(tmp_path / "run")["module"]["autoencoder.decoder.linear.weight"]
    assert torch.allclose(found, torch.from_numpy(weights).float(), atol=3e-3)


CODEBOOKS = IMAGE.replace(
    'kind = "lattice"\ndim = 12\nlimit = 63',
    'kind = "residual"\ndim = 12\nnum_codebooks = 3\ncodebook_size = 8',
).replace('kind = "grid"\ngroups = [4, 8]', 'kind = "grid"\nhead = "categorical"\ngroups = [1, 2]')


def test_a_new_run_with_another_quantizer_takes_the_networks_alone(tmp_path, train, joint_run):
    train(tmp_path / "run", CODEBOOKS, steps=1, start_from=joint_run)
    found, average = checkpoint(tmp_path / "run")["module"], checkpoint(joint_run)["average"]
    name = "autoencoder.decoder.linear.weight"
    assert torch.allclose(found[name], average[name], atol=1e-2)
    # The squared distance to the nearest entry falls from codebook to codebook; untrained, it is 1.
    spreads = [float(found[f"autoencoder.quantizer.codebooks.{n}.spread"]) for n in range(3)]
    assert spreads == sorted(spreads, reverse=True) and 0 < spreads[0] != 1
    train(tmp_path / "back", IMAGE, steps=1, start_from=tmp_path / "run")
    assert "autoencoder.quantizer.log_gain" in checkpoint(tmp_path / "back")["module"]


def test_a_source_that_does_not_exist_is_refused(tmp_path, train):
    with pytest.raises(MissingModelError, match="nowhere"):
        train(tmp_path / "run", IMAGE, start_from="nowhere")


def test_a_run_with_a_checkpoint_resumes_from_it(tmp_path, train, joint_run):
    train(tmp_path / "whole", IMAGE, steps=4, start_from=joint_run)
    train(tmp_path / "parts", IMAGE, steps=2, start_from=joint_run)
    train(tmp_path / "parts", IMAGE, steps=4, start_from="removed")
    assert same(checkpoint(tmp_path / "parts"), checkpoint(tmp_path / "whole"))


def test_a_run_with_gates_can_start_from_one_without(tmp_path, train, joint_run):
    gated = IMAGE.replace("coarse_units = 1", "coarse_units = 1\ngated = true")
    train(tmp_path / "run", gated, steps=2, start_from=joint_run)
    found, average = checkpoint(tmp_path / "run")["module"], checkpoint(joint_run)["average"]
    name = "autoencoder.decoder.linear.weight"
    assert torch.allclose(found[name], average[name], atol=1e-2)
    for network in ("encoder", "decoder"):  # have been trained
        assert found[f"autoencoder.{network}.gate.log_gain.weight"].any()


def test_a_new_run_keeps_what_fits_of_the_prior(tmp_path, train):
    train(tmp_path / "first", AUDIO, steps=2)
    groups = parse_recipe(AUDIO).prior["groups"]
    merged = AUDIO.replace(f"groups = {groups}", f"groups = [{sum(groups)}]")
    assert merged != AUDIO
    train(tmp_path / "second", merged, steps=1, start_from=tmp_path / "first")
    first, second = checkpoint(tmp_path / "first"), checkpoint(tmp_path / "second")["module"]
    assert torch.allclose(
        second["prior.first.weight"], first["average"]["prior.first.weight"], atol=1e-2
    )


def test_weights_of_the_prior_that_do_not_fit_are_counted(tmp_path, train, joint_run, capsys):
    model = tmp_path / "model.safetensors"
    export_model(run=joint_run, output=model, name="model")
    prior = [name for name in checkpoint(joint_run)["module"] if name.startswith("prior.")]
    assert len(prior) > 10
    new = f"{len(prior) + 1} of {len(prior) + 1} weights of the prior are new"  # and an embedding
    for source in (joint_run, model):
        capsys.readouterr()
        train(tmp_path / f"same-{source.name}", IMAGE, steps=1, start_from=source)
        assert "weights of the prior" not in capsys.readouterr().err
        train(tmp_path / f"other-{source.name}", CODEBOOKS, steps=1, start_from=source)
        assert f"{new}, none are from {source}" in capsys.readouterr().err


def test_a_model_whose_tensors_do_not_fit_is_refused(tmp_path, train, joint_run):
    model = tmp_path / "model.safetensors"
    export_model(run=joint_run, output=model, name="model")
    file = read_model_file(model)
    for number, name in enumerate(file.tensors):
        tensor = file.tensors[name]
        for damaged in (None, tensor[:-1] if tensor.ndim else tensor[None, None]):
            tensors = {**file.tensors, name: damaged}
            if damaged is None:
                del tensors[name]
            bad = tmp_path / f"{number}.safetensors"
            write_model_file(bad, name="bad", tables=file.tables, tensors=tensors, card={})
            with pytest.raises(ModelFileError, match=f"{bad}: not a model"):
                start.module_of(str(bad))


def test_steps_that_are_not_learnt_become_those_of_the_recipe(tmp_path, train):
    fixed = AUDIO.replace("limit = 63", "limit = 63\nlearn_steps = false\nnum_integers = 2")
    other = fixed.replace("coarsest_step = 4.0", "coarsest_step = 8.0")
    other = other.replace("finest_step = 0.5", "finest_step = 0.25")
    assert other.count("8.0") == other.count("0.25") == 1
    train(tmp_path / "first", fixed, steps=1)
    model = tmp_path / "model.safetensors"
    export_model(run=tmp_path / "first", output=model, name="model")
    name = "autoencoder.quantizer.log_gain"
    gain = checkpoint(tmp_path / "first")["module"][name]
    for number, source in enumerate((tmp_path / "first", model)):
        train(tmp_path / f"same{number}", fixed, steps=1, start_from=source)
        assert torch.equal(checkpoint(tmp_path / f"same{number}")["module"][name], gain)
        train(tmp_path / f"other{number}", other, steps=1, start_from=source)
        moved = checkpoint(tmp_path / f"other{number}")["module"][name]
        assert not moved[:, :2].any()
        shift = torch.linspace(-np.log(2), np.log(2), len(gain))[:, None].expand(-1, 10)
        assert torch.allclose(moved[:, 2:] - gain[:, 2:], shift, atol=1e-5)


def test_a_run_with_voices_can_start_from_one_without(tmp_path, train):
    train(tmp_path / "plain", AUDIO, steps=1)
    disguised = AUDIO.replace("frames = 40", "frames = 40\nformant_change = 0.3")
    voices = disguised.replace("hop_length = 32", "hop_length = 32\nvoice_dim = 4")
    train(tmp_path / "voices", voices, steps=2, start_from=tmp_path / "plain")
    plain, found = checkpoint(tmp_path / "plain"), checkpoint(tmp_path / "voices")
    name = "autoencoder.decoder.linear.weight"
    assert torch.allclose(found["module"][name], plain["average"][name], atol=1e-2)
    assert found["module"]["autoencoder.decoder.voice.gains.weight"].any()  # has been trained


@pytest.mark.parametrize(
    "larger",
    [
        IMAGE.replace("fine_width = 8", "fine_width = 9"),
        IMAGE.replace("fine_units = 1", "fine_units = 2"),
        IMAGE.replace("dim = 12", "dim = 14").replace("groups = [4, 8]", "groups = [4, 8, 2]"),
    ],
)
def test_a_source_with_larger_networks_is_refused(tmp_path, train, larger):
    train(tmp_path / "larger", larger, steps=1)
    with pytest.raises(ConfigError, match="networks are not those of the recipe"):
        train(tmp_path / "run", IMAGE, start_from=tmp_path / "larger")


def test_a_source_is_refused_before_data_are_read(tmp_path, recipes, joint_run):
    options = {"run": tmp_path, "data": [tmp_path / "nowhere"], "start_from": str(joint_run)}
    with pytest.raises(InputError, match="nowhere"):
        train_autoencoder(recipes(IMAGE), TrainingOptions(**options), joint=True)
    with pytest.raises(ConfigError, match="networks are not those of the recipe"):
        train_autoencoder(recipes(AUDIO), TrainingOptions(**options), joint=True)


def test_a_source_of_another_modality_or_size_of_sounds_is_refused(tmp_path, train, joint_run):
    with pytest.raises(ConfigError, match="networks are not those of the recipe"):
        train(tmp_path / "other", AUDIO, start_from=joint_run)
    train(tmp_path / "sounds", AUDIO, steps=1)
    wider = AUDIO.replace("encoder_width = 8", "encoder_width = 16")
    deeper = AUDIO.replace("encoder_units = 1", "encoder_units = 2")
    for number, text in enumerate((wider, deeper)):
        with pytest.raises(ConfigError, match="networks are not those of the recipe"):
            train(tmp_path / str(number), text, start_from=tmp_path / "sounds")
