"""Mistaken command lines are told what to write instead."""

import pytest


@pytest.mark.parametrize("name", ["photo.vqc", "photo.png"])
@pytest.mark.parametrize("options", [[], ["-f"], ["-o", "new.vqc"]])
def test_a_stream_is_not_compressed_and_stays(vqc, zoo, photo_stream, name, options):
    stream = photo_stream.rename(photo_stream.with_name(name))
    before = stream.read_bytes()
    outcome = vqc("compress", stream, *options)
    assert outcome.exit_code == 3
    hint = "is a stream already; 'vqcodec decompress' restores it"
    assert outcome.stderr == f"vqcodec: {stream}: {hint}\n"
    assert stream.read_bytes() == before
    assert len(list(stream.parent.iterdir())) == 1


def test_a_stream_on_stdin_is_not_compressed(vqc, zoo, photo_stream):
    outcome = vqc("compress", "-", stdin=photo_stream.read_bytes())
    assert (outcome.exit_code, outcome.stdout) == (3, b"")
    assert "stdin: is a stream already" in outcome.stderr


def test_a_file_that_is_only_called_a_stream_is_kept(vqc, zoo, photo):
    picture = photo.rename(photo.with_name("photo.vqc"))
    before = picture.read_bytes()
    outcome = vqc("compress", "-f", picture)
    assert outcome.exit_code == 2
    assert "inputs are kept" in outcome.stderr
    assert picture.read_bytes() == before


@pytest.mark.parametrize("command", ["decompress", "info", "verify"])
def test_a_sound_and_a_picture_are_no_streams(vqc, photo, voice, command):
    for path, kind in ((photo, "a picture"), (voice, "a sound")):
        outcome = vqc(command, path)
        assert outcome.exit_code == 4
        hint = f"is {kind}, not a stream; 'vqcodec compress' makes one"
        assert outcome.stderr == f"vqcodec: {path}: {hint}\n"


@pytest.mark.parametrize("content", [b"text", b"\xff\xfe text in UTF-16", b"VQ"])
def test_what_is_neither_is_not_a_stream(vqc, tmp_path, content):
    (tmp_path / "notes.txt").write_bytes(content)
    outcome = vqc("verify", "notes.txt")
    assert outcome.exit_code == 4
    assert "header: " in outcome.stderr


@pytest.mark.parametrize("command", ["compress", "decompress", "info", "verify"])
def test_an_empty_file_is_called_empty(vqc, zoo, tmp_path, command):
    (tmp_path / "nothing.png").write_bytes(b"")
    outcome = vqc(command, "nothing.png")
    assert outcome.exit_code == (3 if command == "compress" else 4)
    assert outcome.stderr == "vqcodec: nothing.png: is empty\n"


def test_a_name_that_begins_like_an_option_goes_after_two_dashes(vqc, zoo, photo, tmp_path):
    photo.rename(tmp_path / "-photo.png")
    outcome = vqc("compress", "-photo.png")
    assert outcome.exit_code == 2
    assert "goes after --, as in: -- -photo.png" in outcome.stderr
    assert vqc("compress", "--", "-photo.png").exit_code == 0
    assert (tmp_path / "-photo.vqc").exists()


def test_an_option_that_is_wrong_has_no_such_hint(vqc, zoo, photo):
    assert "goes after" not in vqc("compress", "--nonsense", photo).stderr
    assert "goes after" not in vqc("compress", "--quality", "0", "-q", photo).stderr


def test_a_missing_folder_is_named(vqc, zoo, photo, voice):
    outcome = vqc("compress", photo, "-o", "no such/photo.vqc")
    assert outcome.exit_code == 6
    assert "no such folder; make it with: mkdir -p 'no such'" in outcome.stderr
    outcome = vqc("compress", photo, voice, "-o", "new")
    assert outcome.exit_code == 2
    assert "-o new/ makes one" in outcome.stderr
    assert vqc("compress", photo, voice, "-o", "new/").exit_code == 0


@pytest.mark.parametrize("size", ["400", "400B", ".4kB", ".4KB", ".39KiB", "0.4 k"])
def test_a_size_can_be_written_with_its_unit(vqc, zoo, photo, size):
    assert vqc("compress", photo, "--size", size).exit_code == 0
    assert 300 < photo.with_suffix(".vqc").stat().st_size <= 400


def test_a_size_that_is_none_is_explained(vqc, zoo, photo):
    outcome = vqc("compress", photo, "--size", "2kb")
    assert outcome.exit_code == 2
    assert "--size 2kb: not a number of bytes above 0 like 20000, 20kB" in outcome.stderr


@pytest.mark.parametrize("options", [[], ["-f"]])
def test_a_stream_to_compress_that_is_not_there_is_called_missing(vqc, zoo, options):
    outcome = vqc("compress", "nix.vqc", *options)
    assert outcome.exit_code == 3
    assert outcome.stderr == "vqcodec: nix.vqc: No such file or directory\n"


def test_an_option_after_two_dashes_is_told_to_be_a_file_name(vqc, zoo, photo):
    outcome = vqc("compress", "--", photo.name, "-o", "dash.vqc")
    assert outcome.exit_code == 3
    assert (
        "-o: No such file or directory; all that follows -- is the name of a file" in outcome.stderr
    )
    assert "dash.vqc: No such file or directory\n" in outcome.stderr
