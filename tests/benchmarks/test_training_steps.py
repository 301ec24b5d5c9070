"""Sizes of networks in the benchmark of training steps, and its table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import tables
import training_steps

from vqcodec.networks.priors import build_prior_network


@pytest.mark.parametrize(("dim", "units"), training_steps.NETWORKS)
def test_groups_of_the_prior_add_up_to_the_latents(dim, units):
    recipe = training_steps.recipe_of(dim, units)
    assert sum(recipe.prior["groups"]) == recipe.network["dim"] == recipe.quantizer["dim"] == dim
    assert recipe.network["fine_units"] == recipe.network["coarse_units"] == units
    build_prior_network(recipe.prior, (511,) * dim)


def test_the_table_has_the_rate_of_a_step():
    result = {
        "commit": "0123456789",
        "machine": {"cpu": "a CPU", "cores": 2, "threads": 1},
        "command": "python benchmarks/training_steps.py",
        "n": 40,
        "convolution_gflops": 500.0,
        "steps": [{"dim": 192, "units": 2, "step_s": 0.125, "gflop": 25.0}],
    }
    table = tables.TABLES["training steps"]({"training_steps": result})
    assert "Medians of 40 steps. Convolutions of this core reach 500 GFLOP/s." in table
    assert "| 192 latents, 2 units a stage | 0.125 s | 25 GFLOP | 200 GFLOP/s |" in table
