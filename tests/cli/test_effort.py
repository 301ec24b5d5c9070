"""`vqcodec compress --effort`: the streams of refined pictures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image
from tiny import noise_clip, noise_picture, tiny_model_path

import vqcodec
from vqcodec.signals.files import write_signal

GIRAFFE = Path(__file__).parents[2] / "assets" / "samples" / "giraffe.png"
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture
def photo(tmp_path):
    with Image.open(GIRAFFE) as whole:
        whole.crop((200, 150, 312, 230)).save(tmp_path / "photo.png")
    return "photo.png"


@needs_torch
def test_a_refined_picture_is_another_stream_of_the_same_model(vqc, photo):
    options = ("--model", "image", "--json", "--force")
    usual = vqc("compress", *options, photo).json["files"][0]
    refined = vqc("compress", *options, "--effort", "20", photo).json["files"][0]
    assert refined["fingerprint"] == usual["fingerprint"]
    assert refined["digest"] != usual["digest"]
    assert vqc("decompress", "photo.vqc").exit_code == 0


@needs_torch
def test_the_model_may_be_at_a_url(vqc, photo):
    fsspec = pytest.importorskip("fsspec")
    image = vqcodec.codec.zoo.find_model("image").path
    fsspec.filesystem("memory").pipe("/effort/own.safetensors", image.read_bytes())
    options = ("--model", "memory://effort/own.safetensors", "--effort", "1", "--force")
    outcome = vqc("compress", *options, photo)
    assert outcome.exit_code == 0, outcome.stderr


@needs_torch
def test_every_step_of_every_window_is_reported():
    from vqcodec.training.refining import refined

    model, steps, told = refined(vqcodec.load("image"), "image", 3), 3, []
    picture = noise_picture(1600, 32)  # two windows in one stripe
    model.compress(picture, quality=1, progress=told.append)
    within = [number / (2 * steps) for number in range(1, 2 * steps + 1)]
    assert told == pytest.approx([*within, 1, 1])  # then the stripe, and the end


@needs_torch
def test_what_cannot_be_refined_is_refused(vqc, photo, tmp_path):
    with (tmp_path / "voice.wav").open("wb") as file:
        write_signal(noise_clip(500), file, "WAV")
    outcome = vqc("compress", "--model", "speech", "--effort", "3", "voice.wav")
    assert outcome.exit_code == 2
    assert outcome.stderr == "vqcodec: voice.wav: --effort is for pictures\n"
    tokens = str(tiny_model_path("residual-image"))
    outcome = vqc("compress", "--model", tokens, "--effort", "3", photo)
    assert outcome.exit_code == 2
    assert "is not one of pictures with a lattice" in outcome.stderr
    assert not (tmp_path / "photo.vqc").exists()
    assert vqc("compress", "--effort", "3", "--ray", "local", photo).exit_code == 2


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_the_command_says_how_to_get_it(vqc, photo):
    outcome = vqc("compress", "--model", "image", "--effort", "3", photo)
    assert outcome.exit_code == 2
    assert "--effort: needs PyTorch; in the clone of vqcodec, run" in outcome.stderr


@pytest.mark.parametrize("steps", ["-1", "1001", "much"])
def test_steps_are_a_number(vqc, photo, steps):
    assert vqc("compress", "--model", "image", "--effort", steps, photo).exit_code == 2
