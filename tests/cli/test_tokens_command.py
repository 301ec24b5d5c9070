"""`vqcodec tokens`: shards of whole folders, in order, and resumed."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import noise_clip, noise_picture, tiny_model_path

import vqcodec
from vqcodec.signals.files import write_signal
from vqcodec.tokens import read
from vqcodec.tokens.webdataset import write_tar

MODEL = ["--model", str(tiny_model_path("residual-speech"))]


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    (folder / "b").mkdir(parents=True)
    for number, name in enumerate(["a.wav", "b/a.wav", "c.flac"]):
        with (folder / name).open("wb") as file:
            write_signal(noise_clip(600 + number), file, "FLAC" if "flac" in name else "WAV")
    return folder


def test_a_folder_becomes_shards_in_the_order_of_names(vqc, sounds, tmp_path):
    outcome = vqc(
        *("tokens", str(sounds), "-o", str(tmp_path / "x.tar"), *MODEL, "--json"),
        *("--quality", "2.5", "--files-per-shard", "2", "--jobs", "2"),
    )
    assert outcome.exit_code == 0
    report = json.loads(outcome.stdout)
    assert [shard["num_files"] for shard in report["shards"]] == [2, 1]
    found = list(read(tmp_path))
    assert [tokens.file for tokens in found] == ["a.wav", "c.flac", "b/a.wav"]
    assert {tokens.quality for tokens in found} == {2.5}
    assert report["num_tokens"] == sum(tokens.indices.size for tokens in found)


def test_files_that_are_left_out_of_a_folder_are_named(vqc, sounds, tmp_path):
    (sounds / "words.txt").write_text("words")
    outcome = vqc("tokens", str(sounds), "-o", str(tmp_path / "x.tar"), *MODEL, "--json")
    assert outcome.stderr.endswith(", 1 other file left out: words.txt\n")
    assert outcome.json["other_files"] == [str(sounds / "words.txt")]


def test_a_resumed_command_writes_only_what_is_missing(vqc, sounds, tmp_path):
    command = ["tokens", str(sounds), "-o", str(tmp_path / "x.tar"), *MODEL]
    command += ["--files-per-shard", "1"]
    assert vqc(*command).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.glob("x-*.tar")}
    assert vqc(*command).exit_code == 6  # they exist
    (tmp_path / "x-00001.tar").unlink()
    outcome = vqc(*command, "--resume", "--json")
    report = json.loads(outcome.stdout)
    assert [shard["path"][-9:] for shard in report["shards"]] == ["00001.tar"]
    assert len(report["kept"]) == 2
    assert {path: path.read_bytes() for path in before} == before
    assert vqc(*command, "--resume", "--quality", "9").exit_code == 2  # another quality
    assert vqc(*command, "-f", "--quality", "9").exit_code == 0


def test_shards_of_an_earlier_command_are_not_left_among_new_ones(vqc, sounds, tmp_path):
    command = ["tokens", str(sounds), "-o", str(tmp_path / "x.tar"), *MODEL]
    assert vqc(*command, "--files-per-shard", "1").exit_code == 0
    outcome = vqc(*command, "--files-per-shard", "2", "-f")
    assert outcome.exit_code == 2
    assert "x-00002.tar: an earlier command made more shards" in outcome.stderr
    (tmp_path / "x-00002.tar").unlink()
    assert vqc(*command, "--files-per-shard", "2", "-f").exit_code == 0
    assert len(list(read(tmp_path))) == 3


@pytest.mark.parametrize("folder", ["", "./", "out/", "{tmp}/out/"])
def test_any_later_shard_of_an_earlier_command_is_found(vqc, sounds, tmp_path, folder):
    folder = folder.format(tmp=tmp_path)
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in ("x-00007.tar", "x-y-00008.tar", "x-00009.tar.gz", "y-00009.tar"):
        (tmp_path / folder / name).touch()
    command = ["tokens", str(sounds), "-o", f"{folder}x.tar", *MODEL]
    outcome = vqc(*command)
    assert outcome.exit_code == 2
    assert "x-00007.tar: an earlier command made more shards" in outcome.stderr
    (tmp_path / folder / "x-00007.tar").unlink()
    assert vqc(*command).exit_code == 0


def test_a_file_that_is_named_twice_has_one_entry(vqc, sounds, tmp_path):
    assert vqc("tokens", sounds, sounds / "a.wav", "-o", "x.tar", *MODEL).exit_code == 0
    assert len(list(read(tmp_path / "x-00000.tar"))) == 3


def test_a_shard_that_cannot_be_written_is_told_and_the_others_are_written(
    vqc, sounds, tmp_path, monkeypatch
):
    def write(path, entries, _write=write_tar):
        entries = list(entries)
        if entries[0][1].file == "c.flac":
            raise OSError(errno.ENOSPC, "No space left on device")
        _write(path, entries)

    monkeypatch.setattr("vqcodec.tokens.shards.write_tar", write)
    outcome = vqc("tokens", sounds, "-o", "x.tar", "--files-per-shard", "1", "--json", *MODEL)
    assert outcome.exit_code == 6
    report = json.loads(outcome.stdout)
    assert [shard["num_files"] for shard in report["shards"]] == [1, 0, 1]
    assert [failure["input"] for failure in report["failed"]] == ["x-00001.tar"]
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == ["x-00000.tar", "x-00002.tar"]


def test_a_bad_file_is_named_left_out_and_tried_again(vqc, sounds, tmp_path):
    good = (sounds / "a.wav").read_bytes()
    (sounds / "a.wav").write_bytes(b"RIFF nothing")
    command = ["tokens", str(sounds), "-o", str(tmp_path / "x.tar"), *MODEL]
    outcome = vqc(*command)
    assert outcome.exit_code == 3
    assert "a.wav" in outcome.stderr
    assert len(list(read(tmp_path))) == 2
    (sounds / "a.wav").write_bytes(good)
    assert vqc(*command, "--resume").exit_code == 0
    assert len(list(read(tmp_path))) == 3


def test_what_tokens_leave_out_is_noted(vqc, tmp_path):
    vqcodec.write(tmp_path / "two.wav", noise_clip(600, channels=2))
    outcome = vqc("tokens", "two.wav", "-o", "x.tar", *MODEL, "--json")
    assert outcome.exit_code == 0
    assert "two.wav: its 2 channels are mixed down to one" in outcome.stderr
    (note,) = json.loads(outcome.stdout)["notes"]
    assert (note["input"], note["code"]) == ("two.wav", "mixed-down")


def test_transparency_that_tokens_leave_out_is_noted(vqc, tmp_path):
    opacity = np.full((20, 30), 7, np.uint8)
    vqcodec.write(tmp_path / "a.png", replace(noise_picture(30, 20), alpha=opacity))
    model = str(tiny_model_path("image"))
    outcome = vqc("tokens", "a.png", "-o", "x.tar", "--model", model)
    assert outcome.exit_code == 0
    assert "a.png: its transparency is left out" in outcome.stderr


def test_a_bad_file_alone_is_named_once_and_makes_no_shard(vqc, sounds, tmp_path):
    path = sounds / "a.wav"
    path.write_bytes(b"RIFF nothing")
    outcome = vqc("tokens", str(path), "-o", str(tmp_path / "x.tar"), *MODEL)
    assert outcome.exit_code == 3
    error, summary = outcome.stderr.splitlines()
    assert error.startswith(f"vqcodec: {path}: ")
    assert error.count("a.wav") == 1
    assert summary == "0 files, 0 tokens, 0 of 1 shard, 1 file failed"


@pytest.mark.parametrize(
    "options", [["-o", "x.npz"], ["-o", "x.tar", "--resume", "-f"], ["-", "-o", "x.tar"]]
)
def test_wrong_usage_is_refused(vqc, sounds, options):
    assert vqc("tokens", str(sounds), *options, *MODEL).exit_code == 2


def test_the_usual_model_is_that_of_the_first_file_that_can_be_read(vqc, sounds, tmp_path):
    (sounds / "a.wav").write_bytes(b"RIFF")
    outcome = vqc("tokens", str(sounds), "-o", str(tmp_path / "x.tar"))
    assert outcome.exit_code == 3  # of the bad file
    assert f"{sounds / 'c.flac'}: too short or too quiet to tell" in outcome.stderr
    assert {tokens.model for tokens in read(tmp_path)} == {"audio"}


def test_without_any_file_that_can_be_read_there_is_no_model(vqc, sounds, tmp_path):
    for path in sounds.rglob("*.*"):
        path.write_bytes(b"RIFF")
    outcome = vqc("tokens", str(sounds), "-o", str(tmp_path / "x.tar"))
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith(f"vqcodec: {sounds / 'a.wav'}: ")
