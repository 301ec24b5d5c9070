"""Reports of a training: for programs in a file, for people on stderr."""

from __future__ import annotations

import json

import pytest

from vqcodec.errors import OutputError
from vqcodec.training.curves import read_curves
from vqcodec.training.log import TrainingLog


def test_a_report_is_a_line_of_json_and_a_line_of_words(tmp_path, capsys):
    log = TrainingLog(tmp_path / "log.jsonl")
    log.report(50, 200, {"total": 1.25, "rate": float("nan")})
    log.report(100, 200, {"total": float("inf")})
    first, second = (json.loads(line) for line in log.path.read_text().splitlines())
    assert first.pop("elapsed_s") >= 0
    assert first == {"step": 50, "total": 1.25, "rate": None}
    assert second["total"] is None
    captured = capsys.readouterr()
    assert "step 50/200  total 1.25  rate nan" in captured.err
    assert not captured.out


def test_several_processes_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("vqcodec.training.log.num_processes", lambda: 2)
    log = TrainingLog(tmp_path / "log.jsonl")
    log.report(50, 200, {"total": 1.25})
    assert json.loads(log.path.read_text())["processes"] == 2
    assert read_curves(log.path) == {"total": {"training": [(50.0, 1.25)]}}


def test_the_second_report_estimates_the_time_left(tmp_path, capsys, monkeypatch):
    seconds = iter([0.0, 10.0, 60.0, 110.0])
    monkeypatch.setattr("vqcodec.training.log.time.monotonic", lambda: next(seconds))
    log = TrainingLog(tmp_path / "log.jsonl")
    for step in (1050, 1100, 1150):
        log.report(step, 1150, {"total": 1.0})
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["total 1", "0:00:50 left", "total 1"]


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"log\.jsonl: Is a directory"):
        TrainingLog(tmp_path / "log.jsonl").report(1, 2, {"total": 1.0})
