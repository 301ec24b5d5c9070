"""The files of a training: in folders, in lists and in tar archives."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from vqcodec.errors import InputError, UsageError
from vqcodec.training.sources import find_names, open_name

SUFFIXES = {".png", ".jpg"}


def write_archive(path, members, kind="w"):
    with tarfile.open(path, kind) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path):
    """Two files, and an archive in a folder in it."""
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.txt").write_bytes(b"b")
    (tmp_path / "shards").mkdir()
    members = {"./0.jpg": b"zero", "0.json": b"{}", "sub/1.JPG": b"one" * 1000, "2.png": b""}
    write_archive(tmp_path / "shards" / "s-000.tar", members)
    return tmp_path


def content(name):
    with open_name(name) as file:
        return file.read()


def test_folders_are_searched_to_any_depth_and_archives_in_them(folder):
    shard = f"{folder}/shards/s-000.tar"
    found = find_names([folder], SUFFIXES)
    assert found == [f"{folder}/a.png", f"{shard}/0.jpg", f"{shard}/2.png", f"{shard}/sub/1.JPG"]
    assert list(map(content, found)) == [b"a", b"zero", b"", b"one" * 1000]


def test_a_list_names_files_folders_and_archives(folder):
    names = [folder / "a.png", folder / "shards" / "s-000.tar"]
    (folder / "list").write_bytes(b"\n".join(str(name).encode() for name in names) + b"\n\n")
    assert find_names([f"@{folder}/list"], SUFFIXES) == find_names(names, SUFFIXES)
    assert len(find_names([f"@{folder}/list", folder], SUFFIXES)) == 4  # each once


def test_members_can_be_read_in_any_order_and_from_any_place(folder):
    with open_name(f"{folder}/shards/s-000.tar/sub/1.JPG") as file:
        file.seek(2999)
        assert file.read() == b"e"
        file.seek(0)
        assert file.read(3) == b"one"


def test_a_folder_may_be_named_like_an_archive(tmp_path):
    (tmp_path / "x.tar").mkdir()
    (tmp_path / "x.tar" / "a.png").write_bytes(b"a")
    assert [content(name) for name in find_names([tmp_path], SUFFIXES)] == [b"a"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none", "none: No such file or directory"),
        ("@none", "none: No such file"),
        ("@zeros", "zeros: not a list of files"),
        ("empty", "empty: no file ending in .jpg, .png"),
        ("b.txt", "b.txt: unsupported suffix, needed one of .jpg, .png"),
        ("x.tar.gz", r"x\.tar\.gz: unpack it to \.tar first"),
        ("text.tar", r"text\.tar: cannot be read as a tar archive"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("zeros").write_bytes(bytes(10))
    Path("b.txt").write_text("no picture")
    write_archive("x.tar.gz", {"a.png": b"a"}, "w:gz")
    Path("text.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(InputError, match=message):
        find_names([source], SUFFIXES)


def test_every_cut_of_an_archive_is_reported_or_leaves_all_files(tmp_path):
    path = write_archive(tmp_path / "a.tar", {f"{n}.png": b"x" * 600 for n in range(3)})
    whole = path.read_bytes()
    for length in range(0, len(whole), 256):
        path.write_bytes(whole[:length])
        try:
            found = find_names([path], SUFFIXES)
        except InputError:
            continue
        assert len(found) == 3, length


def test_a_damaged_header_within_an_archive_is_reported(tmp_path):
    path = write_archive(tmp_path / "a.tar", {f"{n}.png": b"x" * 600 for n in range(3)})
    damaged = bytearray(path.read_bytes())
    damaged[1536 + 100] ^= 1  # in the second header
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged: byte 1536 is neither a member nor the end"):
        find_names([path], SUFFIXES)


def test_a_member_that_is_gone_is_reported(folder):
    with pytest.raises(InputError, match=r"has no member 9\.png"):
        content(f"{folder}/shards/s-000.tar/9.png")
    with pytest.raises(InputError, match="No such file"):
        content(f"{folder}/none.png")


@pytest.fixture
def store(folder):
    """The same files in a store."""
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    files.put(f"{folder}/", "/corpus", recursive=True)
    yield "memory://corpus"
    files.rm("/corpus", recursive=True)


def test_files_and_archives_at_urls_are_read(folder, store):
    local = find_names([folder], SUFFIXES)
    found = find_names([f"{store}/"], SUFFIXES)
    assert [name.removeprefix(store) for name in found] == [
        name.removeprefix(str(folder)) for name in local
    ]
    assert list(map(content, found)) == list(map(content, local))
    shard = f"{store}/shards/s-000.tar"
    assert find_names([shard], SUFFIXES) == [name for name in found if name.startswith(shard)]
    (folder / "list").write_text("\n".join(found))
    assert find_names([f"@{folder}/list"], SUFFIXES) == found
    import fsspec

    fsspec.filesystem("memory").pipe("/corpus/list", "\n".join(found).encode())
    assert find_names([f"@{store}/list"], SUFFIXES) == found


def test_a_damaged_archive_at_a_url_is_named(folder, store):
    import fsspec

    fsspec.filesystem("memory").pipe("/corpus/cut.tar", b"no archive" * 100)
    with pytest.raises(InputError, match=r"memory://corpus/cut\.tar: "):
        find_names([f"{store}/cut.tar"], SUFFIXES)
    with pytest.raises(InputError, match=r"memory://corpus/none\.png: "):
        content(f"{store}/none.png")


def test_unknown_urls_are_refused():
    with pytest.raises(UsageError, match="unknown kind of URL"):
        find_names(["gopher://x/"], SUFFIXES)


def test_hidden_files_are_left_out(folder):
    before = find_names([folder], SUFFIXES)
    (folder / "._a.png").write_bytes(b"of a Mac")
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "a.png").write_bytes(b"small")
    members = {"._0.jpg": b"of a Mac", ".hidden/1.jpg": b""}
    write_archive(folder / "shards" / "s-001.tar", {**members, "new.jpg": b"new"})
    assert find_names([folder], SUFFIXES) == [*before, f"{folder}/shards/s-001.tar/new.jpg"]
    assert len(find_names([folder / "._a.png"], SUFFIXES)) == 1  # if it is named


def test_a_named_file_of_another_kind_is_told(folder, capsys):
    find_names([folder], SUFFIXES)
    assert capsys.readouterr().err == ""
    found = find_names([folder / "a.png", folder / "b.txt"], SUFFIXES)
    assert found == [f"{folder}/a.png"]
    assert capsys.readouterr().err == f"vqcodec: left out, as of another kind: {folder}/b.txt\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_and_one_in_a_folder_is_left_out(folder):
    pipe = folder / "pipe.wav"
    os.mkfifo(pipe)
    for sources in ([pipe], [folder, pipe]):
        with pytest.raises(InputError, match=r"pipe.wav: not a regular file"):
            find_names(sources, {".wav"})
    assert str(pipe) not in find_names([folder], {".wav", ".png"})
