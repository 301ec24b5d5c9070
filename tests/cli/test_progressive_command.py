"""Progressive pictures as they are made, cut and restored, with a model that is real, if tiny."""

import pytest
from tiny import noise_clip, noise_picture
from vqcodec.cli.models import load_model

from vqcodec.signals.picture_files import read_picture, write_picture
from vqcodec.signals.sound_files import write_clip

NUM_LEVELS = 3


@pytest.fixture
def photo(tmp_path, tiny_folder, monkeypatch):
    """A picture for which the tiny models are installed."""
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_folder))
    load_model.cache_clear()
    path = tmp_path / "photo.png"
    with path.open("wb") as file:
        write_picture(noise_picture(40, 24), file, "PNG")
    return path


@pytest.fixture
def stream(vqc, photo, tmp_path):
    """The path of its progressive stream."""
    outcome = vqc("compress", "-q", "--model", "image", "--progressive", photo)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    return tmp_path / "photo.vqc"


def test_info_tells_where_to_cut(vqc, stream):
    levels = vqc("info", "--json", stream).json["levels"]
    assert [level["level"] for level in levels] == [1, 2, 3]
    assert levels[-1]["end_bytes"] == stream.stat().st_size
    lines = vqc("info", stream).stdout.decode().splitlines()
    assert "progressive: True" in lines
    first = levels[0]
    assert (
        f"  level: 1, size bytes: {first['size_bytes']}, end bytes: {first['end_bytes']}" in lines
    )


def test_a_cut_at_each_level_restores_a_picture(vqc, stream, tmp_path):
    data, pictures = stream.read_bytes(), []
    for level in vqc("info", "--json", stream).json["levels"]:
        number = level["level"]
        (tmp_path / "cut.vqc").write_bytes(data[: level["end_bytes"]])
        for name in ("cut.vqc", "photo.vqc"):
            target = f"{name}.{number}.png"
            outcome = vqc("decompress", name, "--level", number, "-o", target)
            assert outcome.exit_code == 0
            with (tmp_path / target).open("rb") as file:
                pictures.append(read_picture(file).pixels.tobytes())
    assert pictures[0::2] == pictures[1::2]
    assert len(set(pictures)) == NUM_LEVELS
    assert vqc("decompress", "photo.vqc", "-o", "whole.png").exit_code == 0
    with (tmp_path / "whole.png").open("rb") as file:
        assert read_picture(file).pixels.tobytes() == pictures[-1]


@pytest.mark.parametrize("command", ["decompress", "verify", "info"])
@pytest.mark.parametrize("spare", [0, 3])
def test_a_cut_is_reported_with_what_is_whole(vqc, stream, tmp_path, command, spare):
    levels = vqc("info", "--json", stream).json["levels"]
    stream.write_bytes(stream.read_bytes()[: levels[1]["end_bytes"] + spare])
    before = sorted(tmp_path.iterdir())
    outcome = vqc(command, stream)
    assert (outcome.exit_code, outcome.stdout) == (4, b"")
    assert outcome.stderr.startswith(f"vqcodec: {stream}: section: ")
    assert "levels 1 to 2 are whole, and 'decompress --level 2' restores them" in outcome.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert vqc("decompress", "--level", "3", stream).exit_code == 4


@pytest.mark.parametrize(
    ("level", "message"),
    [("0", "--level"), ("4", "level 4: the stream has only 3 levels"), ("some", "--level")],
)
def test_impossible_levels_are_refused(vqc, stream, tmp_path, level, message):
    outcome = vqc("decompress", stream, "--level", level)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert not (tmp_path / "photo.decoded.png").exists()


@pytest.mark.parametrize("goal", [["--psnr", "5"], ["--size", "5k"], ["--bpp", "30"]])
def test_every_goal_can_be_progressive(vqc, photo, tmp_path, goal):
    assert vqc("compress", "--model", "image", "--progressive", photo, *goal).exit_code == 0
    assert vqc("info", "--json", "photo.vqc").json["progressive"] is True


def test_a_picture_is_not_progressive_unless_it_is_to_be(vqc, photo):
    assert vqc("compress", "--model", "image", photo).exit_code == 0
    record = vqc("info", "--json", "photo.vqc").json
    assert record["progressive"] is False
    assert vqc("decompress", "photo.vqc", "--level", "1").exit_code == 0


def test_a_sound_is_not_progressive(vqc, photo, tmp_path):
    with (tmp_path / "voice.wav").open("wb") as file:
        write_clip(noise_clip(500), file, "WAV")
    outcome = vqc("compress", "--model", "speech", "--progressive", "voice.wav")
    assert outcome.exit_code == 2
    assert outcome.stderr == "vqcodec: voice.wav: --progressive is for pictures\n"
    assert not (tmp_path / "voice.vqc").exists()
    assert vqc("compress", "--model", "speech", "voice.wav").exit_code == 0
    assert vqc("decompress", "--level", "2", "voice.vqc").exit_code == 2
