"""Initial weights of a new training from another run or a model file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.codec.loading import build_model, refusing_unusable
from vqcodec.codec.model_file import ModelFile
from vqcodec.codec.zoo import read_named_file
from vqcodec.config import build_config
from vqcodec.errors import ConfigError, MissingModelError
from vqcodec.files import is_folder
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.precision import in_full_precision
from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.processes import process_rank
from vqcodec.networks.quantizers.lattice import LatticeModule
from vqcodec.notes import printable
from vqcodec.priors import is_learnt
from vqcodec.quantizers import QUANTIZERS
from vqcodec.quantizers.configs import LatticeConfig
from vqcodec.stderr import tell
from vqcodec.training.export import load_autoencoder
from vqcodec.training.grow import (
    grow_weights,
    in_phases_of,
    prior_can_grow,
    start_new_latents,
)
from vqcodec.training.modality import Dataset
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.state import CHECKPOINT, load_state, read_recipe_of

# Parts of the names of weights that may be missing: new units of these parts are the identity.
ADDITIONS = (".voice.", ".gate.", ".fine.", ".coarse.")
# Of the first batch, which initialises networks: excerpts, and about how many values in all.
FIRST_EXCERPTS, FIRST_VALUES = 512, 1 << 27


@torch.no_grad()
def initialise(
    autoencoder: Autoencoder,
    started: Started | None,
    dataset: Dataset,
    generator: np.random.Generator,
) -> None:
    """Initialise what data decide in a new autoencoder.

    Without a source, this is data-dependent initialisation of all of it from a first batch. With
    one, it is what the source lacks: new latents, and another quantizer.

    Args:
        autoencoder: its weights are on the device of the training.
        started: what the source had, from `start_from`; None without a source.
        dataset: gives the first batch.
        generator: decides which excerpts it has.

    Raises:
        ConfigError: networks or quantizer of this kind cannot get more latents.
    """
    if started is not None and started.dim < autoencoder.quantizer.dim:
        with in_full_precision(autoencoder):
            start_new_latents(autoencoder, started.dim, dataset, generator)
    if started is not None and started.quantizer:
        return
    batch = _first_batch(dataset, generator).to(next(autoencoder.parameters()).device)
    if started is None:
        autoencoder.init_from_data(batch)
    else:
        autoencoder.init_quantizer(batch)


def _first_batch(dataset: Dataset, generator: np.random.Generator) -> Tensor:
    """Return the excerpts that initialise networks; fewer if excerpts are large."""
    num_values = dataset.signals(1, np.random.default_rng(0)).numel()
    num = max(1, FIRST_VALUES // num_values)
    return dataset.signals(FIRST_EXCERPTS, generator, slice(num))


def weights_of(source: str) -> dict[str, Tensor]:
    """Return the weights by name, "autoencoder.…" and "prior.…", of a run or a model.

    The weights of a run are averages. The prior of a model is thawed, so it has the precision of
    its integers.

    Args:
        source: folder of a run; or name, fingerprint or path of a model.

    Raises:
        InputError: the run's checkpoint is missing or damaged.
        MissingModelError: there is neither such a run nor such a model.
        ModelFileError: the model is damaged.
    """
    if is_folder(source):
        state = load_state(Path(source) / CHECKPOINT, ("module", "average"))
        return {**state["module"], **state["average"]}
    return {name: tensor.detach() for name, tensor in module_of(source).state_dict().items()}


def module_of(name: str) -> nn.ModuleDict:
    """Return the "autoencoder" of a model, and its "prior" if it has a learnt one.

    The prior is thawed, so it has the precision of its integers.

    Args:
        name: name, fingerprint or path of the model.

    Raises:
        MissingModelError: there is no such model.
        ModelFileError: the model is damaged.
    """
    file = read_named_file(name)
    with refusing_unusable(name):
        build_model(file)  # checks tables and tensors
        return module_of_file(file)


def check_reference(name: str, modality: str) -> None:
    """Check that held-out files can be compared with a model.

    Raises:
        ConfigError: there is no such model, it is of another modality, or its prior is not learnt.
    """
    try:
        tables = read_named_file(name).tables
    except MissingModelError as error:
        raise ConfigError(f"reference: {error}") from error
    if tables["modality"] != modality:
        raise ConfigError(f"reference: {name!r} is a model for {tables['modality']}")
    if not is_learnt(tables["prior"]):
        raise ConfigError(f"reference: {name!r} has no learnt prior, whose bits could be compared")


def module_of_file(file: ModelFile) -> nn.ModuleDict:
    """Return the "autoencoder" of a model file, and its "prior" if it has a learnt one."""
    autoencoder, table = load_autoencoder(file), file.tables["prior"]
    module = nn.ModuleDict({"autoencoder": autoencoder})
    quantizer = autoencoder.quantizer
    if is_learnt(table):
        prior = build_prior_network(table, quantizer.codebook_sizes)
        fractions = quantizer.rate_fraction(torch.arange(256)).clamp(0, 1)
        prior.thaw(file.part("prior."), fractions)
        module["prior"] = prior
    return module


NETWORKS = ("autoencoder.encoder.", "autoencoder.decoder.")
PRIOR = "prior."
QUANTIZER = "autoencoder.quantizer."
STEPS = "autoencoder.quantizer.log_gain"  # of a lattice


class Started(NamedTuple):
    """What a source of initial weights had."""

    dim: int  # of its latents
    quantizer: bool  # of the same kind and size, so that its weights were taken


def start_from(module: nn.ModuleDict, source: str) -> Started:
    """Load the weights of a run or a model into the "autoencoder" and the "prior" of a module.

    Weights of the prior that the source lacks, or whose shapes differ, keep their initial values,
    and are counted on stderr. So do `ADDITIONS`, which are not counted.
    Networks of pictures, and priors of grids and planes, may be larger than those of the source.
    The decoder's weights of new latents are then zero; see `start_new_latents`. If the source has
    another kind of quantizer, only its networks are taken. Steps that are not learnt become the
    recipe's.

    Raises:
        ConfigError: the networks of the source are different.
    """
    own = module.state_dict()
    found = in_phases_of(own, weights_of(source))
    autoencoder = module["autoencoder"]
    assert isinstance(autoencoder, Autoencoder)
    quantizer = _of_quantizer(own) == _of_quantizer(found)
    if not quantizer:
        found = {name: weight for name, weight in found.items() if name.startswith(NETWORKS)}
    elif (
        isinstance(autoencoder.quantizer, LatticeModule) and own[STEPS].shape == found[STEPS].shape
    ):
        found[STEPS] = _steps_for(autoencoder.quantizer, found[STEPS], source)
    other = ConfigError(f"{source}: its networks are not those of the recipe")
    if any(name.startswith("autoencoder.") and name not in own for name in found):
        raise other
    can_grow, dim = autoencoder.pair.extend is not None, autoencoder.modality.config.dim
    grow_prior = prior_can_grow(own, found)
    kept = {
        name: weight
        for name, weight in found.items()
        if not name.startswith(PRIOR)
        or grow_prior
        or (name in own and weight.shape == own[name].shape)
    }
    misfits = [name for name, weight in kept.items() if weight.shape != own[name].shape]
    if not can_grow and any(not name.startswith(PRIOR) for name in misfits):
        raise other
    try:
        grown = grow_weights(own, kept)
    except ConfigError as error:  # some are smaller
        raise other from error
    missing, _ = module.load_state_dict(grown, strict=False)
    needed = [name for name in missing if all(part not in name for part in ADDITIONS)]
    if any(name.startswith(NETWORKS) for name in needed):
        raise other
    if can_grow:
        dim = len(found["autoencoder.encoder.linear.weight"])
    if process_rank() == 0:
        _tell_new_weights(own, missing, source)
    return Started(dim, quantizer)


def _tell_new_weights(own: Collection[str], missing: Collection[str], source: str) -> None:
    size, num_new = (sum(name.startswith(PRIOR) for name in names) for names in (own, missing))
    if num_new:
        others = "the others are from" if num_new < size else "none are from"
        tell(printable(f"{num_new} of {size} weights of the prior are new, {others} {source}"))


def _steps_for(quantizer: LatticeModule, log_gain: Tensor, source: str) -> Tensor:
    """Return the steps of a source for a quantizer: as they are if the quantizer learns them."""
    if quantizer.config.learn_steps:
        return log_gain
    if is_folder(source):
        table = parse_recipe(read_recipe_of(Path(source))).quantizer
    else:
        table = read_named_file(source).tables["quantizer"]
    _, rest = QUANTIZERS.split(table)
    return quantizer.with_own_steps(log_gain, build_config(LatticeConfig, rest, "quantizer"))


def _of_quantizer(weights: Mapping[str, Tensor]) -> set[str]:
    return {name for name in weights if name.startswith(QUANTIZER)}
