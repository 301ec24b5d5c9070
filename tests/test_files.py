"""Atomic writing: files appear complete or not at all, and kept files are never replaced."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from vqcodec import files
from vqcodec.errors import InputError, OutputError
from vqcodec.files import files_below, find_files, replacing, write_text, writing


@pytest.fixture(autouse=True)
def in_tmp_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_hard_links(monkeypatch):
    """A file system without hard links."""

    def link(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


def names():
    return [path.name for path in Path().iterdir()]


def mode_of(name):
    return stat.S_IMODE(Path(name).stat().st_mode)


def test_an_output_error_in_the_block_is_given_the_name_once(tmp_path):
    path = tmp_path / "a.png"
    for message in ("cannot be written as PNG", f"{path}: cannot be written as PNG"):
        with pytest.raises(OutputError) as caught, writing(path, overwrite=False):
            raise OutputError(message)
        assert str(caught.value) == f"{path}: cannot be written as PNG"
    assert not path.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_new_file_appears_when_it_is_complete(overwrite):
    with writing("a.vqc", overwrite=overwrite) as file:
        file.write(b"all of ")
        assert not Path("a.vqc").exists()
        file.write(b"it")
    assert Path("a.vqc").read_bytes() == b"all of it"
    assert names() == ["a.vqc"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_library_may_write_the_file_by_path(overwrite):
    with replacing("a.vqm", overwrite=overwrite) as temporary:
        assert temporary.suffix == ".vqm"
        temporary.unlink()  # some libraries rename their own temporary file
        temporary.write_bytes(b"model")
        temporary.chmod(0o600)
    assert Path("a.vqm").read_bytes() == b"model"
    assert mode_of("a.vqm") == 0o666 & ~_umask()
    assert names() == ["a.vqm"]


def _umask():
    before = os.umask(0)
    os.umask(before)
    return before


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_a_new_file_has_the_permissions_that_the_user_wants(umask):
    before = os.umask(umask)
    try:
        write_text("a.txt", "a", overwrite=False)
    finally:
        os.umask(before)
    assert mode_of("a.txt") == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o755, 0o444])
def test_a_replaced_file_keeps_its_permissions(mode):
    Path("a.txt").write_text("before")
    Path("a.txt").chmod(mode)
    with writing("a.txt", overwrite=True) as file:
        (temporary,) = (name for name in names() if name != "a.txt")
        assert mode_of(temporary) & ~mode & 0o077 == 0
        file.write(b"after")
    assert Path("a.txt").read_text() == "after"
    assert mode_of("a.txt") == mode


@pytest.mark.usefixtures("no_hard_links")
def test_a_new_file_needs_no_hard_links():
    write_text("a.txt", "new", overwrite=False)
    assert Path("a.txt").read_text() == "new"
    assert mode_of("a.txt") == 0o666 & ~_umask()
    assert names() == ["a.txt"]


def test_an_existing_file_is_kept_and_reported_before_the_work():
    Path("a.txt").write_text("before")
    with pytest.raises(OutputError, match=r"^a\.txt: exists"):
        write_text("a.txt", "after", overwrite=False)
    assert Path("a.txt").read_text() == "before"
    assert names() == ["a.txt"]


def put_a_file_there_while_writing():
    with writing("a.txt", overwrite=False) as file:
        file.write(b"ours")
        Path("a.txt").write_text("theirs")


def test_a_file_that_appears_meanwhile_is_kept():
    with pytest.raises(OutputError, match=r"^a\.txt: exists"):
        put_a_file_there_while_writing()
    assert Path("a.txt").read_text() == "theirs"
    assert names() == ["a.txt"]


@pytest.mark.usefixtures("no_hard_links")
def test_a_file_that_appears_meanwhile_is_kept_without_hard_links():
    with pytest.raises(OutputError, match=r"^a\.txt: exists"):
        put_a_file_there_while_writing()
    assert Path("a.txt").read_text() == "theirs"
    assert names() == ["a.txt"]


@pytest.mark.usefixtures("no_hard_links")
def test_a_claimed_name_is_removed_when_renaming_fails(monkeypatch):
    def fail(self, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match=r"^a\.txt: Input/output error"):
        write_text("a.txt", "new", overwrite=False)
    assert names() == []


def test_other_errors_of_a_link_are_reported(monkeypatch):
    def fail(source, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OutputError, match=r"^a\.txt: Input/output error"):
        write_text("a.txt", "new", overwrite=False)
    assert names() == []


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit, OutputError])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_leaves_nothing_of_the_new_file(failure, overwrite):
    if overwrite:
        Path("a.txt").write_text("before")
    before = names()
    with pytest.raises(failure), writing("a.txt", overwrite=overwrite) as file:
        file.write(b"part")
        raise failure
    assert names() == before
    assert all(Path(name).read_text() == "before" for name in before)


def test_a_full_disk_is_an_output_error_that_names_the_file():
    with (
        pytest.raises(OutputError, match=r"^a\.txt: No space left"),
        writing("a.txt", overwrite=False),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names() == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_file_is_flushed_before_it_is_renamed_and_the_folder_after(overwrite, monkeypatch):
    flushed = []

    def fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        flushed.append(("folder" if is_folder else "file", Path("a.txt").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text("a.txt", "new", overwrite=overwrite)
    assert flushed == [("file", False), ("folder", True)]


def test_a_folder_that_cannot_be_flushed_is_not_an_error(monkeypatch):
    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write_text("a.txt", "new", overwrite=False)
    assert Path("a.txt").read_text() == "new"


def test_files_are_written_without_o_directory(monkeypatch):
    monkeypatch.delattr(files.os, "O_DIRECTORY")
    write_text("a.txt", "new", overwrite=True)
    assert Path("a.txt").read_text() == "new"


def test_a_symbolic_link_stays_and_its_target_is_written():
    Path("folder").mkdir()
    Path("link.txt").symlink_to("folder/real.txt")
    write_text("link.txt", "new", overwrite=False)
    write_text("link.txt", "newer", overwrite=True)
    assert Path("link.txt").is_symlink()
    assert Path("folder/real.txt").read_text() == "newer"
    assert sorted(names()) == ["folder", "link.txt"]
    assert [path.name for path in Path("folder").iterdir()] == ["real.txt"]


@pytest.mark.parametrize("name", [".", "/dev/null", "missing/a.txt", "n" * 300])
def test_only_regular_files_are_replaced(name):
    with pytest.raises(OutputError, match=f"^{name}: "):
        write_text(name, "text", overwrite=True)
    assert names() == []


def test_files_are_found_at_any_depth_and_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x.wav", "a/Y.WAV", "a/b/z.flac", "a/note.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / ".trash").mkdir()
    for name in ("._x.wav", ".trash/x.wav"):  # hidden
        (tmp_path / name).write_bytes(b"")
    found = find_files([tmp_path, tmp_path / "a", tmp_path / "x.wav"], {".wav", ".flac"})
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/Y.WAV", "a/b/z.flac", "x.wav"]


def test_a_named_file_is_found_whatever_its_suffix(tmp_path):
    for name in ("x.wav", "x.dat"):
        (tmp_path / name).write_bytes(b"")
    found = find_files([tmp_path, tmp_path / "x.dat"], {".wav"})
    assert [path.name for path in found] == ["x.dat", "x.wav"]


def test_files_of_the_current_folder_have_plain_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.wav").write_bytes(b"")
    assert list(map(str, find_files([Path()], {".wav"}))) == ["x.wav"]
    assert list(files_below("./")) == ["x.wav"]


def test_nothing_to_find_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no file ending in \.flac, \.wav"):
        find_files([tmp_path], {".wav", ".flac"})
    with pytest.raises(InputError, match="no folder"):
        find_files([], {".wav"})
    with pytest.raises(InputError, match="No such file or directory"):
        find_files([tmp_path / "none"], {".wav"})


def test_of_many_suffixes_a_message_names_the_first(tmp_path):
    suffixes = [f".{letter}" for letter in "zyxwvutsrqponmlkj"]
    with pytest.raises(InputError, match=r"no file ending in \.z, \.y, .*, \.l, \.k, …$"):
        find_files([tmp_path], suffixes)
