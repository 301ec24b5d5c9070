"""What goes to stdout, and what to stderr."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from vqcodec.cli import console

from vqcodec.errors import CorruptStreamError, OutputError


def test_json_has_no_number_that_is_not_finite(capsys):
    record = {"psnr_db": float("inf"), "path": Path("a/b"), "rows": [(1, float("nan"))], 3: True}
    console.write_json(record)
    written = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert written == {"psnr_db": None, "path": "a/b", "rows": [[1, None]], "3": True}


def test_a_table_has_numbers_to_the_right(capsys):
    console.write_table(["prior", "bits"], [["uniform", 9.0], ["x", 10.12345]])
    assert capsys.readouterr().out.splitlines() == [
        "prior      bits",
        "uniform   9.000",
        "x        10.123",
    ]


def test_notes_go_to_stderr_unless_they_are_not_wanted(capsys):
    console.note("shown")
    console.note("hidden", quiet=True)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "shown\n")


def test_there_is_no_progress_but_on_a_terminal(capsys, monkeypatch):
    with console.progress("photo.png", quiet=False) as report:
        report(0.5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with console.progress("photo.png", quiet=True) as report:
        report(0.5)
    assert capsys.readouterr().err == ""


def test_progress_on_a_terminal_names_the_file_as_it_is(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with console.progress("[bold].png", quiet=False) as report:
        report(0.5)
    captured = capsys.readouterr()
    assert "[bold].png" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(("source", "name"), [("a.vqc", "a.vqc"), ("-", "stdin")])
def test_an_error_is_given_the_name_of_its_input_once(source, name):
    with (
        pytest.raises(CorruptStreamError, match=f"^{name}: header: damaged$"),
        console.naming(source),
        console.naming(source),
    ):
        raise CorruptStreamError("header: damaged")


class Drop(io.RawIOBase):
    """Writes three bytes at a time, as an unbuffered stdout may."""

    def __init__(self):
        super().__init__()
        self.written = b""

    def writable(self):
        return True

    def write(self, data):
        part = bytes(data[:3])
        self.written += part
        return len(part)


def test_an_unbuffered_stdout_gets_everything(monkeypatch):
    drop = Drop()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(drop, "utf-8", write_through=True))
    console.write_stdout(b"0123456789")
    console.write_line("äöü, and more")
    assert drop.written.decode() == "0123456789äöü, and more\n"


def test_a_failure_to_write_is_an_output_error(monkeypatch):
    class Full(Drop):
        def write(self, data):  # noqa: ARG002
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(console, "abandon", lambda _: None)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Full(), "utf-8", write_through=True))
    with pytest.raises(OutputError, match="stdout: No space left"):
        console.write_line("result")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_stdout_ends_with_exit_code_6_and_one_message():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vqcodec.cli", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == OutputError.exit_code
    assert done.stderr == "vqcodec: stdout: No space left on device\n"
