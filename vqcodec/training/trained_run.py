"""A run that was trained: its recipe, files and weights, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.errors import UsageError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.priors import is_learnt
from vqcodec.training.manifest import MANIFEST, Manifest, read_manifest
from vqcodec.training.recipe import Recipe, parse_recipe
from vqcodec.training.state import (
    CHECKPOINT,
    PRIOR_CHECKPOINT,
    fitting_recipe,
    load_state,
    read_recipe_of,
)


@dataclass(frozen=True)
class TrainedRun:
    """A run's recipe, files and autoencoder (averaged weights), and its prior if it has one."""

    recipe: Recipe
    manifest: Manifest
    autoencoder: Autoencoder
    prior: PriorNetwork | None
    step: int
    seed: int


def load_run(run: Path) -> TrainedRun:
    """Return the recipe and the weights in the folder of a training.

    Raises:
        UsageError: there is no training.
        InputError: its checkpoint or its recipe is damaged.
        ConfigError: they do not belong together.
    """
    if not (run / CHECKPOINT).exists():
        raise UsageError(f"{run}: holds no training; begin with 'vqcodec train vqvae' or 'joint'")
    recipe = parse_recipe(read_recipe_of(run))
    state = load_state(run / CHECKPOINT, ("module", "average", "step", "seed"))
    autoencoder = Autoencoder(recipe.model_tables())
    module, prior = nn.ModuleDict({"autoencoder": autoencoder}), None
    learnt = is_learnt(recipe.prior)
    if learnt:
        prior = build_prior_network(recipe.prior, autoencoder.quantizer.codebook_sizes)
        module["prior"] = prior
    weights = {**state["module"], **state["average"]}
    has_prior = any(name.startswith("prior.") for name in weights)
    own = load_fitted_prior(run, state["step"])
    if own is not None:
        weights |= {f"prior.{name}": value for name, value in own["average"].items()}
        has_prior = True
    with fitting_recipe(run):
        if has_prior or not learnt:
            module.load_state_dict(weights)
        else:
            autoencoder.load_state_dict(
                {name.removeprefix("autoencoder."): weight for name, weight in weights.items()}
            )
    if prior is not None and own is not None:
        load_tables(prior, own)
    module.eval()
    return TrainedRun(
        recipe=recipe,
        manifest=read_manifest(run / MANIFEST),
        autoencoder=autoencoder,
        prior=prior if has_prior else None,
        step=state["step"],
        seed=state["seed"],
    )


def load_fitted_prior(run: Path, autoencoder_step: int) -> dict[str, Any] | None:
    """Return the checkpoint of the prior that was fitted to the networks at a step, else None.

    A prior that was fitted to an earlier step has learnt other indices, and is ignored.
    """
    if not (run / PRIOR_CHECKPOINT).exists():
        return None
    needed = ("autoencoder_step", "step", "module", "average", "optimizer")
    state = load_state(run / PRIOR_CHECKPOINT, needed)
    return state if state["autoencoder_step"] == autoencoder_step else None


def stored_tables(prior: PriorNetwork) -> dict[str, Tensor]:
    """Return the tables of a prior as a checkpoint holds them."""
    return {name: torch.from_numpy(table.astype(np.int64)) for name, table in prior.tables.items()}


def load_tables(prior: PriorNetwork, state: Mapping[str, Any]) -> None:
    """Load the tables of a checkpoint; older ones have none."""
    for name, table in state.get("tables", {}).items():
        prior.tables[name] = table.numpy().astype(prior.tables[name].dtype)
