"""Manifests: what they record, and how a stopped batch goes on."""

import hashlib
import json
import os
import shutil

import pytest
from vqcodec.cli.manifest import Manifest

from vqcodec.errors import InputError, UsageError

NAMES = ["m.jsonl", "m.parquet"]


@pytest.fixture
def tree(tmp_path, photo):
    """A folder with three pictures, one of them damaged."""
    (tmp_path / "in").mkdir()
    for name in "ab":
        shutil.copy(photo, tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "c.png").write_bytes(b"broken")
    return tmp_path / "in"


@pytest.fixture(params=NAMES)
def name(request):
    """A manifest of each kind."""
    if request.param.endswith("parquet"):
        pytest.importorskip("pyarrow")
    return request.param


def records_of(path):
    """The records in a manifest."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def test_every_input_has_a_record(vqc, zoo, tree, tmp_path, name):
    outcome = vqc("compress", "in", "-o", "out", "--manifest", name)
    assert outcome.exit_code == InputError.exit_code
    first, second, broken = records_of(tmp_path / name)
    stream = (tmp_path / "out" / "a.vqc").read_bytes()
    assert (first["input"], first["output"], first["ok"]) == ("in/a.png", "out/a.vqc", True)
    assert first["digest"] == hashlib.sha256(stream).hexdigest()
    assert first["size_bytes"] == len(stream)
    assert first["input_bytes"] == (tree / "a.png").stat().st_size
    assert first["fingerprint"] == "0a0b0c0d"
    assert first["bits_per_pixel"] == 8 * len(stream) / 48
    assert first["notes"][0]["code"] == "larger"
    assert second["input"] == "in/b.png"
    assert (broken["ok"], broken["exit_code"]) == (False, InputError.exit_code)
    assert "in/c.png" in broken["error"]
    assert not list(tmp_path.glob("*.parquet.jsonl"))


def test_a_second_run_does_only_the_rest(vqc, zoo, tree, tmp_path, name):
    vqc("compress", "in", "-o", "out", "--manifest", name)
    (tmp_path / "out" / "b.vqc").unlink()
    shutil.copy(tree / "a.png", tree / "c.png")
    shutil.copy(tree / "a.png", tree / "d.png")
    zoo.image.calls.clear()
    outcome = vqc("compress", "in", "-o", "out", "--manifest", name, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert "3 compressed" in outcome.stderr
    assert "1 existed already" in outcome.stderr
    assert len(zoo.image.calls) == 3
    assert [record["ok"] for record in outcome.json["files"]] == [True] * 4
    latest = {record["input"]: record for record in records_of(tmp_path / name)}
    assert [latest[f"in/{name}.png"]["ok"] for name in "abcd"] == [True] * 4
    zoo.image.calls.clear()
    assert vqc("compress", "in", "-o", "out", "--manifest", name).exit_code == 0
    assert zoo.image.calls == []


def test_results_of_a_killed_run_are_kept_if_they_are_whole(vqc, zoo, tree, tmp_path, name):
    (tree / "c.png").unlink()
    vqc("compress", "in", "-o", "out", "--manifest", name)
    (tmp_path / name).unlink()
    (tmp_path / ("m.jsonl" if name == "m.jsonl" else "m.parquet.jsonl")).write_bytes(
        b'{"input": "in'
    )
    before = (tmp_path / "out" / "a.vqc").stat()
    (tmp_path / "out" / "b.vqc").write_bytes(b"of somebody else")
    outcome = vqc("compress", "in", "-o", "out", "--manifest", name)
    assert outcome.exit_code == 6
    assert "out/b.vqc: exists; -f overwrites it" in outcome.stderr
    assert "1 compressed" in outcome.stderr
    after = (tmp_path / "out" / "a.vqc").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (tmp_path / "out" / "b.vqc").read_bytes() == b"of somebody else"


def test_a_changed_input_is_done_again(vqc, zoo, tree, tmp_path):
    vqc("compress", "in", "-o", "out", "--manifest", "m.jsonl")
    with (tree / "a.png").open("ab") as file:
        file.write(b"more")
    zoo.image.calls.clear()
    vqc("compress", "in", "-o", "out", "--manifest", "m.jsonl", "-f")
    assert len(zoo.image.calls) == 1


def test_decompressing_has_a_manifest_too(vqc, zoo, photo_stream, tmp_path, name):
    for _ in range(2):
        assert vqc("decompress", photo_stream, "-o", "x.png", "--manifest", name).exit_code == 0
    (record,) = records_of(tmp_path / name)
    assert record["digest"] == hashlib.sha256((tmp_path / "x.png").read_bytes()).hexdigest()
    assert record["fingerprint"] == "0a0b0c0d"


def test_other_settings_need_another_manifest(vqc, zoo, tree, name):
    vqc("compress", "in", "-o", "out", "--manifest", name)
    outcome = vqc("compress", "in", "-o", "out", "--quality", "6", "--manifest", name)
    assert outcome.exit_code == UsageError.exit_code
    assert "is of a run with other settings" in outcome.stderr


@pytest.mark.parametrize("contents", [b"{}\n", b"[]\n", b"photo\n", b"\xff\n", b"[" * 9999 + b"\n"])
def test_another_file_is_never_taken_for_a_manifest(vqc, zoo, tree, tmp_path, contents):
    (tmp_path / "m.jsonl").write_bytes(contents)
    outcome = vqc("compress", "in", "-o", "out", "--manifest", "m.jsonl")
    assert outcome.exit_code == InputError.exit_code
    assert "m.jsonl: line 1 is no record of a manifest" in outcome.stderr
    assert (tmp_path / "m.jsonl").read_bytes() == contents


def test_another_parquet_file_is_never_taken_for_a_manifest(vqc, zoo, tree, tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"input": ["a"]}), path)
    for _ in range(2):
        before = path.read_bytes()
        outcome = vqc("compress", "in", "-o", "out", "--manifest", "m.parquet")
        assert outcome.exit_code == InputError.exit_code
        assert "m.parquet: is no manifest" in outcome.stderr
        assert path.read_bytes() == before
        path.write_bytes(b"PAR1 not at all")


def test_names_that_are_no_text_are_kept(vqc, zoo, tree, tmp_path, name):
    (tree / "c.png").rename(tree / "c\udcff.png")
    shutil.copy(tree / "a.png", tree / "c\udcff.png")
    for _ in range(2):
        assert vqc("compress", "in", "-o", "out", "--manifest", name).exit_code == 0
    assert len({record["input"] for record in records_of(tmp_path / name)}) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compress", "-", "--manifest", "m.jsonl"], "not on stdin or stdout"),
        (["compress", "in/a.png", "-o", "-", "--ray"], "not on stdin or stdout"),
        (["compress", "in", "--manifest", "s3://b/m.jsonl"], "must be a local file"),
        (["compress", "in", "--manifest", "none/m.jsonl"], "none/m.jsonl: No such file"),
    ],
)
def test_wrong_usage(vqc, zoo, tree, arguments, words):
    outcome = vqc(*arguments, stdin=b"x")
    assert outcome.exit_code in (UsageError.exit_code, 6)
    assert words in outcome.stderr


def test_parquet_without_pyarrow_is_a_usage_error(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[scale\]'"):
        Manifest("m.parquet", "")


def test_a_record_that_is_written_in_parts_is_whole(tmp_path, monkeypatch):
    manifest = Manifest(str(tmp_path / "m.jsonl"), "settings")
    manifest.begin()
    whole = manifest._file

    class Slow:
        def write(self, data):
            return whole.write(data[:7])

        def close(self):
            whole.close()

    manifest._file = Slow()
    manifest.append({"input": "a.png", "ok": True})
    manifest.close()
    (record,) = records_of(tmp_path / "m.jsonl")
    assert record["input"] == "a.png"


@pytest.mark.parametrize("text", ["my precious notes", '{"version":1}', '{"input"'])
def test_a_file_without_a_line_break_is_kept_unless_it_is_the_start_of_a_record(
    vqc, zoo, photo, tmp_path, text
):
    (tmp_path / "m.jsonl").write_text(text)
    outcome = vqc("compress", photo, "-o", "a.vqc", "--manifest", "m.jsonl")
    if text == '{"input"':  # the run was killed while it wrote
        assert outcome.exit_code == 0
        return
    assert outcome.exit_code == InputError.exit_code
    assert "m.jsonl: line 1 is no record of a manifest" in outcome.stderr
    assert (tmp_path / "m.jsonl").read_text() == text
    assert not (tmp_path / "a.vqc").exists()


def test_a_pipe_is_no_manifest(vqc, zoo, photo, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    outcome = vqc("compress", photo, "--manifest", "pipe")
    assert outcome.exit_code == InputError.exit_code
    assert "pipe: is no manifest" in outcome.stderr


def test_an_endless_line_is_no_record(vqc, zoo, photo, tmp_path, monkeypatch):
    monkeypatch.setattr("vqcodec.cli.manifest._LONGEST", 1000)
    (tmp_path / "m.jsonl").write_text('{"input": "' + 2000 * "x")
    outcome = vqc("compress", photo, "--manifest", "m.jsonl")
    assert outcome.exit_code == InputError.exit_code
    assert (tmp_path / "m.jsonl").stat().st_size == 2011


def test_the_manifest_is_no_output(vqc, zoo, photo):
    outcome = vqc("compress", photo, "-o", "m.vqc", "--manifest", "./m.vqc")
    assert outcome.exit_code == UsageError.exit_code
    assert "an input would become this file" in outcome.stderr
