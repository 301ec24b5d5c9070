"""The picture of a training log."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from vqcodec.training.curves import draw_curves, read_curves, write_curves
from vqcodec.training.log import TrainingLog

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def log(tmp_path):
    log = TrainingLog(tmp_path / "log.jsonl")
    log.report(50, 200, {"total": 3.0, "rate": 1.0})
    log.report(100, 200, {"total": float("nan"), "rate": 0.9})
    log.report(100, 200, {"valid_rate@0": 0.5, "valid_rate@255": 2.0, "valid_mse": 4.0})
    log.report(100, 200, {"total": 2.0, "rate": 0.8})  # resumed from step 50
    return log.path


def test_a_value_has_a_line_for_training_and_for_each_rate_of_held_out_files(log):
    curves = read_curves(log)
    assert curves["total"] == {"training": [(50, 3.0), (100, 2.0)]}
    assert curves["rate"] == {
        "training": [(50, 1.0), (100, 0.8)],
        "held out 0": [(100, 0.5)],
        "held out 255": [(100, 2.0)],
    }
    assert curves["mse"] == {"held out": [(100, 4.0)]}


def test_the_picture_is_svg_with_every_line(log):
    write_curves(log)
    root = ET.fromstring(log.with_suffix(".svg").read_text())
    assert len(root.findall(f"{SVG}g")) == 3
    assert len(root.findall(f".//{SVG}polyline")) == 5
    numbers = [float(n) for line in root.iter(f"{SVG}polyline")
               for pair in line.get("points").split() for n in pair.split(",")]  # fmt: skip
    assert all(0 <= number <= 300 for number in numbers)


def test_a_line_that_was_cut_short_is_left_out(log):
    whole = read_curves(log)
    text = log.read_text()
    log.write_text(f'[]\n3\n{{"total": 1}}\n{text}{{"step": 150, "elap')
    assert read_curves(log) == whole
    TrainingLog(log).report(150, 200, {"total": 1.0})
    assert read_curves(log)["total"]["training"][-1] == (150, 1.0)


def test_names_are_escaped():
    assert "<script>" not in draw_curves({"<script>": {"training": [(1, 1.0)]}})


def test_a_training_draws_its_curves(joint_run):
    assert (joint_run / "log.svg").read_text().startswith("<svg")
