"""What a new training starts from: the weights of another run, or of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vqcodec.codec.checkpoint import load_checkpoint
from vqcodec.codec.zoo import find_model, read_metadata
from vqcodec.errors import ConfigError
from vqcodec.priors import build_prior_network
from vqcodec.training.state import CHECKPOINT, load_state

# In the names of weights that may be missing: at the start such parts change nothing.
ADDITIONS = (".voice.", ".gate.")


def weights_of(source: str) -> dict[str, Tensor]:
    """Return the weights by name, "autoencoder.…" and "prior.…", of a run or a model.

    A run's are averages. A model's prior is thawed, so it has the precision of its integers.

    Args:
        source: folder of a run; or name, fingerprint or path of a model.

    Raises:
        InputError: the run's checkpoint is missing or damaged.
        MissingModelError: there is neither such a run nor such a model.
        ModelFileError: the model is damaged.
    """
    if Path(source).is_dir():
        state = load_state(Path(source) / CHECKPOINT)
        return {**state["module"], **state["average"]}
    return {name: tensor.detach() for name, tensor in module_of(source).state_dict().items()}


def module_of(name: str) -> nn.ModuleDict:
    """Return the "autoencoder" of a model and its "prior", thawed, if that is a learnt one.

    Args:
        name: name, fingerprint or path of the model.

    Raises:
        MissingModelError: there is no such model.
        ModelFileError: the model is damaged.
    """
    path = find_model(name).path
    model, table = load_checkpoint(path), read_metadata(path)["tables"]["prior"]
    module = nn.ModuleDict({"autoencoder": model.autoencoder})
    quantizer = model.autoencoder.quantizer
    if table["kind"] in ("grid", "frames"):
        prior = build_prior_network(table, quantizer.codebook_sizes)
        prior.thaw(model.prior.tensors(), quantizer.position(torch.arange(256)).clamp(0, 1))
        module["prior"] = prior
    return module


def start_from(module: nn.Module, source: str) -> None:
    """Give a module the weights of a run or a model; what that lacks of a prior stays new.

    So do the `ADDITIONS`.

    Raises:
        ConfigError: the networks there are others.
    """
    own = module.state_dict()
    found: Mapping[str, Tensor] = {
        name: tensor
        for name, tensor in weights_of(source).items()
        if not name.startswith("prior.") or (name in own and tensor.shape == own[name].shape)
    }
    other = ConfigError(f"{source}: its networks are not those of the recipe")
    try:
        missing, unknown = module.load_state_dict(found, strict=False)
    except RuntimeError as error:  # of another shape
        raise other from error
    needed = [name for name in missing if all(part not in name for part in ADDITIONS)]
    if any(name.startswith("autoencoder.") for name in [*needed, *unknown]):
        raise other
