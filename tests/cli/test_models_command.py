"""`vqcodec models`, and loading a model for the other commands."""

import pytest
from vqcodec.cli.models import load_model

from vqcodec.errors import UsageError


def test_models_are_listed_as_a_table(vqc, zoo):
    header, image, speech = vqc("models").stdout.decode().splitlines()
    assert header.split() == ["name", "modality", "fingerprint", "bytes", "file"]
    assert image.split() == ["image", "image", "0a0b0c0d", "1234", "models/image"]
    assert speech.split()[:2] == ["speech", "audio"]


def test_models_as_json_carry_their_summaries(vqc, zoo):
    image, speech = vqc("models", "--json").json["models"]
    assert image == {
        "name": "image",
        "modality": "image",
        "fingerprint": "0a0b0c0d",
        "size_bytes": 1234,
        "path": "models/image",
        "summary": {"licence": "CC0"},
    }
    assert speech["name"] == "speech"


def test_without_models_the_user_learns_where_to_put_them(vqc, zoo):
    zoo.installed.clear()
    assert b"VQCODEC_MODELS" in vqc("models").stdout
    assert vqc("models", "--json").json == {"models": [], "damaged": []}


def test_a_bad_file_is_named_and_the_other_models_are_listed(vqc, zoo):
    zoo.damage.append("models/bad.safetensors: not a model file")
    outcome = vqc("models")
    assert outcome.exit_code == 0
    assert len(outcome.stdout.splitlines()) == 3
    assert outcome.stderr == "vqcodec: models/bad.safetensors: not a model file\n"
    assert vqc("models", "--json").json["damaged"] == zoo.damage


def test_a_model_is_loaded_once(zoo, monkeypatch):
    model = load_model("image", "cpu")
    monkeypatch.setattr("vqcodec.load", None)
    assert load_model("image", "cpu") is model


def test_a_model_moves_to_the_device(zoo):
    assert load_model("image", "cuda").device == "cuda"
    with pytest.raises(UsageError, match="device"):
        load_model("speech", "nonsense")
