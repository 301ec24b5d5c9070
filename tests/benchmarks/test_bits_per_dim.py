"""Bits per dimension: a distribution that sums to 1, both kinds of folder, and a bound."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import bits_per_dim as bench
import cifar_pictures

from vqcodec.errors import InputError, UsageError


def test_the_probabilities_of_all_values_sum_to_one():
    values = torch.arange(256.0)
    for mean, log_scale in ((-5.0, 0.0), (127.3, 3.0), (255.0, -2.0), (300.0, 1.0)):
        bits = bench.value_bits(values, torch.full((256,), mean), torch.full((256,), log_scale))
        assert float(torch.exp2(-bits).sum()) == pytest.approx(1, abs=1e-4)


def test_uniform_indices_cost_what_the_paper_has():
    assert bench.UNIFORM == pytest.approx(8 * 8 * 10 * 9 / (32 * 32 * 3)) == pytest.approx(1.875)


def binary_batch(path, count, seed):
    rows = np.random.default_rng(seed).integers(0, 256, (count, cifar_pictures.CIFAR_ROW), np.uint8)
    rows.tofile(path)
    return rows


def test_the_test_batch_of_cifar_is_held_out(tmp_path):
    binary_batch(tmp_path / "data_batch_1.bin", 5, 0)
    rows = binary_batch(tmp_path / "test_batch.bin", 3, 1)
    pictures = cifar_pictures.Pictures.of_folder(tmp_path)
    assert [len(each) for each in pictures.training] == [5]
    assert pictures.held_out.shape == (3, 32, 32, 3)
    reds = {tuple(row[1:4]) for row in rows}
    assert {tuple(picture[0, :3, 0]) for picture in pictures.held_out} == reds
    values = pictures.batch(4, np.random.default_rng(0))
    assert values.shape == (4, 3, 32, 32)


def test_files_that_are_no_pictures_are_refused(tmp_path):
    (tmp_path / "batch.bin").write_bytes(bytes(100))
    with pytest.raises(InputError, match="100 bytes"):
        cifar_pictures.uint8_pictures(tmp_path / "batch.bin")
    Image.new("RGB", (31, 40)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match="31 x 40"):
        cifar_pictures.uint8_pictures(tmp_path / "small.png")
    (tmp_path / "small.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read"):
        cifar_pictures.uint8_pictures(tmp_path / "small.png")
    (tmp_path / "batch.bin").unlink()
    with pytest.raises(UsageError, match="needed more"):
        cifar_pictures.Pictures.of_folder(tmp_path)


def test_a_run_reports_bounds(tmp_path, monkeypatch):
    for number in range(10):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    found = {}
    monkeypatch.setattr(bench, "write_result", lambda _, figures: found.update(figures))
    options = ["--steps", "2", "--prior-steps", "2", "--batch", "2", "--width", "8", "--dim", "2"]
    monkeypatch.setattr(sys, "argv", ["bits_per_dim.py", str(tmp_path), *options])
    bench.main()
    bits = found["bits_per_dim"]
    assert found["n"] == 1
    assert found["num_training_files"] == 9
    assert bits["bound, uniform"] == pytest.approx(bits["values"] + bench.UNIFORM)
    learnt = bits["values"] + bits["indices, learnt prior"]
    assert bits["bound, learnt prior"] == pytest.approx(learnt)
    assert 0 < bits["usage"] <= 1 <= bits["perplexity"] <= 512
