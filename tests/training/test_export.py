"""Trained networks to a model file and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import SAMPLE_RATE, TABLES, noise_clip, same_signal
from tiny_training import save_tiny_model

from vqcodec.codec.loading import read_model
from vqcodec.codec.model_file import read_model_file
from vqcodec.codec.weights import restore_weight, store_weight
from vqcodec.errors import ModelFileError, OutputError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.training.export import load_autoencoder, save_model


def save(path, *, weight=0.0):
    torch.manual_seed(0)
    tables = TABLES["image"]
    autoencoder = Autoencoder(tables)
    with torch.no_grad():
        autoencoder.decoder.head.bias.fill_(weight)
    save_model(path, name="x", tables=tables, autoencoder=autoencoder, prior={}, card={})
    return autoencoder


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e6])
def test_a_model_with_weights_beyond_half_precision_is_not_saved(tmp_path, weight):
    with pytest.raises(ModelFileError, match=r"decoder.head.bias has values that are not finite"):
        save(tmp_path / "x.safetensors", weight=weight)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match=r"none.x\.safetensors: No such file"):
        save(tmp_path / "none" / "x.safetensors")
    (tmp_path / "x.safetensors").mkdir()
    with pytest.raises(OutputError, match=r"x\.safetensors: is a folder"):
        save(tmp_path / "x.safetensors")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.safetensors"]


def test_saving_twice_gives_the_same_file(tmp_path):
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths.append(save_tiny_model("residual-image", tmp_path / name))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_saved_autoencoder_comes_back_as_its_weights_are_stored(tmp_path):
    saved = save(tmp_path / "x.safetensors", weight=0.1).state_dict()
    loaded = load_autoencoder(read_model_file(tmp_path / "x.safetensors")).state_dict()
    assert loaded.keys() == saved.keys()
    for name, value in saved.items():
        is_network = name.startswith(("encoder.", "decoder."))
        kept = value.numpy()
        if is_network:
            kept = restore_weight(store_weight(name, kept), name)
        assert np.array_equal(loaded[name].numpy(), kept), name


def test_the_sums_of_codebooks_follow_from_entries_and_shares(tmp_path):
    torch.manual_seed(0)
    tables = TABLES["residual-image"]
    autoencoder = Autoencoder(tables)
    path = tmp_path / "x.safetensors"
    for book in autoencoder.quantizer.codebooks:
        vectors = torch.randn(300, book.entries.shape[1])
        for _ in range(20):
            book.learn(vectors, book.nearest(vectors))
    save_model(path, name="x", tables=tables, autoencoder=autoencoder, prior={}, card={})
    file = read_model_file(path)
    assert not [name for name in file.tensors if name.endswith(".sums")]
    loaded = load_autoencoder(file)
    for book, saved in zip(
        loaded.quantizer.codebooks, autoencoder.quantizer.codebooks, strict=True
    ):
        assert torch.equal(book.entries, saved.entries)
        assert torch.allclose(book.sums, saved.sums, atol=1e-6)


@pytest.mark.slow
def test_a_model_of_the_papers_sound_networks_speaks_with_any_voice(tmp_path):
    torch.manual_seed(0)
    network = {"kind": "paper", "dim": 12, "width": 8, "narrow_width": 4, "num_units": 1}
    tables = {
        **TABLES["residual-speech"],
        "network": {**network, "voice_dim": 3},
        "prior": {"kind": "uniform"},
    }
    autoencoder = Autoencoder(tables)
    with torch.no_grad():  # at initialisation, all voices are the same
        autoencoder.decoder.voice.gains.weight.normal_()
        autoencoder.decoder.head.weight.normal_()
    path = tmp_path / "paper.safetensors"
    save_model(path, name="paper", tables=tables, autoencoder=autoencoder, prior={}, card={})
    model = read_model(path)
    stream = model.compress(noise_clip(4_000))
    recordings = [noise_clip(SAMPLE_RATE, seed=seed) for seed in (1, 2)]
    spoken = [model.decompress(stream, speaker=speaker) for speaker in (None, *recordings)]
    for number, sound in enumerate(spoken):
        assert sound.waveform.shape == (1, 4_000)
        assert not any(same_signal(sound, other) for other in spoken[:number])
