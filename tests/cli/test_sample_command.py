"""`vqcodec sample`."""

import io
import sys

import pytest

from vqcodec.signals.picture_files import read_picture
from vqcodec.signals.sound_files import read_clip


def test_a_picture_is_drawn_for_a_picture_name(vqc, zoo, tmp_path):
    assert vqc("sample", "-o", "new.png").exit_code == 0
    assert read_picture(tmp_path / "new.png").width == 256
    (call,) = zoo.image.calls
    assert (call["temperature"], call["quality"]) == (1, 5)


def test_a_sound_is_drawn_for_a_sound_name(vqc, zoo, tmp_path):
    assert vqc("sample", "-o", "new.flac").exit_code == 0
    assert read_clip(tmp_path / "new.flac").duration_s == 3


def test_a_duration_asks_for_a_sound(vqc, zoo):
    outcome = vqc("sample", "--duration", "0.5", "-o", "-")
    assert read_clip(io.BytesIO(outcome.stdout)).duration_s == 0.5


def test_a_named_model_decides(vqc, zoo):
    outcome = vqc("sample", "--model", "speech", "-o", "-")
    assert read_clip(io.BytesIO(outcome.stdout)).duration_s == 3
    assert vqc("sample", "--model", "speech", "-o", "new.png").exit_code == 2


def test_settings_reach_the_model(vqc, zoo):
    options = ["--seed", "7", "--temperature", "0", "--width", "3", "--height", "5"]
    assert vqc("sample", *options, "--quality", "2", "-o", "new.png").exit_code == 0
    assert zoo.image.calls == [{"seed": 7, "temperature": 0, "quality": 2, "width": 3, "height": 5}]


def test_a_seed_that_was_not_given_is_told(vqc, zoo):
    first = vqc("sample", "--json", "-o", "a.png").json["seed"]
    outcome = vqc("sample", "--json", "-o", "b.png")
    assert outcome.json["seed"] != first
    assert f"--seed {outcome.json['seed']}" in outcome.stderr
    assert [call["seed"] for call in zoo.image.calls] == [first, outcome.json["seed"]]


def test_json_tells_what_was_drawn(vqc, zoo):
    record = vqc("sample", "--json", "--seed", "1", "-o", "a.wav", "--duration", "2").json
    assert record == {
        "output": "a.wav",
        "model": "speech",
        "seed": 1,
        "temperature": 1.0,
        "quality": 5.0,
        "modality": "audio",
        "duration_s": 2.0,
        "sample_rate": 16_000,
        "num_channels": 1,
    }


@pytest.mark.parametrize(
    "options",
    [
        ["-o", "a.wav", "--width", "5"],
        ["-o", "a.png", "--duration", "5"],
        ["-o", "a.png", "--model", "speech", "--height", "5"],
        ["-o", "a.png", "--temperature", "-0.1"],
        ["-o", "a.png", "--temperature", "nan"],
        ["-o", "a.png", "--quality", "11"],
        ["-o", "a.png", "--seed", "-1"],
        ["-o", "a.xyz"],
        ["-o", "-", "--json"],
        [],
    ],
)
def test_what_has_no_meaning_is_wrong_usage(vqc, zoo, options, tmp_path):
    outcome = vqc("sample", *options)
    assert (outcome.exit_code, outcome.stdout) == (2, b"")
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_no_sample(vqc, zoo, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert vqc("sample", "-o", "-").exit_code == 2


def test_an_existing_file_is_overwritten_by_force_only(vqc, zoo):
    assert vqc("sample", "-o", "a.png").exit_code == 0
    assert vqc("sample", "-o", "a.png").exit_code == 6
    assert vqc("sample", "-f", "-o", "a.png").exit_code == 0
