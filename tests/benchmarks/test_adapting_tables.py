"""The tables of fitted models hold the figures of their results."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import tables

RESULT = {
    "commit": "0123456789",
    "machine": {"cpu": "a CPU", "cores": 2, "threads": 1},
    "command": "python benchmarks/adapting.py",
    "domains": {
        "maps both": {
            "files": "countries",
            "model": "image d9fda76e",
            "num_training_files": 100,
            "num_judged_files": 12,
            "steps": {"prior": 900, "decoder": None},
            "cpu_minutes": 10.0,
            "prior_change_percent": -5.5,
            "change_percent": -9.25,
            "change_to_rival_percent": {"rival": "avif", "change_percent": None},
            "points": [
                {"model": "before", "quality": 4.0, "size_bytes": 1000, "psnr_db": 30.0},
                {"model": "before", "quality": 7.0, "size_bytes": 2000, "psnr_db": 35.0},
                {"model": "after", "quality": 4.0, "size_bytes": 900, "psnr_db": 30.0},
                {"model": "after", "quality": 7.0, "size_bytes": 1800, "psnr_db": 35.0},
            ],
        }
    },
}
MODEL = {
    **RESULT,
    "model": {"name": "speech", "fingerprint": "4d21574f"},
    "quality": 1.0,
    "minutes": 4.0,
    "steps": 300,
    "parameters": 10,
    "num_windows": 800,
    "num_held_out": 40,
    "frames_per_second": 50.0,
    "bits_per_frame_by_frequency": 80.0,
    "bits_per_frame": 14.5,
}


def test_a_row_has_the_gain_of_a_domain():
    table = tables.TABLES["adapted"]({"adapting": RESULT})
    row = table.splitlines()[2]
    assert "maps: countries | image d9fda76e | 100, 12 | prior (900 steps), decoder | 10" in row
    assert "-5.5 % | -9.2 % | PSNR -10.0 % | AVIF -" in row


def test_points_are_before_and_after():
    table = tables.TABLES["adapted points"]({"adapting": RESULT})
    assert "| maps | 4 | 1000, 900 | PSNR, dB 30, 30 |" in table


def test_the_language_model_has_its_bits_a_second():
    table = tables.TABLES["token language model"]({"token_language_model": MODEL})
    assert "| tokens | speech 4d21574f, quality 1 |" in table
    assert "| 725 |" in table


def test_tables_without_results_are_empty():
    for name in ("adapted", "adapted points", "token language model"):
        assert tables.TABLES[name]({}) == ""
