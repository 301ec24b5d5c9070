"""`vqcodec eval`: the table, the records, and which files go to which codec."""

import csv
import json

import pytest

from vqcodec.evaluation import run as evaluation


@pytest.fixture(autouse=True)
def metrics(monkeypatch):
    """One metric, so that torch is not needed."""
    monkeypatch.setattr(evaluation, "compare", lambda *_: {"psnr_db": float("inf")})


def test_means_are_a_table_on_stdout(vqc, zoo, photo, tmp_path):
    outcome = vqc("eval", tmp_path, "--quality", "1,2.5")
    assert outcome.exit_code == 0
    header, _, first, second = outcome.stdout.decode().splitlines()
    assert "size_bytes" in header
    assert "| image | 1 |" in first
    assert "| image | 2.5 |" in second
    assert "mean of 1 files" in second


def test_each_kind_of_file_goes_to_its_model(vqc, zoo, photo, voice, tmp_path):
    records = vqc("eval", tmp_path, "--json").json["records"]
    assert [(r["file"], r["codec"]) for r in records] == [
        ("photo.png", "image"),
        ("voice.wav", "speech"),
    ]
    assert records[0]["metrics"] == {"psnr_db": None}
    assert records[1]["bits_per_second"] == 8 * records[1]["size_bytes"] / 0.25


def test_a_named_model_takes_the_files_of_its_kind(vqc, zoo, photo, voice, tmp_path):
    means = vqc("eval", tmp_path, "--model", "speech", "--json").json["means"]
    assert [mean["codec"] for mean in means] == ["speech"]
    assert vqc("eval", photo, "--model", "speech").exit_code == 2


def test_other_codecs_run_over_their_own_scales(vqc, zoo, photo, tmp_path):
    outcome = vqc("eval", tmp_path, "--against", "jpeg, webp", "--json", "--jobs", "2")
    means = outcome.json["means"]
    codecs = {mean["codec"] for mean in means}
    assert codecs == {"image", "jpeg", "webp"}
    assert len([mean for mean in means if mean["codec"] == "jpeg"]) > 3


def test_records_are_written_by_suffix(vqc, zoo, photo, tmp_path):
    for name in ("records.jsonl", "records.csv", "records.md"):
        assert vqc("eval", photo, "--quality", "1,2", "-o", name).exit_code == 0
    lines = (tmp_path / "records.jsonl").read_text().splitlines()
    assert [json.loads(line)["quality"] for line in lines] == [1, 2]
    rows = list(csv.DictReader((tmp_path / "records.csv").open()))
    assert [row["quality"] for row in rows] == ["1.0", "2.0"]
    table = (tmp_path / "records.md").read_text()
    assert table.count("photo.png") == 2
    assert table.count("mean of 1 files") == 2
    assert vqc("eval", photo, "-o", "records.md").exit_code == 6
    assert vqc("eval", photo, "-f", "-o", "records.md").exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--quality", "0"],
        ["--quality", "1,,2"],
        ["--quality", "high"],
        ["--against", "nonsense"],
        ["--jobs", "0"],
        ["-o", "records.xml"],
        ["-o", "-"],
    ],
)
def test_wrong_usage_is_reported_before_any_work(vqc, zoo, photo, options):
    outcome = vqc("eval", photo, *options)
    assert (outcome.exit_code, outcome.stdout) == (2, b"")
    assert zoo.image.calls == []


def test_a_codec_without_files_is_wrong_usage(vqc, zoo, voice):
    assert vqc("eval", voice, "--against", "jpeg").exit_code == 2


def test_a_missing_folder_is_an_input_error(vqc, zoo):
    outcome = vqc("eval", "missing")
    assert outcome.exit_code == 3
    assert "missing" in outcome.stderr
