"""`vqcodec decompress`."""

import io
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ImageCms
from tiny import noise_clip, noise_picture
from vqcodec.cli.models import load_model

import vqcodec
from vqcodec.bitstream.header import AudioFacts, Header
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream
from vqcodec.errors import CorruptStreamError, MissingModelError, OutputError, UsageError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import read_picture
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip, write_clip


def test_a_picture_appears_beside_the_stream(vqc, zoo, photo_stream, tmp_path):
    assert vqc("decompress", photo_stream).exit_code == 0
    assert read_picture(tmp_path / "photo.decoded.png").pixels.shape == (6, 8, 3)


def test_a_sound_appears_beside_the_stream(vqc, zoo, voice_stream, tmp_path):
    assert vqc("decompress", voice_stream).exit_code == 0
    assert read_clip(tmp_path / "voice.decoded.wav").waveform.shape == (1, 4000)


def test_the_original_stays_as_it_was(vqc, zoo, photo, photo_stream):
    before = photo.read_bytes()
    assert vqc("decompress", photo_stream).exit_code == 0
    assert vqc("decompress", photo_stream, "-o", photo).exit_code == 6
    assert photo.read_bytes() == before


def test_the_suffix_of_the_output_picks_the_format(vqc, zoo, voice_stream, tmp_path):
    assert vqc("decompress", voice_stream, "-o", "new.flac").exit_code == 0
    assert (tmp_path / "new.flac").read_bytes().startswith(b"fLaC")


def test_a_format_can_be_named(vqc, zoo, photo_stream, tmp_path):
    outcome = vqc("decompress", "-", "--format", "webp", stdin=photo_stream.read_bytes())
    assert outcome.stdout[8:12] == b"WEBP"
    assert vqc("decompress", photo_stream, "--format", "jpg").exit_code == 0
    assert (tmp_path / "photo.decoded.jpg").exists()


def test_a_pipe_carries_the_usual_format(vqc, zoo, voice_stream):
    outcome = vqc("decompress", "-", stdin=voice_stream.read_bytes())
    assert read_clip(io.BytesIO(outcome.stdout)).num_samples == 4000


@pytest.mark.parametrize(
    "options", [["-o", "new.wav"], ["-o", "new"], ["--format", "wav"], ["--format", "../x"]]
)
def test_a_picture_is_not_written_as_anything_else(vqc, zoo, photo_stream, options):
    before = sorted(photo_stream.parent.iterdir())
    assert vqc("decompress", photo_stream, *options).exit_code == 2
    assert sorted(photo_stream.parent.iterdir()) == before


def test_json_tells_what_came_back(vqc, zoo, photo_stream, voice_stream, tmp_path):
    outcome = vqc("decompress", "--json", photo_stream, voice_stream)
    picture, sound = outcome.json["files"]
    assert picture["output"] == str(tmp_path / "photo.decoded.png")
    assert (picture["width"], picture["height"]) == (8, 6)
    assert (sound["duration_s"], sound["sample_rate"], sound["num_channels"]) == (0.25, 16_000, 1)


def test_json_and_a_sound_do_not_share_stdout(vqc, zoo, voice_stream):
    assert vqc("decompress", "--json", "-", stdin=voice_stream.read_bytes()).exit_code == 2


def test_a_missing_model_is_named_after_the_stream_that_needs_it(vqc, zoo, photo_stream):
    zoo.image.fingerprint = "ffffffff"
    outcome = vqc("decompress", photo_stream)
    assert outcome.exit_code == 5
    assert outcome.stderr.startswith(f"vqcodec: {photo_stream}: needs model 0a0b0c0d")
    assert vqc("decompress", "--model", "image", photo_stream).exit_code == 0


def test_a_named_model_joins_those_that_are_installed(vqc, tiny_folder, tmp_path, monkeypatch):
    load_model.cache_clear()
    installed, own = tmp_path / "installed", tmp_path / "adapted.safetensors"
    installed.mkdir()
    shutil.copy(tiny_folder / "image.safetensors", installed)
    shutil.copy(tiny_folder / "residual-speech.safetensors", own)
    monkeypatch.setenv("VQCODEC_MODELS", str(installed))
    streams = tmp_path / "streams"
    streams.mkdir()
    picture = vqcodec.load(str(installed / "image.safetensors")).compress(noise_picture(8, 8))
    sound = vqcodec.load(str(own)).compress(noise_clip(2000))
    (streams / "a.vqc").write_bytes(picture)
    (streams / "b.vqc").write_bytes(sound)

    alone = vqc("decompress", "streams", "-o", "back")
    assert (alone.exit_code, alone.stderr.count("--model FILE")) == (5, 1)
    assert "environment variable VQCODEC_MODELS" in alone.stderr
    assert vqc("decompress", "streams", "-o", "all", "--model", own, "--jobs", "2").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [
        "a.decoded.png",
        "b.decoded.wav",
    ]
    assert vqc("info", "streams/b.vqc", "--json").json["model"] is None
    for name, model in (("a", "image"), ("b", "residual-speech")):
        facts = vqc("info", f"streams/{name}.vqc", "--indices", "--json", "--model", own).json
        assert facts["model"] == model
        assert facts["indices"]


def test_a_stream_that_needs_neither_model_names_both(vqc, tiny_folder, tmp_path, monkeypatch):
    load_model.cache_clear()
    monkeypatch.setenv("VQCODEC_MODELS", str(tmp_path / "none"))
    file = tiny_folder / "image.safetensors"
    other = vqcodec.load(str(tiny_folder / "residual-speech.safetensors"))
    (tmp_path / "a.vqc").write_bytes(other.compress(noise_clip(2000)))
    outcome = vqc("decompress", "a.vqc", "--model", file)
    assert outcome.exit_code == MissingModelError.exit_code
    fingerprint = vqcodec.load(str(file)).fingerprint
    assert f"needs model {other.fingerprint}, not image {fingerprint}\n" in outcome.stderr


@pytest.mark.parametrize("length", [0, 3, 20, -1])
def test_a_cut_is_reported_and_leaves_no_file(vqc, zoo, photo_stream, length):
    photo_stream.write_bytes(photo_stream.read_bytes()[:length])
    outcome = vqc("decompress", photo_stream)
    assert outcome.exit_code == 4
    assert outcome.stderr.startswith(f"vqcodec: {photo_stream}: ")
    assert list(photo_stream.parent.iterdir()) == [photo_stream]


def test_existing_results_are_overwritten_by_force_only(vqc, zoo, photo_stream):
    assert vqc("decompress", photo_stream).exit_code == 0
    assert vqc("decompress", photo_stream).exit_code == 6
    assert vqc("decompress", "-f", photo_stream).exit_code == 0


@pytest.mark.parametrize(
    ("options", "num_samples"),
    [
        (["--start", "0.1"], 2400),
        (["--duration", "0.05"], 800),
        (["--start", "0.2", "--duration", "9"], 800),
    ],
)
def test_a_part_of_a_sound_can_be_restored(vqc, zoo, voice_stream, tmp_path, options, num_samples):
    assert vqc("decompress", voice_stream, *options).exit_code == 0
    assert read_clip(tmp_path / "voice.decoded.wav").num_samples == num_samples


@pytest.mark.parametrize("options", [["--start", "-1"], ["--duration", "0"], ["--duration", "nan"]])
def test_impossible_parts_are_refused(vqc, zoo, voice_stream, options):
    assert vqc("decompress", voice_stream, *options).exit_code == 2


def test_a_picture_has_no_parts(vqc, zoo, photo_stream):
    assert vqc("decompress", photo_stream, "--start", "1").exit_code == 2


@pytest.fixture
def anna(tmp_path):
    """The recording of a speaker."""
    path = tmp_path / "anna.wav"
    with path.open("wb") as file:
        write_clip(AudioClip(np.full((1, 900), 0.5, np.float32), 8_000), file, "WAV")
    return path


def test_the_recording_of_a_speaker_reaches_the_model(vqc, zoo, voice_stream, anna):
    assert vqc("decompress", voice_stream, "--speaker", "anna.wav").exit_code == 0
    assert zoo.speech.calls[-1]["speaker"].num_samples == 900


def test_the_recording_of_a_speaker_is_kept(vqc, zoo, voice_stream, anna):
    before = anna.read_bytes()
    command = ("decompress", voice_stream, "--speaker", "anna.wav", "-o", "./anna.wav", "-f")
    outcome = vqc(*command)
    assert outcome.exit_code == UsageError.exit_code
    assert "inputs are kept" in outcome.stderr
    assert anna.read_bytes() == before


def test_a_speaker_from_stdin_is_for_one_stream(vqc, zoo, voice_stream, anna, tmp_path):
    recording = anna.read_bytes()
    command = ("decompress", "voice.vqc", "-o", "one.wav", "--speaker", "-")
    assert vqc(*command, stdin=recording).exit_code == 0
    shutil.copy(voice_stream, tmp_path / "other.vqc")
    for inputs in (("voice.vqc", "other.vqc", "-o", "many/"), ("-", "-o", "x.wav")):
        outcome = vqc("decompress", *inputs, "--speaker", "-", stdin=recording)
        assert outcome.exit_code == UsageError.exit_code
        assert "stdin can be read for one stream only" in outcome.stderr


def test_a_speaker_is_a_sound_that_exists(vqc, zoo, photo, voice_stream):
    before = sorted(voice_stream.parent.iterdir())
    outcome = vqc("decompress", voice_stream, "--speaker", photo)
    assert outcome.exit_code == 2
    assert "is a picture" in outcome.stderr
    assert vqc("decompress", voice_stream, "--speaker", "nobody.wav").exit_code == 3
    assert sorted(voice_stream.parent.iterdir()) == before


def test_a_sound_that_breaks_while_it_is_written_leaves_no_file(
    vqc, zoo, voice_stream, monkeypatch
):
    def blocks(clip):
        yield clip.waveform[:, :100]
        raise CorruptStreamError("payload: no symbols encode to it")

    monkeypatch.setattr(AudioClip, "blocks", blocks)
    outcome = vqc("decompress", voice_stream)
    assert outcome.exit_code == 4
    assert "no symbols" in outcome.stderr
    assert list(voice_stream.parent.iterdir()) == [voice_stream]
    assert vqc("decompress", "-", stdin=voice_stream.read_bytes()).stdout == b""


def test_what_no_disk_has_room_for_is_refused_before_the_work(vqc, zoo, tmp_path):
    facts = AudioFacts(num_samples=1 << 36, sample_rate=16_000, num_channels=8, downmixed=True)
    header = Header(fingerprint=bytes.fromhex(zoo.speech.fingerprint), rate=0, facts=facts)
    stream = build_stream(Stream(header, (Section(Tag.SEGMENT, b""),)))
    zoo.speech.open = lambda *_, **__: SimpleNamespace(num_samples=1 << 36, num_channels=8)
    (tmp_path / "huge.vqc").write_bytes(stream)
    outcome = vqc("decompress", "huge.vqc")
    assert outcome.exit_code == 6
    assert "huge.decoded.wav: needs 1099511627776 bytes, but only" in outcome.stderr
    assert vqc("decompress", "-", stdin=stream).exit_code == 6


def test_what_a_format_cannot_hold_is_noted_and_strict_makes_it_an_error(vqc, zoo, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Picture(np.zeros((6, 8, 3), np.uint8), icc_profile=profile)
    zoo.image.open = lambda *_, **__: picture
    (tmp_path / "photo.vqc").write_bytes(zoo.image.compress(picture))
    outcome = vqc("decompress", "--json", "photo.vqc", "-o", "photo.bmp")
    assert outcome.exit_code == 0
    assert [note["code"] for note in outcome.json["files"][0]["notes"]] == ["colour-dropped"]
    assert "photo.vqc: BMP cannot hold its colour profile" in outcome.stderr
    assert vqc("decompress", "--strict", "photo.vqc", "-o", "photo.png").exit_code == 0
    outcome = vqc("decompress", "--strict", "photo.vqc", "-o", "strict.bmp")
    assert outcome.exit_code == 3
    assert "refused by --strict" in outcome.stderr
    assert not (tmp_path / "strict.bmp").exists()
    assert not list(tmp_path.glob(".vqcodec*"))


def test_a_cut_stream_hints_at_salvage_if_its_header_is_whole(vqc, voice_stream):
    stream = voice_stream.read_bytes()
    voice_stream.write_bytes(stream[:-1])
    outcome = vqc("decompress", voice_stream)
    assert outcome.exit_code == 4
    assert "bytes remain; try --salvage to restore the undamaged parts" in outcome.stderr
    voice_stream.write_bytes(stream[:8])
    outcome = vqc("decompress", voice_stream)
    assert outcome.exit_code == 4
    assert "--salvage" not in outcome.stderr


def test_strict_refuses_what_was_salvaged(vqc, zoo, voice_stream, tmp_path):
    whole = zoo.speech.decompress(voice_stream.read_bytes())
    note = Note(NoteCode.DAMAGED, "1 of 2 segments are damaged")
    zoo.speech.open = lambda *_, **__: replace(whole, notes=(note,))
    assert vqc("decompress", "--salvage", "--strict", voice_stream).exit_code == 3
    assert not list(tmp_path.glob("*.wav"))
    assert vqc("decompress", "--salvage", voice_stream).exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "nan"], "--start nan: not a number of seconds, 0 or more"),
        (["--duration", "0"], "--duration 0: not above 0 and up to 1000000000 s"),
    ],
)
def test_of_a_wrong_part_the_wrong_number_is_named(vqc, zoo, voice_stream, options, message):
    outcome = vqc("decompress", voice_stream, *options)
    assert (outcome.exit_code, outcome.stderr) == (2, f"vqcodec: {message}\n")


@pytest.mark.parametrize("output", ["out.png", "-"])
def test_a_result_that_cannot_be_written_is_named(vqc, zoo, monkeypatch, photo_stream, output):
    def fail(*_):
        raise OutputError("the picture cannot be written as PNG: No space left on device")

    monkeypatch.setattr("vqcodec.signals.files.write_signal", fail)
    outcome = vqc("decompress", photo_stream, "-o", output)
    name = "stdout" if output == "-" else output
    assert outcome.exit_code == 6
    assert f"{name}: the picture cannot be written as PNG: No space left" in outcome.stderr
