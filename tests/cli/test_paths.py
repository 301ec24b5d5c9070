"""Names, overwriting, and writing whole or not at all."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from vqcodec.cli.paths import (
    check_space,
    check_target,
    choose_format,
    open_source,
    open_target,
    read_source,
)

from vqcodec.errors import InputError, OutputError, UsageError


@pytest.fixture(autouse=True)
def in_tmp_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def names():
    """Return what is in the current folder."""
    return [path.name for path in Path().iterdir()]


@pytest.mark.parametrize("read", [read_source, open_source])
def test_a_missing_input_is_an_input_error_that_names_it(read):
    with pytest.raises(InputError, match=r"^nowhere.png: "):
        read("nowhere.png")


@pytest.mark.parametrize("read", [read_source, open_source])
def test_a_folder_is_not_an_input(read):
    with pytest.raises(InputError):
        read(".")


def test_stdin_can_be_read_with_seeks(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc")))
    with open_source("-") as file:
        file.seek(1)
        assert file.read() == b"bc"


def test_nothing_is_read_from_a_terminal(monkeypatch):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    with pytest.raises(UsageError, match="terminal"):
        read_source("-")


def test_an_existing_file_is_overwritten_by_force_only():
    Path("photo.vqc").touch()
    with pytest.raises(OutputError, match="exists; -f"):
        check_target("photo.vqc", force=False)
    check_target("photo.vqc", force=True)


@pytest.mark.parametrize("name", [".", "missing/photo.vqc", "new/", "n" * 300])
def test_an_impossible_target_is_reported_before_the_work(name):
    with pytest.raises(OutputError):
        check_target(name, force=True)


def test_a_file_appears_when_it_is_complete():
    with open_target("photo.vqc", force=False) as file:
        file.write(b"all of ")
        assert not Path("photo.vqc").exists()
        file.write(b"it")
    assert Path("photo.vqc").read_bytes() == b"all of it"
    assert names() == ["photo.vqc"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit, OutputError])
def test_a_failure_leaves_what_was_there(failure):
    Path("photo.vqc").write_bytes(b"before")
    with pytest.raises(failure), open_target("photo.vqc", force=True) as file:
        file.write(b"part")
        raise failure
    assert Path("photo.vqc").read_bytes() == b"before"
    assert names() == ["photo.vqc"]


def test_a_full_disk_is_an_output_error_that_names_the_file():
    with (
        pytest.raises(OutputError, match=r"^photo.vqc: No space left"),
        open_target("photo.vqc", force=False),
    ):
        raise OSError(28, "No space left on device")
    assert names() == []


def test_a_new_file_has_the_permissions_that_the_user_wants():
    before = os.umask(0o027)
    try:
        with open_target("photo.vqc", force=False) as file:
            file.write(b"")
    finally:
        os.umask(before)
    assert Path("photo.vqc").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_and_what_it_leads_to_is_replaced():
    Path("a").mkdir()
    Path("a/real.vqc").write_bytes(b"before")
    Path("link.vqc").symlink_to("a/real.vqc")
    with open_target("link.vqc", force=True) as file:
        file.write(b"after")
    assert Path("link.vqc").is_symlink()
    assert Path("a/real.vqc").read_bytes() == b"after"


def test_a_device_is_written_into_and_never_replaced():
    with open_target("/dev/null", force=False) as file:
        file.write(b"gone")
    assert Path("/dev/null").is_char_device()


def test_a_named_terminal_gets_no_bytes():
    leader, terminal = os.openpty()
    try:
        with (
            pytest.raises(UsageError, match="terminal"),
            open_target(os.ttyname(terminal), force=True) as file,
        ):
            file.write(b"\x1b")
    finally:
        os.close(terminal)
        os.close(leader)


def test_stdout_gets_everything_in_one_go(capfdbinary):
    with open_target("-", force=False) as file:
        file.write(b"0000")
        file.seek(0)
        file.write(b"12")
        assert capfdbinary.readouterr().out == b""
    assert capfdbinary.readouterr().out == b"1200"


def test_a_terminal_on_stdout_gets_no_bytes(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(UsageError, match="terminal"):
        check_target("-", force=True)


def test_a_file_that_appears_meanwhile_is_replaced_by_force_only():
    with pytest.raises(OutputError, match="exists"), open_target("a.vqc", force=False) as file:
        file.write(b"ours")
        Path("a.vqc").write_bytes(b"theirs")
    assert Path("a.vqc").read_bytes() == b"theirs"
    with open_target("a.vqc", force=True) as file:
        file.write(b"ours")
    assert Path("a.vqc").read_bytes() == b"ours"


def test_a_file_that_is_overwritten_keeps_its_permissions():
    Path("a.vqc").touch(mode=0o600)
    with open_target("a.vqc", force=True) as file:
        file.write(b"secret")
    assert Path("a.vqc").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("modality", "named", "file_format", "expected"),
    [
        ("image", None, None, (".png", "PNG")),
        ("audio", None, None, (".wav", "WAV")),
        ("image", "a/b.JPG", None, (".jpg", "JPEG")),
        ("audio", "-", "flac", (".flac", "FLAC")),
        ("audio", "b.png", ".FLAC", (".flac", "FLAC")),
    ],
)
def test_a_suffix_picks_the_format_unless_it_is_named(modality, named, file_format, expected):
    assert choose_format(modality, named, file_format) == expected


@pytest.mark.parametrize(
    ("modality", "named", "file_format"),
    [("image", "a.wav", None), ("audio", "a", None), ("audio", None, "png"), ("image", None, "")],
)
def test_a_format_of_the_other_kind_is_a_usage_error(modality, named, file_format):
    with pytest.raises(UsageError, match="is written as"):
        choose_format(modality, named, file_format)


def test_a_disk_has_room_or_it_is_an_output_error():
    check_space("/dev/null", 1000)  # the temporary folder counts
    for name in ("a.wav", "-"):
        check_space(name, 1000)
        with pytest.raises(OutputError, match=f"^{name}: needs {1 << 60} bytes, but only"):
            check_space(name, 1 << 60)


def test_much_goes_through_stdout_in_order(capfdbinary):
    data = np.random.default_rng(0).bytes(3_000_000)
    with open_target("-", force=False) as file:
        file.write(data)
    assert capfdbinary.readouterr().out == data


def test_of_a_link_into_a_missing_folder_that_folder_is_named(vqc, zoo, photo):
    Path("dangling.vqc").symlink_to("nowhere/x.vqc")
    outcome = vqc("compress", photo, "-f", "-o", "dangling.vqc")
    assert outcome.exit_code == 6
    assert outcome.stderr.endswith("dangling.vqc: no such folder; make it with: mkdir -p nowhere\n")


def test_a_large_file_of_another_kind_is_not_read_as_a_whole(tmp_path, monkeypatch):
    huge = tmp_path / "huge.vqc"
    with huge.open("wb") as file:
        file.truncate(200 << 20)  # takes no space
    assert len(read_source(str(huge), b"VQC")) == 3 + (64 << 20)
    with huge.open("rb") as file, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", io.TextIOWrapper(file))
        assert len(read_source("-", b"VQC")) == 3 + (64 << 20)
    (tmp_path / "a.vqc").write_bytes(b"VQC and the rest")
    assert read_source(str(tmp_path / "a.vqc"), b"VQC") == b"VQC and the rest"
