"""Folders, processes, what exists already, and the summary of many inputs."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import typer
from tiny import noise_clip, noise_picture
from vqcodec.cli.batch import Batch
from vqcodec.cli.models import load_model
from vqcodec.cli.outputs import Found, Outputs, Source
from working import work_until_killed

import vqcodec
from vqcodec.errors import InputError, VqcodecError
from vqcodec.signals.extra_formats import sound_hint


@pytest.fixture
def tree(tmp_path):
    """A folder with two pictures, a sound, and what is neither."""
    folder = tmp_path / "in"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    vqcodec.write(folder / "a.png", noise_picture(24, 16))
    vqcodec.write(folder / "sub" / "B.JPG", noise_picture(16, 16))
    vqcodec.write(folder / "sub" / "deep" / "c.wav", noise_clip(2000))
    vqcodec.write(folder / ".hidden" / "d.png", noise_picture(8, 8))
    vqcodec.write(folder / ".e.png", noise_picture(8, 8))
    (folder / "notes.txt").write_text("neither")
    (folder / "sub" / "old.vqc").write_bytes(b"VQC")
    return folder


NUM_PICTURES = 60  # more than are done before a batch can be stopped
STREAMS = ["a.vqc", "sub/B.vqc", "sub/deep/c.vqc"]


def files(folder):
    """The files in a folder, hidden ones included."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [str(path.relative_to(folder)) for path in paths]


def streams_in(folder):
    """The streams in a folder, without temporary files, which are hidden."""
    return [path for path in folder.glob("*.vqc") if not path.name.startswith(".")]


def test_a_folder_is_mirrored(vqc, zoo, tree, tmp_path):
    before = files(tree)
    outcome = vqc("compress", "in", "-o", "out/new")
    assert outcome.exit_code == 0
    assert files(tmp_path / "out" / "new") == STREAMS
    assert files(tree) == before
    lines = outcome.stderr.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("in/sub/B.JPG -> out/new/sub/B.vqc: ")
    total = sum((tmp_path / "out" / "new" / name).stat().st_size for name in STREAMS)
    assert (
        lines[-1]
        == f"3 compressed, {total} bytes in all, 2 other files left out: notes.txt, old.vqc"
    )


def test_a_mirrored_folder_comes_back(vqc, zoo, tree, tmp_path):
    assert vqc("compress", "in", "-o", "out").exit_code == 0
    outcome = vqc("decompress", "out/", "-o", "back")
    assert outcome.exit_code == 0
    names = ["a.decoded.png", "sub/B.decoded.png", "sub/deep/c.decoded.wav"]
    assert files(tmp_path / "back") == names
    assert outcome.stderr.splitlines()[-1] == "3 decompressed"


def test_without_an_output_results_lie_beside_their_inputs(vqc, zoo, tree):
    (tree / "sub" / "old.vqc").unlink()
    assert vqc("compress", tree).exit_code == 0
    assert set(STREAMS) < set(files(tree))
    assert vqc("decompress", tree, "-q").stderr == ""
    assert "sub/deep/c.decoded.wav" in files(tree)


def test_the_folder_of_results_is_not_searched(vqc, zoo, tree, tmp_path):
    assert vqc("compress", "in", "-o", "in/out").exit_code == 0
    (tree / "sub" / "old.vqc").unlink()
    assert vqc("decompress", "in", "-o", "in/back").exit_code == 0
    outcome = vqc("compress", "in", "-o", "in/back", "--json", "-f")
    inputs = [record["input"] for record in outcome.json["files"]]
    assert inputs == ["in/a.png", "in/sub/B.JPG", "in/sub/deep/c.wav"]


def test_files_and_folders_can_be_mixed(vqc, zoo, tree, photo, tmp_path):
    assert vqc("compress", "in", photo, "-o", "out").exit_code == 0
    assert files(tmp_path / "out") == sorted([*STREAMS, "photo.vqc"])


def test_json_has_a_record_for_each_file_and_the_counts(vqc, zoo, tree):
    (tree / "broken.png").write_bytes(b"broken")
    outcome = vqc("compress", "in", "-o", "out", "--json", "-q")
    assert outcome.exit_code == InputError.exit_code
    records = outcome.json["files"]
    names = ["in/a.png", "in/broken.png", "in/sub/B.JPG", "in/sub/deep/c.wav"]
    assert [record["input"] for record in records] == names
    assert [record["ok"] for record in records] == [True, False, True, True]
    assert records[3]["output"] == "out/sub/deep/c.vqc"
    counts = {key: value for key, value in outcome.json.items() if key != "files"}
    assert counts == {"num_done": 3, "num_existing": 0, "num_failed": 1, "num_other_files": 2} | {
        "other_files": ["in/notes.txt", "in/sub/old.vqc"]
    }


def test_a_failing_file_is_counted(vqc, zoo, tree):
    (tree / "broken.png").write_bytes(b"broken")
    outcome = vqc("compress", "in", "-o", "out")
    assert outcome.exit_code == InputError.exit_code
    assert "vqcodec: in/broken.png: " in outcome.stderr
    assert ", 1 failed, 2 other files left out" in outcome.stderr.splitlines()[-1]


def test_of_many_files_that_are_left_out_the_first_are_named(vqc, zoo, tree):
    for name in ("album.m3u", "clip.mp4"):
        (tree / name).write_bytes(b"")
    others = "4 other files left out: album.m3u, clip.mp4, notes.txt and 1 more\n"
    assert vqc("compress", "in", "-o", "out").stderr.endswith(others)


def test_a_file_that_needs_a_missing_package_fails_by_name(vqc, zoo, tree, monkeypatch):
    monkeypatch.setattr("vqcodec.signals.extra_formats.is_installed", lambda: False)
    (tree / "song.M4A").write_bytes(b"\0\0\0\x1cftypM4A \0\0\0\0M4A mp42isom" + bytes(100))
    outcome = vqc("compress", "in", "-o", "out")
    assert outcome.exit_code == InputError.exit_code
    assert f"vqcodec: in/song.M4A: {sound_hint()}\n" in outcome.stderr
    assert "3 compressed, " in outcome.stderr
    assert ", 1 failed, 2 other files left out" in outcome.stderr.splitlines()[-1]


def test_existing_results_are_left_and_counted(vqc, zoo, tree, tmp_path):
    for command, target in ((["compress", "in"], "out"), (["decompress", "out"], "back")):
        assert vqc(*command, "-o", target).exit_code == 0
        first, *others = files(tmp_path / target)
        (tmp_path / target / first).unlink()
        (tmp_path / target / others[0]).write_bytes(b"mine")
        outcome = vqc(*command, "-o", target, "--skip-existing", "--json")
        assert outcome.exit_code == 0
        assert f"1 {command[0]}ed" in outcome.stderr
        assert "2 existed already" in outcome.stderr
        existing = [record.get("existing", False) for record in outcome.json["files"]]
        assert existing == [False, True, True]
        assert outcome.json["num_existing"] == 2
        assert (tmp_path / target / others[0]).read_bytes() == b"mine"
        (tmp_path / target / others[0]).unlink()
        assert vqc(*command, "-o", target, "--skip-existing").exit_code == 0


def test_what_exists_is_a_failure_for_each_file_without_that(vqc, zoo, tree):
    assert vqc("compress", "in", "-o", "out").exit_code == 0
    outcome = vqc("compress", "in", "-o", "out")
    assert outcome.exit_code == 6
    assert outcome.stderr.count("exists; -f overwrites it") == 3


def test_links_in_a_folder_are_told(vqc, zoo, tree, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tree / "linked").symlink_to(tmp_path / "elsewhere")
    before = vqc("compress", "in", "-o", "out", "--json").json
    (tree / "gone.png").symlink_to("nowhere.png")
    outcome = vqc("compress", "in", "-o", "out", "-f", "--json")
    assert outcome.exit_code == 3
    assert "in/gone.png: No such file or directory" in outcome.stderr
    assert len(outcome.json["files"]) == len(before["files"]) + 1
    (tree / "linked").unlink()
    (tree / "gone.png").unlink()
    after = vqc("compress", "in", "-o", "out", "-f", "--json").json
    assert before["num_other_files"] == after["num_other_files"] + 1


def test_two_inputs_that_would_become_one_are_reported_before_any_work(vqc, zoo, tree, tmp_path):
    vqcodec.write(tree / "a.jpg", noise_picture(8, 8))
    outcome = vqc("compress", "in", "-o", "out")
    assert outcome.exit_code == 2
    assert "in/a.jpg and in/a.png: both would become out/a.vqc" in outcome.stderr
    assert not (tmp_path / "out").exists()
    assert zoo.image.calls == []


def test_streams_of_two_kinds_may_share_a_name(vqc, zoo, photo_stream, voice_stream, tmp_path):
    for folder, stream in (("one", photo_stream), ("two", voice_stream)):
        (tmp_path / folder).mkdir()
        stream.rename(tmp_path / folder / "same.vqc")
    assert vqc("decompress", "one", "two", "-o", "out").exit_code == 0
    assert files(tmp_path / "out") == ["same.decoded.png", "same.decoded.wav"]
    (tmp_path / "two" / "same.vqc").write_bytes((tmp_path / "one" / "same.vqc").read_bytes())
    outcome = vqc("decompress", "one", "two", "-o", "out", "-f")
    assert outcome.exit_code == 2
    assert "both would become out/same.decoded.png" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["compress", "in", "-o", "-"], 2),
        (["compress", "in", "-o", "in/notes.txt"], 2),
        (["compress", "in", "--skip-existing", "-f"], 2),
        (["compress", "in", "--jobs", "0"], 2),
        (["compress", "in/.hidden/empty"], 3),
        (["decompress", "in/sub/deep"], 3),
    ],
)
def test_wrong_usage_of_folders(vqc, zoo, tree, arguments, exit_code):
    (tree / ".hidden" / "empty").mkdir()
    before = files(tree)
    assert vqc(*arguments).exit_code == exit_code
    assert files(tree) == before


def test_a_terminal_is_shown_how_many_are_done(vqc, zoo, tree, monkeypatch):
    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    assert vqc("compress", "in", "-o", "out").exit_code == 0
    assert "/3" in shown.getvalue()
    assert "3 compressed" in shown.getvalue()


@pytest.fixture
def installed(monkeypatch, tiny_folder):
    """The tiny models are installed, also for other processes."""
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_folder))
    load_model.cache_clear()


def test_processes_do_the_same_as_one(vqc, installed, tree, tmp_path):
    (tree / "broken.png").write_bytes(b"broken")
    records = {}
    for jobs in (1, 2):
        outcome = vqc("compress", "in", "-o", f"out{jobs}", "--jobs", jobs, "--json")
        assert outcome.exit_code == InputError.exit_code
        assert outcome.stderr.count("vqcodec: in/broken.png: ") == 1
        assert "3 compressed" in outcome.stderr.splitlines()[-1]
        records[jobs] = json.loads(outcome.stdout.replace(b"out%d/" % jobs, b"out/"))
    assert records[1] == records[2]
    for name in STREAMS:
        streams = {(tmp_path / f"out{jobs}" / name).read_bytes() for jobs in (1, 2)}
        assert len(streams) == 1
    assert vqc("decompress", "out2", "-o", "back", "--jobs", "3", "-q").stderr == ""
    assert len(files(tmp_path / "back")) == 3


def test_a_process_that_is_killed_is_reported_and_waits_for_nobody(capsys):
    found = Found((Source("a.png"), Source("killed.png"), Source("c.png")))
    batch = Batch(
        found=found,
        outputs=Outputs(None, found.sources, force=False),
        suffix_of=lambda _: ".vqc",
        work=work_until_killed,
        verb="compressed",
        jobs=2,
        quiet=False,
        as_json=True,
    )
    with pytest.raises(typer.Exit) as stop:
        batch.run()
    assert stop.value.exit_code == VqcodecError.exit_code
    written = capsys.readouterr()
    assert "SIGKILL; fewer jobs" in written.err
    assert "inputs that are not done: " in written.err
    records = json.loads(written.out)["files"]
    assert [record["input"] for record in records] == ["a.png", "killed.png", "c.png"]
    assert not records[1]["ok"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_batch_that_is_stopped_leaves_whole_files_and_can_go_on(vqc, installed, tmp_path, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests were started so that they ignore it, as by nohup")
    (tmp_path / "in").mkdir()
    vqcodec.write("0.png", noise_picture(400, 300))
    for index in range(NUM_PICTURES):
        shutil.copy("0.png", tmp_path / "in" / f"{index}.png")
    command = ["compress", "in", "-o", "out", "--jobs", "2"]
    running = subprocess.Popen(
        [sys.executable, "-m", "vqcodec", *command],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline_s = time.monotonic() + 60
    while not streams_in(tmp_path / "out") and time.monotonic() < deadline_s:
        time.sleep(0.02)
    os.kill(running.pid, number)
    _, stderr = running.communicate(timeout=30)  # at once: no process keeps its stderr open
    assert "Traceback" not in stderr, stderr
    if number != signal.SIGKILL:
        assert running.returncode == 128 + number
        assert re.search(rf"stopped: \d+ of {NUM_PICTURES} inputs are done; --skip-ex", stderr)
    done = streams_in(tmp_path / "out")
    assert 0 < len(done) < NUM_PICTURES, stderr
    for path in done:
        assert vqc("verify", path).exit_code == 0
    if number != signal.SIGKILL:  # which leaves nobody to remove temporary files
        assert len(files(tmp_path / "out")) == len(done)
    outcome = vqc(*command, "--skip-existing")
    assert outcome.exit_code == 0
    assert len(streams_in(tmp_path / "out")) == NUM_PICTURES
