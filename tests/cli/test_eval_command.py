"""`vqcodec eval`: the table, the records, and which files go to which codec."""

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from tiny import noise_picture

import vqcodec
from vqcodec import pool
from vqcodec.errors import InputError
from vqcodec.evaluation import run as evaluation
from vqcodec.modalities.base import ModelChoice


@pytest.fixture(autouse=True)
def metrics(monkeypatch):
    """One metric, and one process, so that torch is not needed."""
    monkeypatch.setattr(evaluation, "compare", lambda *_: {"psnr_db": float("inf")})
    monkeypatch.setattr(evaluation, "missing_metrics", lambda _: [])
    monkeypatch.setattr(evaluation, "is_model", lambda _: False)  # one has a prior to measure
    monkeypatch.setattr(pool, "default_jobs", lambda _: 1)


def test_means_are_a_table_on_stdout(vqc, zoo, photo, tmp_path):
    outcome = vqc("eval", tmp_path, "--quality", "1,2.5")
    assert outcome.exit_code == 0
    header, _, first, second = outcome.stdout.decode().splitlines()
    assert "size_bytes" in header
    assert "| image | 1 |" in first
    assert "| image | 2.5 |" in second
    assert "mean of 1 file" in second


def test_each_kind_of_file_goes_to_its_model(vqc, zoo, photo, voice, tmp_path):
    records = vqc("eval", tmp_path, "--json").json["records"]
    assert [(r["file"], r["codec"]) for r in records] == [
        ("photo.png", "image"),
        ("voice.wav", "speech"),
    ]
    assert records[0]["metrics"] == {"psnr_db": None}
    assert records[1]["bits_per_second"] == 8 * records[1]["size_bytes"] / 0.25


def test_folders_are_searched_for_the_same_files_as_by_compress(vqc, zoo, photo, tmp_path):
    photo.rename(tmp_path / "photo.gif")
    assert [record["file"] for record in vqc("eval", tmp_path, "--json").json["records"]] == [
        "photo.gif"
    ]


def test_a_named_model_takes_the_files_of_its_kind(vqc, zoo, photo, voice, tmp_path):
    means = vqc("eval", tmp_path, "--model", "speech", "--json").json["means"]
    assert [mean["codec"] for mean in means] == ["speech"]
    assert vqc("eval", photo, "--model", "speech").exit_code == 2


def test_other_codecs_run_over_their_own_scales(vqc, zoo, photo, tmp_path):
    outcome = vqc("eval", tmp_path, "--against", "jpeg, webp", "--json", "--jobs", "1")
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
    assert table.count("mean of 1 file") == 2
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
        ["--report", "report.pdf"],
        ["--report", "-"],
        ["--resume"],
        ["--resume", "-o", "records.csv"],
        ["--resume", "-f", "-o", "records.jsonl"],
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


def test_a_report_shows_both_kinds_of_file(vqc, zoo, photo, voice, tmp_path):
    outcome = vqc(
        "eval", tmp_path, "--quality", "1,5,8", "--against", "jpeg", "--report", "report.html"
    )
    assert outcome.exit_code == 0
    assert "| speech | 8 |" in outcome.stdout.decode()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "vqcodec eval: image compared with jpeg; speech" in page
    assert "photo.png" in page and "voice.wav" in page
    assert '"facts": "quality 5, ' in page  # the middle of the list


def test_a_report_and_records_can_be_had_together_and_are_kept(vqc, zoo, photo, tmp_path):
    both = ["-o", "records.csv", "--report", "report.html"]
    assert vqc("eval", photo, *both).exit_code == 0
    assert (tmp_path / "records.csv").exists() and (tmp_path / "report.html").exists()
    (tmp_path / "records.csv").unlink()
    assert vqc("eval", photo, *both).exit_code == 6
    assert not (tmp_path / "records.csv").exists()
    assert vqc("eval", photo, "-f", *both).exit_code == 0


def test_json_has_bd_rates_if_there_are_peers(vqc, zoo, photo):
    alone = vqc("eval", photo, "--quality", "2,5", "-q", "--json").json
    assert alone["bd_rates"] == []
    both = vqc("eval", photo, "--quality", "2,5", "--against", "jpeg", "-q", "--json").json
    assert isinstance(both["bd_rates"], list)


def test_a_peer_that_is_not_installed_is_named_and_the_rest_goes_on(
    vqc, zoo, photo, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    outcome = vqc("eval", photo, "--against", "jxl,webp", "-q", "--json", "--report", "report.html")
    assert outcome.exit_code == 0
    assert "jxl: needs imagecodecs; install it with: pip install imagecodecs" in outcome.stderr
    assert {mean["codec"] for mean in outcome.json["means"]} == {"image", "webp"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Not measured: jxl: needs imagecodecs" in page


@pytest.fixture
def interrupted(vqc, zoo, photo, tmp_path, monkeypatch):
    """A run over two pictures at two settings that was stopped after three records."""
    (tmp_path / "picture.png").write_bytes(photo.read_bytes())
    compress, calls = zoo.image.compress, []

    def stopping(*arguments, **options):
        calls.append(options)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return compress(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(zoo.image, "compress", stopping)
        outcome = vqc("eval", tmp_path, "--quality", "1,2", "-o", "records.jsonl")
    assert outcome.exit_code == 130
    assert "records.jsonl: keeps what was measured; --resume goes on" in outcome.stderr
    zoo.image.calls.clear()
    return tmp_path / "records.jsonl"


def test_a_run_that_was_stopped_goes_on_where_it_was(vqc, zoo, interrupted, tmp_path):
    before = list(map(json.loads, interrupted.read_text().splitlines()))
    assert len(before) == 3
    command = ["eval", tmp_path, "--quality", "1,2", "-o", "records.jsonl", "--resume"]
    outcome = vqc(*command, "--json")
    assert outcome.exit_code == 0
    assert "has 3 records, 1 are left" in outcome.stderr
    assert [call["quality"] for call in zoo.image.calls] == [2]
    after = list(map(json.loads, interrupted.read_text().splitlines()))
    assert after[:3] == before
    settings = [("photo.png", 1), ("photo.png", 2), ("picture.png", 1), ("picture.png", 2)]
    assert [(record["file"], record["quality"]) for record in after] == settings
    assert outcome.json["records"] == after
    vqc(*command)
    assert len(zoo.image.calls) == 1  # nothing was left


def test_settings_are_added_in_their_order_and_not_taken_away(vqc, zoo, interrupted, tmp_path):
    resume = ["-o", "records.jsonl", "--resume"]
    assert vqc("eval", tmp_path, "--quality", "0.5,1,2", *resume).exit_code == 2
    assert vqc("eval", tmp_path, "--quality", "3,1,2", *resume).exit_code == 0
    after = [json.loads(line)["quality"] for line in interrupted.read_text().splitlines()]
    assert after == [3, 1, 2, 3, 1, 2]
    outcome = vqc("eval", tmp_path, "--quality", "1", *resume)
    assert outcome.exit_code == 2
    assert "4 of its records are not of these files, codecs and settings" in outcome.stderr
    assert len(interrupted.read_text().splitlines()) == 6


def test_a_run_can_be_resumed_before_it_began(vqc, zoo, photo, tmp_path):
    assert vqc("eval", photo, "-o", "records.jsonl", "--resume").exit_code == 0
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 1


def test_named_files_are_measured_by_their_content(vqc, zoo, photo, voice, tmp_path):
    picture, sound = tmp_path / "picture.dat", tmp_path / "sound"
    picture.write_bytes(photo.read_bytes())
    sound.write_bytes(voice.read_bytes())
    outcome = vqc("eval", picture, sound, "-o", "records.jsonl")
    assert outcome.exit_code == 0
    lines = (tmp_path / "records.jsonl").read_text().splitlines()
    found = {Path(json.loads(line)["file"]).name: json.loads(line)["codec"] for line in lines}
    assert found == {"picture.dat": "image", "sound": "speech"}
    (tmp_path / "notes.txt").write_text("neither")
    outcome = vqc("eval", picture, tmp_path / "notes.txt")
    assert outcome.exit_code == 3
    assert "notes.txt: neither a sound" in outcome.stderr


def test_what_is_not_measured_is_named(vqc, zoo, photo, tmp_path, monkeypatch):
    sentence = "best: pip install '.[eval]'"
    monkeypatch.setattr(evaluation, "missing_metrics", lambda _: [sentence])
    outcome = vqc("eval", photo, "--report", "report.html")
    assert f"not measured: {sentence}" in outcome.stderr
    assert "Not measured: best: pip" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert vqc("eval", photo, "-q").stderr == ""


def test_a_terminal_is_shown_how_many_records_are_done_and_the_time_left(
    vqc, zoo, photo, monkeypatch
):
    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    assert vqc("eval", photo, "--quality", "1,2,3").exit_code == 0
    assert "3/3" in shown.getvalue()
    assert "0:00:00" in shown.getvalue()


def test_curves_are_drawn_into_a_file(vqc, zoo, photo, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    values = iter(range(20, 40))
    monkeypatch.setattr(evaluation, "compare", lambda *_: {"psnr_db": float(next(values))})
    assert vqc("eval", photo, "--quality", "1,2", "--plot", "curves.svg").exit_code == 0
    assert "<svg" in (tmp_path / "curves.svg").read_text()
    assert vqc("eval", photo, "--quality", "1,2", "--plot", "curves.svg").exit_code != 0


def test_curves_of_another_suffix_are_refused_before_the_work(vqc, zoo, photo, monkeypatch):
    monkeypatch.setattr(evaluation, "compare", None)
    outcome = vqc("eval", photo, "--plot", "curves.gif")
    assert outcome.exit_code == 2
    assert ".png, .svg, .pdf" in outcome.stderr


def test_a_plot_without_curves_is_refused_before_the_work(vqc, zoo, photo, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(evaluation, "compare", None)
    outcome = vqc("eval", photo, "--plot", "curves.png", "--quality", "3")
    assert outcome.exit_code == 2
    assert "two settings" in outcome.stderr


def test_every_input_that_cannot_be_read_is_named_before_any_work(vqc, zoo, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:-20])
    (tmp_path / "empty.wav").write_bytes(b"")
    outcome = vqc("eval", tmp_path)
    assert outcome.exit_code == 3
    assert f"{tmp_path / 'broken.png'}: " in outcome.stderr
    assert f"{tmp_path / 'empty.wav'}: " in outcome.stderr
    assert "2 of 3 inputs cannot be read; --skip-bad goes on" in outcome.stderr
    assert not zoo.image.calls


def test_inputs_that_cannot_be_read_are_skipped_on_demand(vqc, zoo, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:-20])
    outcome = vqc("eval", "--skip-bad", "--json", tmp_path)
    assert outcome.exit_code == 0
    assert f"{tmp_path / 'broken.png'}: " in outcome.stderr
    assert [record["file"] for record in outcome.json["records"]] == ["photo.png"]


def test_skipping_leaves_something(vqc, zoo, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    assert vqc("eval", "--skip-bad", tmp_path).exit_code == 3


def test_records_have_the_notes_of_the_reader(vqc, zoo, voice, tmp_path):
    voice.write_bytes(voice.read_bytes()[:-4000])
    outcome = vqc("eval", "--json", "-o", "records.csv", tmp_path)
    (record,) = outcome.json["records"]
    assert [note["code"] for note in record["notes"]] == ["ends-early"]
    assert "ends-early" in (tmp_path / "records.csv").read_text()


def test_inputs_are_read_as_they_are_compressed(vqc, zoo, tmp_path):
    broken = tmp_path / "broken.wav"
    samples = np.full(4000, np.nan, np.float32)
    soundfile.write(broken, samples, 16_000, subtype="FLOAT")
    assert vqc("eval", broken).exit_code == 3
    outcome = vqc("eval", "--salvage", "--json", broken)
    assert [note["code"] for note in outcome.json["records"][0]["notes"]] == ["damaged"]
    frames = [Image.new("RGB", (12, 10), (80 * n, 0, 30)) for n in range(3)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    assert vqc("eval", "--frame", "3", tmp_path / "pages.tif").exit_code == 3
    digests = {
        vqc("eval", "--json", *options, tmp_path / "pages.tif").json["records"][0]["file_digest"]
        for options in ([], ["--frame", "2"], ["--no-icc"])
    }
    assert len(digests) == 3  # so that --resume does not mix them


def test_a_file_that_vanishes_costs_a_line_and_not_the_run(vqc, zoo, photo, tmp_path, monkeypatch):
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    compress = zoo.image.compress

    def vanish(signal, **options):
        other.unlink(missing_ok=True)
        return compress(signal, **options)

    monkeypatch.setattr(zoo.image, "compress", vanish)
    arguments = ["eval", "--jobs", "1", "--quality", "1,5", "--json", photo, other]
    # The file that is measured first takes the other one away.
    other.rename(other := tmp_path / "zzz.png")
    arguments[-1] = other
    outcome = vqc(*arguments)
    assert outcome.exit_code == 3
    assert outcome.stderr.count(f"{other}: ") == 1
    assert {record["file"] for record in outcome.json["records"]} == {"photo.png"}
    other.write_bytes(photo.read_bytes())
    assert vqc(*arguments, "--skip-bad").exit_code == 0


def test_equal_files_that_a_codec_cannot_code_are_left_out(vqc, zoo, photo, tmp_path, monkeypatch):
    compress = zoo.image.compress

    def refuse(signal, **options):
        if signal.width == 8:
            raise InputError("too small")
        return compress(signal, **options)

    monkeypatch.setattr(zoo.image, "compress", refuse)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(photo, tmp_path / folder)
    vqcodec.write(tmp_path / "wide.png", noise_picture(20, 10))
    photo.unlink()
    outcome = vqc("eval", tmp_path, "--jobs", "1", "--json", "-o", "records.jsonl")
    assert outcome.exit_code == 3
    assert {record["file"] for record in outcome.json["records"]} == {"wide.png"}
    assert "2 inputs left out of all figures" in outcome.stderr
    assert "--resume goes on" not in outcome.stderr  # nothing was stopped


def test_sounds_go_to_the_model_that_compress_takes_for_most_of_them(
    vqc, zoo, voice, tmp_path, monkeypatch
):
    zoo.installed.append(type(zoo.speech)("audio", "audio", "05060708"))
    monkeypatch.setattr(
        sys.modules["vqcodec.codec.zoo"],
        "choose_model",
        lambda sound: ModelChoice("audio" if sound.sample_rate > 16_000 else "speech"),
    )
    for name in ("music.wav", "rain.wav"):
        soundfile.write(tmp_path / name, np.zeros(4_800), 48_000)
    outcome = vqc("eval", tmp_path, "--json")
    assert {record["codec"] for record in outcome.json["records"]} == {"audio"}
    assert "with model audio: 'compress' takes it for 2 of 3 sounds" in outcome.stderr
    assert "takes it for" not in vqc("eval", tmp_path / "rain.wav").stderr
    named = vqc("eval", tmp_path, "--model", "speech", "--json")
    assert {record["codec"] for record in named.json["records"]} == {"speech"}
