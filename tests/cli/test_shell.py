"""What a shell can do to a command: pipes with names, closed streams, folders that are gone."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from vqcodec.cli import console
from vqcodec.cli.console import progress, progress_of_many

from vqcodec.bitstream.stream import parse_stream
from vqcodec.notes import printable, printable_lines


@pytest.fixture
def pipe(tmp_path):
    """Makes a named pipe into which somebody writes these bytes."""

    def make(data):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
        return path

    return make


def test_a_named_pipe_is_compressed(vqc, zoo, photo, pipe):
    assert vqc("compress", pipe(photo.read_bytes()), "-o", "out.vqc").exit_code == 0


def test_a_named_pipe_gives_its_result_a_name(vqc, zoo, photo, pipe):
    path = pipe(photo.read_bytes())
    assert vqc("compress", path).exit_code == 0
    assert parse_stream(path.with_suffix(".vqc").read_bytes()).header.facts.width == 8


@pytest.mark.parametrize("output", [["-o", "out.png"], []])
def test_a_named_pipe_is_decompressed(vqc, zoo, photo_stream, pipe, output):
    assert vqc("decompress", pipe(photo_stream.read_bytes()), *output).exit_code == 0


def run(command, folder):
    """Run a line of a shell in which $V is the command; return its code and stderr."""
    environment = {**os.environ, "V": f"{sys.executable} -m vqcodec"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=False
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("command", "exit_code", "message"),
    [
        ("$V compress - -o x.vqc <&-", 2, "stdin: is closed"),
        ("$V info photo.vqc >&-", 6, "stdout: is closed"),
        ("$V decompress photo.vqc -o - >&-", 6, "stdout: is closed"),
        ("$V info nothing.vqc 2>&-", 3, ""),
        ("$V info nothing.vqc <&- >&- 2>&-", 3, ""),
        ("mkdir gone; cd gone; rmdir ../gone; $V compress photo.png", 3, "current folder"),
    ],
)
def test_what_a_shell_closes_is_told_in_a_sentence(
    photo_stream, tmp_path, command, exit_code, message
):
    code, stderr = run(command, tmp_path)
    assert code == exit_code
    assert message in stderr
    assert "Traceback" not in stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_messages_that_nobody_can_read_stop_no_work(photo_stream, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        shutil.copy(photo_stream, tmp_path / "in" / f"{name}.png")  # which is no picture
    code, _ = run("$V compress in -o out --manifest m.jsonl 2>/dev/full", tmp_path)
    assert code == 3
    assert len((tmp_path / "m.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["compress", "LONG"], 3),
        (["compress", "LONG", "-o", "x.vqc", "--json"], 3),
        (["compress", "photo.png", "-o", "LONG"], 6),
        (["compress", "photo.png", "-o", "LONG/"], 6),
        (["decompress", "LONG"], 3),
        (["info", "LONG"], 3),
        (["verify", "LONG"], 3),
        (["eval", "LONG"], 3),
        (["sample", "--from", "LONG", "-o", "x.png"], 3),
        (["compress", "photo.png", "--model", "LONG.safetensors"], 5),
    ],
)
def test_a_name_that_is_too_long_is_told_in_a_sentence(vqc, zoo, photo, arguments, exit_code):
    result = vqc(*(argument.replace("LONG", "x" * 5000) for argument in arguments))
    assert result.exit_code == exit_code, result.stderr
    assert "Traceback" not in result.stderr
    assert "xxx" in result.stderr
    if "--json" in arguments:
        assert json.loads(result.stdout)["files"][0]["exit_code"] == exit_code


def test_names_do_not_move_the_cursor(vqc, zoo, photo):
    name = "a\x1b[31m\x9b\u202eb.png"
    photo.rename(photo.with_name(name))
    outcome = vqc("compress", name)
    assert outcome.exit_code == 0
    assert r"a\x1b[31m\x9b\u202eb.png -> " in outcome.stderr
    assert "\x1b" not in vqc("compress", name).stderr


def test_ordinary_text_is_printed_as_it_is():
    for text in ("Grüße, 日本語 🎵", ""):
        assert printable(text) == text
    lines = "two\nlines\tand a tab"
    assert printable_lines(lines) == lines


def test_a_line_break_in_a_name_makes_no_line_of_its_own(vqc, zoo, photo, photo_stream):
    name = "a\nvqcodec: forged.vqc"
    photo_stream.rename(photo_stream.with_name(name))
    outcome = vqc("verify", name)
    assert outcome.stdout == b"a\\nvqcodec: forged.vqc: ok\n"
    assert vqc("verify", "--json", name).json["files"][0]["input"] == name
    photo.rename(photo.with_name("b\nc.png"))
    for options in ([], []):  # the second one says that the result exists
        told = vqc("compress", *options, "b\nc.png").stderr.splitlines()
        assert all(r"b\nc.png" in line for line in told)


def test_a_log_gets_a_line_every_minute(monkeypatch, capsys):
    now = 1000.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with progress("long.wav", quiet=False) as report, progress_of_many(9, quiet=False) as show:
        for now in (1030.0, 1061.0, 1062.0, 1125.0):
            report((now - 1000) / 1000)
            show((now - 1000) / 100, "x.png")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "long.wav: 6%",
        "0 of 9 done: x.png",
        "long.wav: 12%",
        "1 of 9 done: x.png",
    ]


def test_many_segments_are_one_line(vqc, zoo, voice):
    import vqcodec
    from vqcodec.bitstream.sections import Section, Tag
    from vqcodec.bitstream.stream import Stream, build_stream

    assert vqcodec.__version__
    stream = parse_stream(zoo.speech.compress(vqcodec.read(voice)))
    segments = [Section(Tag.SEGMENT, bytes(size)) for size in (5, 3, 9)]
    voice.with_suffix(".vqc").write_bytes(build_stream(Stream(stream.header, tuple(segments))))
    outcome = vqc("info", voice.with_suffix(".vqc"))
    lines = outcome.stdout.decode().splitlines()
    assert lines[-1] == "  tag: segment, number: 3, size bytes: 17, of each: 3 … 9"
