"""`vqcodec sample`."""

import io
import shutil
import sys

import numpy as np
import pytest

from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import read_picture, write_picture
from vqcodec.signals.sound_files import read_clip


def test_a_picture_is_drawn_for_a_picture_name(vqc, zoo, tmp_path):
    assert vqc("sample", "-o", "new.png").exit_code == 0
    assert read_picture(tmp_path / "new.png").width == 256
    (call,) = zoo.image.calls
    assert (call["temperature"], call["quality"]) == (1, 5)


def test_a_sound_is_drawn_for_a_sound_name(vqc, zoo, tmp_path):
    assert vqc("sample", "-o", "new.flac").exit_code == 0
    assert read_clip(tmp_path / "new.flac").duration_s == 3


def test_a_format_with_a_dot_is_the_format(vqc, zoo, tmp_path):
    assert vqc("sample", "-o", "new.bin", "--format", ".wav").exit_code == 0
    assert (tmp_path / "new.bin").read_bytes().startswith(b"RIFF")


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


def test_an_unknown_suffix_names_the_formats_of_pictures_and_sounds(vqc, zoo):
    for options in (["-o", "a.xyz"], ["-o", "a.png", "--format", "xyz"]):
        message = vqc("sample", *options).stderr
        assert "a picture is written as .png" in message
        assert "a sound as .wav" in message
    assert "a sound as" not in vqc("sample", "-o", "a.xyz", "--model", "image").stderr


def test_a_terminal_gets_no_sample(vqc, zoo, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert vqc("sample", "-o", "-").exit_code == 2


def test_an_existing_file_is_overwritten_by_force_only(vqc, zoo):
    assert vqc("sample", "-o", "a.png").exit_code == 0
    assert vqc("sample", "-o", "a.png").exit_code == 6
    assert vqc("sample", "-f", "-o", "a.png").exit_code == 0


def test_sweeps_reach_the_model(vqc, zoo):
    assert vqc("sample", "--sweeps", "3", "-o", "new.png").exit_code == 0
    assert zoo.image.calls[0]["num_sweeps"] == 3
    assert vqc("sample", "--sweeps", "3", "-o", "new.wav").exit_code == 2


def test_the_kind_of_what_is_kept_decides(vqc, zoo, photo, voice):
    options = ["--seed", "7", "-o", "-"]
    assert vqc("sample", "--from", photo, *options).exit_code == 0
    assert vqc("sample", "--from", voice, "--keep", "0.25", *options).exit_code == 0
    usual = {"seed": 7, "temperature": 1, "quality": 5}
    assert zoo.image.calls == [{**usual, "temperature": 0.7}]  # at 1, the rest is coarse noise
    assert zoo.speech.calls == [{**usual, "keep": 0.25}]
    assert vqc("sample", "--from", photo, "-o", "new.wav").exit_code == 2
    assert vqc("sample", "--from", photo, "--model", "speech", "-o", "new.wav").exit_code == 2


@pytest.mark.parametrize("name", ["photo.png", "mask.png"])
def test_what_is_read_is_kept(vqc, zoo, photo, tmp_path, name):
    shutil.copy(photo, tmp_path / "mask.png")
    outcome = vqc("sample", "--from", photo, "--mask", "mask.png", "-o", name, "-f")
    assert outcome.exit_code == 2
    assert "inputs are kept" in outcome.stderr


def test_a_rectangle_is_a_hole_in_a_picture(vqc, zoo, photo):
    picture = read_picture(photo)
    assert vqc("sample", "--from", photo, "--mask", "3, 2,4,5000", "-o", "a.png").exit_code == 0
    hole = np.zeros((picture.height, picture.width), np.bool_)
    hole[2:, 3:7] = True
    assert np.array_equal(zoo.image.calls[0]["mask"], hole)


def test_a_picture_marks_a_hole_in_white(vqc, zoo, photo, tmp_path):
    picture = read_picture(photo)
    hole = np.zeros((picture.height, picture.width, 1), np.uint8)
    hole[1:3, 4:6] = 255
    with (tmp_path / "hole.png").open("wb") as file:
        write_picture(Picture(hole), file, "PNG")
    assert vqc("sample", "--from", photo, "--mask", "hole.png", "-o", "a.png").exit_code == 0
    assert np.array_equal(zoo.image.calls[0]["mask"], hole[:, :, 0] > 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", "0.5"], "--keep needs --from"),
        (["--mask", "0,0,1,1"], "--mask needs --from"),
        (["--from", "photo.png", "--keep", "2"], "--keep 2"),
        (["--from", "photo.png", "--keep", "0.1", "--mask", "0,0,1,1"], "only one of them"),
        (["--from", "photo.png", "--mask", "100000,0,1,1"], "covers no pixel of the picture"),
        (["--from", "photo.png", "--mask", "0,0,0,1"], "covers no pixel of the picture"),
        (["--from", "photo.png", "--mask", "small.png"], "1 x 1 pixels, needed"),
        (["--from", "photo.png", "--mask", "voice.wav"], "is for pictures"),
        (["--from", "photo.png", "--mask", "-"], "--mask -"),
        (["--from", "photo.png", "--mask", ""], "--mask : give a rectangle"),
        (
            ["--from", "photo.png", "--mask", "1,2"],
            "a rectangle is four whole numbers of 0 or more",
        ),
        (["--from", "photo.png", "--mask=-5,0,10,10"], "a rectangle is four whole numbers"),
        (["--from", "photo.png", "--width", "8"], "leave out --duration"),
        (["--from", "voice.wav", "--mask", "0,0,1,1"], "is for pictures"),
        (["--from", "voice.wav", "--duration", "1"], "leave out --duration"),
        (["--from", "photo.png", "--sweeps", "-1"], "--sweeps"),
    ],
)
def test_parts_that_cannot_be_kept_are_wrong_usage(
    vqc, zoo, photo, voice, options, message, tmp_path
):
    with (tmp_path / "small.png").open("wb") as file:
        write_picture(Picture(np.zeros((1, 1, 1), np.uint8)), file, "PNG")
    outcome = vqc("sample", *options, "-o", "a.png")
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("options", [["missing.png"], ["photo.png", "--mask", "missing.png"]])
def test_files_to_complete_that_are_missing_are_named(vqc, zoo, photo, options):
    outcome = vqc("sample", "--from", *options, "-o", "a.png")
    assert outcome.exit_code == 3
    assert "missing.png" in outcome.stderr


def test_a_stream_is_not_continued(vqc, zoo, photo_stream):
    outcome = vqc("sample", "--from", photo_stream, "-o", "a.png")
    assert outcome.exit_code == 3
    assert "is a stream already" in outcome.stderr
