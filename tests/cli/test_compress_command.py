"""`vqcodec compress`."""

import hashlib
import re
import sys

import numpy as np
import pytest
import soundfile

from vqcodec.bitstream.stream import parse_stream
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import write_clip


def test_a_stream_appears_beside_the_picture(vqc, zoo, photo):
    outcome = vqc("compress", photo)
    assert outcome.exit_code == 0
    assert outcome.stdout == b""
    stream = photo.with_suffix(".vqc").read_bytes()
    assert parse_stream(stream).header.fingerprint.hex() == zoo.image.fingerprint
    assert f"{len(stream)} bytes" in outcome.stderr
    assert "bits per pixel" in outcome.stderr


def test_each_kind_of_input_gets_its_model(vqc, zoo, photo, voice):
    assert vqc("compress", photo, voice).exit_code == 0
    for path, model in ((photo, zoo.image), (voice, zoo.speech)):
        stream = path.with_suffix(".vqc").read_bytes()
        assert parse_stream(stream).header.fingerprint.hex() == model.fingerprint


def test_quiet_says_nothing(vqc, zoo, photo, voice):
    outcome = vqc("compress", "-q", photo, voice)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, b"", "")


def test_json_is_one_object_with_units_in_its_keys(vqc, zoo, photo, voice):
    outcome = vqc("compress", "--json", "-q", photo, voice)
    picture, sound = outcome.json["files"]
    size_bytes = photo.with_suffix(".vqc").stat().st_size
    assert picture == {
        "input": str(photo),
        "ok": True,
        "output": str(photo.with_suffix(".vqc")),
        "model": "image",
        "fingerprint": "0a0b0c0d",
        "modality": "image",
        "width": 8,
        "height": 6,
        "input_bytes": photo.stat().st_size,
        "size_bytes": size_bytes,
        "bits_per_pixel": 8 * size_bytes / 48,
        "digest": hashlib.sha256(photo.with_suffix(".vqc").read_bytes()).hexdigest(),
        "notes": [
            {
                "code": "larger",
                "text": f"the stream is larger than the input: {size_bytes} bytes, "
                f"not {photo.stat().st_size}",
            }
        ],
    }
    assert sound["duration_s"] == 0.25
    assert sound["bits_per_second"] == 8 * sound["size_bytes"] / 0.25


def test_a_pipe_goes_in_and_a_stream_comes_out(vqc, zoo, photo):
    outcome = vqc("compress", "-", stdin=photo.read_bytes())
    assert parse_stream(outcome.stdout).header.facts.width == 8
    assert "stdin -> -" in outcome.stderr


def test_a_terminal_gets_no_stream(vqc, zoo, photo, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    outcome = vqc("compress", photo, "-o", "-")
    assert (outcome.exit_code, outcome.stdout) == (2, b"")


def test_json_and_a_stream_do_not_share_stdout(vqc, zoo, photo):
    for arguments in (["-o", "-", photo], ["-"]):
        outcome = vqc("compress", "--json", *arguments, stdin=photo.read_bytes())
        assert (outcome.exit_code, outcome.stdout) == (2, b"")


def test_an_existing_file_is_overwritten_by_force_only(vqc, zoo, photo):
    target = photo.with_suffix(".vqc")
    target.write_bytes(b"before")
    outcome = vqc("compress", photo)
    assert outcome.exit_code == 6
    assert target.read_bytes() == b"before"
    assert "-f" in outcome.stderr
    assert vqc("compress", "-f", photo).exit_code == 0
    assert target.read_bytes() != b"before"


def test_one_failing_input_is_reported_and_the_rest_go_on(vqc, zoo, photo, voice):
    broken = photo.with_name("broken.png")
    broken.write_bytes(b"not a picture")
    outcome = vqc("compress", "missing.wav", broken, photo, voice)
    assert outcome.exit_code == 3
    assert photo.with_suffix(".vqc").exists()
    assert voice.with_suffix(".vqc").exists()
    assert not broken.with_suffix(".vqc").exists()
    assert "vqcodec: missing.wav: " in outcome.stderr
    assert f"vqcodec: {broken}: " in outcome.stderr


def test_quality_reaches_the_model(vqc, zoo, photo):
    vqc("compress", "--quality", "7.5", photo)
    vqc("compress", "-f", photo)
    assert [call["quality"] for call in zoo.image.calls] == [7.5, 5]


@pytest.mark.parametrize("quality", ["0", "0.9", "10.1", "nan", "inf", "high"])
def test_a_quality_is_from_1_to_10(vqc, zoo, photo, quality):
    outcome = vqc("compress", "--quality", quality, photo)
    assert outcome.exit_code == 2
    assert "--quality" in outcome.stderr


@pytest.mark.parametrize("limit", [["--size", "400"], ["--size", ".4k"], ["--bpp", "66.7"]])
def test_a_limit_is_never_exceeded(vqc, zoo, photo, limit):
    assert vqc("compress", *limit, photo).exit_code == 0
    assert 300 < photo.with_suffix(".vqc").stat().st_size <= 400


def test_a_bit_rate_counts_seconds(vqc, zoo, voice):
    assert vqc("compress", "--bitrate", "12.8k", voice).exit_code == 0
    assert 300 < voice.with_suffix(".vqc").stat().st_size <= 400


def test_a_limit_that_cannot_be_met_leaves_no_file(vqc, zoo, photo):
    outcome = vqc("compress", "--size", "10", photo)
    assert outcome.exit_code == 2
    assert not photo.with_suffix(".vqc").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--quality", "5", "--size", "100"],
        ["--size", "-3"],
        ["--size", "many"],
        ["--bitrate", "3k"],
        ["--psnr", "0"],
        ["--psnr", "nan"],
        ["--psnr", "20", "--bpp", "1"],
        ["--stereo"],
        ["--model", "speech"],
        ["--device", "nonsense"],
    ],
)
def test_what_has_no_meaning_for_a_picture_is_wrong_usage(vqc, zoo, photo, options):
    outcome = vqc("compress", *options, photo)
    assert outcome.exit_code == 2
    assert not photo.with_suffix(".vqc").exists()


@pytest.mark.parametrize("option", ["--bpp", "--psnr"])
def test_what_is_for_pictures_is_not_for_sounds(vqc, zoo, voice, option):
    assert vqc("compress", option, "20", voice).exit_code == 2


def test_a_fidelity_takes_what_it_needs(vqc, zoo, photo):
    assert vqc("compress", "--psnr", "1", photo).exit_code == 0
    least = photo.with_suffix(".vqc").stat().st_size
    assert vqc("compress", "-f", "--quality", "1", photo).exit_code == 0
    assert photo.with_suffix(".vqc").stat().st_size == least
    assert vqc("compress", "-f", "--psnr", "99", photo).exit_code == 2


def test_mixing_down_is_said_and_stereo_is_not(vqc, zoo, voice):
    write_stereo(voice)
    outcome = vqc("compress", voice)
    assert "2 channels are mixed down to one" in outcome.stderr
    outcome = vqc("compress", "-f", "--stereo", voice)
    assert "mixed" not in outcome.stderr
    assert [call["separate_channels"] for call in zoo.speech.calls] == [False, True]
    assert vqc("compress", "-f", "--strict", voice).exit_code == 3
    assert vqc("compress", "-f", "--strict", "--stereo", voice).exit_code == 0


def test_equal_channels_lose_nothing_by_mixing(vqc, zoo, voice):
    outcome = vqc("compress", "--strict", voice)
    assert outcome.exit_code == 0
    assert "mixed" not in outcome.stderr


def write_stereo(path):
    samples = np.zeros((2, 4000), np.float32)
    samples[1, ::2] = 0.1
    with path.open("wb") as file:
        write_clip(AudioClip(samples, 16_000), file, "WAV")


def test_a_model_that_is_not_installed_ends_with_exit_code_5(vqc, zoo, photo):
    outcome = vqc("compress", "--model", "nowhere", photo)
    assert outcome.exit_code == 5
    assert "nowhere" in outcome.stderr


def test_many_results_go_into_a_folder(vqc, zoo, photo, voice, tmp_path):
    (tmp_path / "out").mkdir()
    assert vqc("compress", photo, voice, "-o", "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["photo.vqc", "voice.vqc"]
    assert vqc("compress", photo, voice, "-o", "one.vqc").exit_code == 2


def test_a_damaged_sound_is_reported_and_leaves_no_file(vqc, zoo, tmp_path):
    path = tmp_path / "voice.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 40_000), 16_000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    outcome = vqc("compress", path)
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith(f"vqcodec: {path}: ")
    assert list(tmp_path.iterdir()) == [path]


def test_a_sound_comes_through_a_pipe(vqc, zoo, voice):
    outcome = vqc("compress", "-", stdin=voice.read_bytes())
    assert parse_stream(outcome.stdout).header.facts.num_samples == 4000


@pytest.mark.parametrize(
    ("option", "wanted", "unit"),
    [
        ("--bitrate", "100", "bit/s"),
        ("--bpp", "0.5", "bits per pixel"),
        ("--size", "10", "bytes"),
    ],
)
def test_a_limit_that_is_too_low_is_refused_in_its_own_unit(
    vqc, zoo, photo, voice, option, wanted, unit
):
    path = voice if option == "--bitrate" else photo
    outcome = vqc("compress", option, wanted, path)
    assert outcome.exit_code == 2
    start, end = f"vqcodec: {path}: the lowest quality takes ", f" {unit}, not {wanted}\n"
    assert outcome.stderr.startswith(start)
    assert outcome.stderr.endswith(end)
    least = outcome.stderr.removeprefix(start).removesuffix(end)
    assert vqc("compress", option, least, path).exit_code == 0


def test_rates_have_no_exponent(vqc, zoo, voice):
    outcome = vqc("compress", "--quality", "10", voice)
    assert "e+" not in outcome.stderr
    assert re.search(r"bytes, \d{5} bits per second\n", outcome.stderr)


def test_an_empty_sound_has_no_rate(vqc, zoo, tmp_path):
    with (tmp_path / "empty.wav").open("wb") as file:
        write_clip(AudioClip(np.zeros((1, 0), np.float32), 16_000), file, "WAV")
    outcome = vqc("compress", "--json", "empty.wav")
    assert outcome.json["files"][0]["bits_per_second"] is None
    assert "bits per second" not in outcome.stderr


@pytest.mark.parametrize(
    ("option", "examples"), [("--bpp", "0.25 or 1.5"), ("--bitrate", "3000, 3k or 1.5M")]
)
def test_a_limit_of_0_is_refused_with_fitting_examples(vqc, zoo, photo, option, examples):
    outcome = vqc("compress", option, "0", photo)
    assert outcome.stderr == f"vqcodec: {option} 0: not a number above 0 like {examples}\n"
