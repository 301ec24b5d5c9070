"""Notes of `vqcodec compress`: what is left out of an input or changed."""

import io

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageCms
from vqcodec.cli.models import load_model

from vqcodec.bitstream.sections import Tag
from vqcodec.bitstream.stream import parse_stream
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.files import read_signal


def codes(outcome):
    (record,) = outcome.json["files"]
    return [note["code"] for note in record["notes"]]


def write_tone(path, *, frequency=440, rate=16_000, factors=(1.0,), subtype=None):
    time = np.arange(rate * 2) / rate
    tone = 0.3 * np.sin(2 * np.pi * frequency * time)
    soundfile.write(path, np.stack([factor * tone for factor in factors], 1), rate, subtype)
    return path


@pytest.fixture
def cut_sound(tmp_path):
    path = write_tone(tmp_path / "cut.wav")
    path.write_bytes(path.read_bytes()[:32_044])
    return path


@pytest.fixture
def photo_with_place(tmp_path):
    path = tmp_path / "place.jpg"
    exif = Image.Exif()
    exif[0x010F] = "camera"
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    return path


def test_a_sound_that_ends_early_is_noted_on_stderr_and_in_json(vqc, zoo, cut_sound):
    outcome = vqc("compress", "--json", cut_sound)
    assert outcome.exit_code == 0
    assert codes(outcome) == ["ends-early"]
    text = outcome.json["files"][0]["notes"][0]["text"]
    assert f"{cut_sound}: {text}\n" in outcome.stderr


def test_strict_turns_a_note_into_an_error_and_leaves_nothing(vqc, zoo, cut_sound):
    outcome = vqc("compress", "--strict", cut_sound)
    assert outcome.exit_code == 3
    assert "refused by --strict" in outcome.stderr
    assert not cut_sound.with_suffix(".vqc").exists()


def test_strict_passes_what_has_no_note(vqc, zoo, tmp_path):
    assert vqc("compress", "--strict", write_tone(tmp_path / "tone.wav")).exit_code == 0


def test_channels_that_cancel_are_noted_unless_they_are_kept_apart(vqc, zoo, tmp_path):
    path = write_tone(tmp_path / "anti.wav", factors=(1, -1))
    assert codes(vqc("compress", "--json", path)) == ["mixed-down", "cancels"]
    assert codes(vqc("compress", "--json", "-f", "--stereo", path)) == []


def test_energy_above_the_band_is_noted(vqc, zoo, tmp_path):
    path = write_tone(tmp_path / "high.wav", frequency=10_000, rate=48_000)
    assert codes(vqc("compress", "--json", path)) == ["above-band"]


def test_clipped_samples_are_noted(vqc, zoo, tmp_path):
    path = write_tone(tmp_path / "loud.wav", factors=(4,), subtype="FLOAT")
    assert codes(vqc("compress", "--json", path)) == ["clipped"]


def test_a_stream_larger_than_its_input_is_noted(vqc, zoo, photo):
    assert "larger than the input" in vqc("compress", photo).stderr


def test_a_stream_that_is_named_as_a_picture_is_noted(vqc, zoo, cut_sound):
    assert codes(vqc("compress", "--json", cut_sound, "-o", "x.png")) == ["ends-early", "misnamed"]


def test_salvage_reads_a_damaged_picture(vqc, zoo, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = tmp_path / "cut.png"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:8000])
    assert vqc("compress", path).exit_code == 3
    outcome = vqc("compress", "--json", "--salvage", path)
    assert outcome.exit_code == 0
    assert codes(outcome) == ["damaged"]


def test_a_frame_is_chosen(vqc, zoo, tmp_path):
    path = tmp_path / "two.tif"
    Image.new("L", (40, 30)).save(path, save_all=True, append_images=[Image.new("L", (50, 20))])
    assert codes(vqc("compress", "--json", path))[:1] == ["pages-left-out"]
    (record,) = vqc("compress", "--json", "-f", "--frame", "1", path).json["files"]
    assert (record["width"], record["height"]) == (50, 20)


def test_a_sound_has_no_frame(vqc, zoo, voice):
    outcome = vqc("compress", "--frame", "1", voice)
    assert outcome.exit_code == 3
    assert outcome.stderr == f"vqcodec: {voice}: is a sound, and has no frame 1\n"


@pytest.fixture
def with_large_profile(tmp_path):
    """A picture with a profile of 60 kB, most of it zeros."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = (60_000).to_bytes(4, "big") + profile[4:].ljust(59_996, b"\0")
    path = tmp_path / "profile.png"
    Image.new("RGB", (40, 30)).save(path, icc_profile=profile)
    return path


def test_a_profile_that_exceeds_a_target_is_named(vqc, zoo, with_large_profile):
    outcome = vqc("compress", "--size", "2000", with_large_profile)
    assert outcome.exit_code == 3
    assert "colour profile alone takes 60000 bytes" in outcome.stderr
    assert "--no-icc" in outcome.stderr


def test_no_icc_leaves_the_profile_out(vqc, zoo, with_large_profile):
    outcome = vqc("compress", "--json", "--no-icc", "--size", "2000", with_large_profile)
    assert outcome.exit_code == 0
    assert "profile-large" not in codes(outcome)


def test_metadata_is_dropped_by_default_and_said_in_json_alone(vqc, zoo, photo_with_place):
    outcome = vqc("compress", "--json", "--strict", "--quality", "1", photo_with_place)
    assert outcome.exit_code == 0
    assert codes(outcome) == ["metadata-dropped"]
    assert "EXIF" not in outcome.stderr


def test_kept_metadata_comes_back(tmp_path, photo_with_place, vqc):
    load_model.cache_clear()
    target = tmp_path / "back.jpg"
    options = ["--model", "image", "--quality", "1", "--keep-metadata"]
    assert vqc("compress", *options, photo_with_place).exit_code == 0
    stream = photo_with_place.with_suffix(".vqc")
    assert parse_stream(stream.read_bytes()).find(Tag.EXIF) is not None
    assert "tag: exif" in vqc("info", stream).stdout.decode()
    assert vqc("decompress", stream, "-o", target).exit_code == 0
    with Image.open(target) as image:
        assert image.getexif()[0x010F] == "camera"


def test_notes_reach_other_programs(cut_sound):
    import vqcodec

    notes = []
    vqcodec.compress(cut_sound, model="speech", quality=1, on_note=notes.append)
    assert [note.code for note in notes] == ["ends-early"]
    assert [note.code for note in read_signal(io.BytesIO(cut_sound.read_bytes())).notes] == [
        "ends-early"
    ]


@pytest.fixture
def damaged_stream(tmp_path, tiny_folder, monkeypatch):
    """A stream of three segments with damage in the middle."""
    import vqcodec

    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_folder))
    rate = 16_000
    time = np.arange(5 * rate) / rate
    samples = (0.3 * np.sin(2 * np.pi * 300 * time) * np.sin(3 * time)).astype(np.float32)
    stream = bytearray(vqcodec.compress(samples, model="speech", sample_rate=rate, quality=1))
    stream[len(stream) // 2] ^= 255
    path = tmp_path / "damaged.vqc"
    path.write_bytes(stream)
    return path


def test_salvage_restores_what_is_whole_of_a_stream(vqc, damaged_stream):
    load_model.cache_clear()
    target = damaged_stream.with_suffix(".wav")
    assert vqc("decompress", damaged_stream, "-o", target).exit_code == 4
    assert not target.exists()
    outcome = vqc("decompress", "--salvage", "--json", damaged_stream, "-o", target)
    assert outcome.exit_code == 0
    assert codes(outcome) == ["damaged"]
    assert "1 of 3 segments are damaged: silent at 2.0 … 4.0 s" in outcome.stderr
    samples, rate = soundfile.read(target)
    assert not samples[2 * rate + 500 : 4 * rate - 500].any()
    assert samples[rate // 2 : 3 * rate // 2].any()


def test_the_choice_of_a_model_is_noted_and_strict_passes_it(vqc, zoo, tmp_path):
    zoo.note = Note(NoteCode.MODEL_CHOSEN, "a voice (its pitch glides): model speech")
    path = write_tone(tmp_path / "tone.wav")
    outcome = vqc("compress", "--strict", "--json", path)
    assert outcome.exit_code == 0
    assert codes(outcome) == ["model-chosen"]
    assert f"{path}: a voice (its pitch glides): model speech\n" in outcome.stderr
    assert vqc("compress", "--quiet", "--force", path).stderr == ""


def test_strict_refuses_what_the_model_for_voices_makes_noise_of(vqc, zoo, tmp_path):
    zoo.note = Note(NoteCode.NOT_SPEECH, "this is not a voice")
    path = write_tone(tmp_path / "tone.wav")
    outcome = vqc("compress", "--strict", path)
    assert outcome.exit_code == 3
    assert "refused by --strict: this is not a voice" in outcome.stderr


def test_a_named_model_is_not_chosen(vqc, zoo, tmp_path):
    zoo.note = Note(NoteCode.NOT_SPEECH, "this is not a voice")
    outcome = vqc("compress", "--json", "--model", "speech", write_tone(tmp_path / "tone.wav"))
    assert codes(outcome) == []
