"""Priors of sounds: what is compared, and the table."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import sound_priors
import tables

from vqcodec.networks.priors import build_prior_network
from vqcodec.training.recipe import read_recipe


@pytest.mark.parametrize("name", sound_priors.PRIORS)
def test_bits_of_every_kind_have_a_gradient_far_from_the_prediction(name):
    recipe, _ = read_recipe("audio")
    run = SimpleNamespace(recipe=recipe)
    table = sound_priors.table_of(run, {**sound_priors.PRIORS[name], "width": 8})
    num_books = recipe.quantizer["dim"]
    network = build_prior_network(table, (511,) * num_books)
    indices = torch.full((1, num_books, 3), 255 + 200)
    bits = sound_priors.bits_of(network, indices, torch.tensor([100]))
    assert float(bits.detach().sum()) > 200 * num_books
    bits.mean().backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in network.parameters())


def test_the_table_compares_with_the_first_prior():
    result = {
        "commit": "0123456789",
        "machine": {"cpu": "a CPU", "cores": 2, "threads": 1},
        "command": "python benchmarks/sound_priors.py",
        "n": 22,
        "seconds": 300.0,
        "rate_bytes": [40, 100],
        "priors": [
            {"name": "plane", "weights": 2_000_000, "steps": 9, "bits": [0.1, 0.5]},
            {"name": "frames", "weights": 7_000_000, "steps": 8, "bits": [0.11, 0.6]},
        ],
    }
    table = tables.TABLES["priors of sounds"]({"sound_priors": result})
    assert "| frames | 7.0 million | 8 | 0.110, 0.600 | 10.0 %, 20.0 % |" in table
