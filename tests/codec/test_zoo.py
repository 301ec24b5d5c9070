"""The search for models; and facts about a stream without its model and without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import TABLES, noise_clip, noise_picture

import vqcodec
from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.sections import Section
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.codec import inspect, zoo
from vqcodec.codec.inspect import describe, verify
from vqcodec.codec.model_file import read_model_file, write_model_file
from vqcodec.errors import CorruptStreamError, MissingModelError, ModelFileError
from vqcodec.modalities.base import ModelChoice
from vqcodec.notes import NoteCode
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"


@pytest.fixture
def folder(tmp_path, tiny_folder, monkeypatch):
    """A user's folder, searched before the folder of tiny models; there are no other folders."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("VQCODEC_MODELS", os.pathsep.join([str(own), "", str(tiny_folder)]))
    packaged = zoo.search_path()[-1]
    monkeypatch.setattr(zoo, "search_path", lambda: [own, tiny_folder])
    assert packaged.name == "models"
    return own


def test_the_users_folders_come_before_the_packaged_one(monkeypatch, tmp_path):
    monkeypatch.setenv("VQCODEC_MODELS", os.pathsep.join([str(tmp_path / "a"), str(tmp_path)]))
    assert zoo.search_path()[:2] == [tmp_path / "a", tmp_path]
    monkeypatch.delenv("VQCODEC_MODELS")
    assert len(zoo.search_path()) == 1


def test_every_model_has_a_card(folder, tiny_folder):
    cards = {card.name: card for card in zoo.list_models()}
    assert set(cards) == set(TABLES)
    card = cards["residual-speech"]
    assert card.modality == "audio"
    assert card.path == tiny_folder / "residual-speech.safetensors"
    assert card.size_bytes == card.path.stat().st_size
    assert card.summary == {"licence": "Apache-2.0"}
    assert len(bytes.fromhex(card.fingerprint)) == 4


def test_missing_folders_are_ignored(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(zoo, "search_path", lambda: [tmp_path / "none", tmp_path / "file"])
    assert zoo.list_models() == []
    with pytest.raises(MissingModelError, match="'image' is not installed"):
        zoo.find_model("image")


def test_of_two_equal_names_the_second_is_found_by_fingerprint(folder, tiny_folder):
    file, own = read_model_file(tiny_folder / "image.safetensors"), folder / "own.safetensors"
    finer = file.tensors["quantizer.log_gain"] + np.float32(0.1)
    tensors = {**file.tensors, "quantizer.log_gain": finer}
    write_model_file(own, name="image", tables=file.tables, tensors=tensors, card={})
    hidden = zoo.read_card(tiny_folder / "image.safetensors")
    assert zoo.find_model("image").path == own
    assert zoo.find_model(hidden.fingerprint) == hidden
    assert [card.name for card in zoo.list_models()].count("image") == 2
    stream = zoo.load_model(str(hidden.path)).compress(noise_picture(5, 5))
    assert describe(stream)["model"] == "image"


def test_a_copy_is_listed_once(folder, tiny_folder):
    shutil.copy(tiny_folder / "image.safetensors", folder / "copy.safetensors")
    assert len(zoo.list_models()) == len(TABLES)
    assert zoo.find_model("image").path == folder / "copy.safetensors"


def test_a_damaged_file_is_reported_and_other_models_are_found(folder, image_model, picture):
    (folder / "broken.safetensors").write_bytes(b"\x10")
    damage = []
    assert len(zoo.list_models(on_damage=damage.append)) == len(TABLES)
    assert [str(error).partition(": ")[0] for error in damage] == [
        str(folder / "broken.safetensors")
    ]
    assert zoo.find_model("image").name == "image"
    stream = image_model.compress(picture)
    assert describe(stream)["model"] == "image"
    with pytest.raises(ModelFileError, match=r"broken\.safetensors"):
        zoo.find_model("broken")


def test_a_path_without_a_model_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(MissingModelError):
        zoo.find_model(str(path))
    path.write_bytes(b"text")
    with pytest.raises(ModelFileError):
        zoo.load_model(str(path))


@pytest.mark.parametrize("name", ["none.safetensors", "./none.safetensors", "none/image"])
def test_a_path_that_is_not_there_is_called_missing(name):
    with pytest.raises(MissingModelError, match=f"^model {name}: no such file$"):
        zoo.find_model(name)


def test_a_file_of_another_kind_is_no_model(monkeypatch, tmp_path):
    (tmp_path / "plain.png").write_bytes(b"\x89PNG\r\n\x1a\n of a picture")
    monkeypatch.chdir(tmp_path)
    for name in ("plain.png", str(tmp_path / "plain.png")):
        with pytest.raises(ModelFileError, match=r"plain\.png: not a model file"):
            zoo.find_model(name)
    with pytest.raises(MissingModelError, match="is a folder"):
        zoo.find_model(str(tmp_path))


def test_each_modality_has_a_default_model():
    assert zoo.default_model_name("image") == "image"
    assert zoo.default_model_name("audio") == "speech"


def install(folder, tiny_folder, name):
    """Install a copy of the tiny model for sounds under another name."""
    file = read_model_file(tiny_folder / "speech.safetensors")
    write_model_file(
        folder / f"{name}.safetensors",
        name=name,
        tables=file.tables,
        tensors=file.tensors,
        card={},
    )


def voice():
    return read_clip(SAMPLES / "voice_man.flac")


def chord():
    return noise_clip(48_000, sample_rate=44_100)


def test_without_the_model_for_other_sounds_each_sound_goes_to_speech_with_a_note(folder):
    assert zoo.choose_model(noise_picture(5, 5)) == ModelChoice("image")
    assert zoo.choose_model(voice()) == ModelChoice("speech")
    assert zoo.choose_model(noise_clip(100)) == ModelChoice("speech")
    choice = zoo.choose_model(chord())
    assert choice.name == "speech"
    assert choice.note.code is NoteCode.NOT_SPEECH
    assert choice.note.text.startswith("this is not a voice (its ")


def test_a_model_named_audio_takes_over_all_that_is_not_a_voice(folder, tiny_folder):
    install(folder, tiny_folder, "audio")
    for sound, name, text in (
        (voice(), "speech", "a voice ("),
        (chord(), "audio", "not a voice ("),
        (noise_clip(100), "audio", "too short or too quiet"),
    ):
        choice = zoo.choose_model(sound)
        assert choice.name == name
        assert choice.note.code is NoteCode.MODEL_CHOSEN
        assert choice.note.text.startswith(text)
    wide = AudioClip(resample(voice().waveform, 16_000, 48_000), 48_000)
    assert zoo.choose_model(wide).name == "speech"
    assert "--model audio codes what lies above 8 kHz" in zoo.choose_model(wide).note.text


def test_compressing_uses_the_model_that_is_chosen(folder, tiny_folder):
    install(folder, tiny_folder, "audio")
    notes = []
    stream = vqcodec.compress(chord(), on_note=notes.append)
    assert describe(stream)["model"] in ("audio", "speech")  # they share their fingerprint
    assert notes[0].code is NoteCode.MODEL_CHOSEN
    assert vqcodec.compress(chord(), model="speech", on_note=notes.append)
    assert sum(note.code is NoteCode.MODEL_CHOSEN for note in notes) == 1


def test_a_damaged_model_for_other_sounds_is_not_installed(folder):
    (folder / "audio.safetensors").write_bytes(b"text")
    assert not zoo.is_installed("audio")
    assert zoo.is_installed("speech")
    assert zoo.choose_model(voice()).name == "speech"


def test_a_picture_is_described(folder, image_model):
    picture = replace(
        noise_picture(33, 17), alpha=np.zeros((17, 33), np.uint8), icc_profile=bytes(20)
    )
    stream = image_model.compress(picture)
    told = describe(stream)
    sections = told.pop("sections")
    assert [section["tag"] for section in sections] == ["icc_profile", "alpha", "segment"]
    side = sections[0]["size_bytes"] + sections[1]["size_bytes"]
    payload = sections[2]["size_bytes"]
    assert told == {
        "version": 1,
        "modality": "image",
        "fingerprint": image_model.fingerprint,
        "model": "image",
        "rate": image_model.rate_of(5),
        "quality": 5.0,
        "progressive": False,
        "size_bytes": len(stream),
        "payload_bytes": payload,
        "side_bytes": side,
        "overhead_bytes": len(stream) - payload - side,
        "width": 33,
        "height": 17,
        "grey": False,
        "bits_per_pixel": 8 * len(stream) / (33 * 17),
    }
    assert told["overhead_bytes"] <= 14 + 3 * 6  # three sections


@pytest.mark.parametrize("num_samples", [0, 4000])
def test_a_sound_is_described(folder, audio_model, num_samples):
    stream = audio_model.compress(noise_clip(num_samples, channels=2))
    told = describe(stream)
    assert told["modality"] == "audio"
    assert told["model"] == "speech"
    assert (told["num_samples"], told["sample_rate"]) == (num_samples, 16_000)
    assert (told["num_channels"], told["coded_channels"]) == (2, 1)
    assert told["duration_s"] == num_samples / 16_000
    rate = told["bits_per_second"]
    assert rate == (pytest.approx(8 * len(stream) / 0.25) if num_samples else None)
    assert told["overhead_bytes"] <= 24
    apart = describe(audio_model.compress(noise_clip(10, channels=2), separate_channels=True))
    assert apart["coded_channels"] == 2


def test_a_stream_of_a_model_that_is_not_installed_is_described(monkeypatch, image_model, picture):
    monkeypatch.setattr(zoo, "search_path", list)
    told = describe(image_model.compress(picture))
    assert told["model"] is None
    assert told["fingerprint"] == image_model.fingerprint


def test_a_section_of_a_later_version_is_described(folder, image_model, picture):
    parsed = parse_stream(image_model.compress(picture))
    stream = build_stream(Stream(parsed.header, (Section(0xBF, b"later"), *parsed.sections)))
    assert describe(stream)["sections"][0] == {"tag": "unknown 0xbf", "size_bytes": 5}


def test_damage_is_found_without_the_model(image_model, picture):
    stream = image_model.compress(picture)
    verify(stream)
    for damaged in (stream[:-1], stream[:-6] + bytes(6), b"text"):
        for check in (verify, describe):
            with pytest.raises(CorruptStreamError):
                check(damaged)


def test_facts_of_streams_never_import_torch(tiny_folder, tmp_path, image_model, picture):
    (tmp_path / "x.vqc").write_bytes(image_model.compress(picture))
    code = """
import sys
from pathlib import Path
from types import SimpleNamespace

import vqcodec
from vqcodec import bitstream, entropy, errors, layout, priors, quantizers, rate, signals
from vqcodec.codec.inspect import describe, verify
from vqcodec.codec.zoo import find_model, list_models
from vqcodec.entropy import range_coder
from vqcodec.priors import frames, grid, static

stream = Path(sys.argv[1]).read_bytes()
verify(stream)
assert describe(stream)["model"] == "image"
assert list_models() and find_model("speech")
heavy = {"torch", "torchaudio", "onnxruntime", "PIL", "soundfile"} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "VQCODEC_MODELS": str(tiny_folder)}
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.vqc"], check=True, env=environment, timeout=60
    )


@pytest.mark.parametrize("tables", [{}, {"network": []}, {"network": {"num_bands": "many"}}])
def test_info_survives_a_model_with_odd_tables(monkeypatch, tables):
    monkeypatch.setattr(inspect, "read_facts", lambda _: {"tables": tables})
    facts = AudioFacts(num_samples=1, sample_rate=8_000, num_channels=2, downmixed=False)
    assert inspect._pairs(facts, SimpleNamespace(path=Path("own.safetensors"))) == {}
