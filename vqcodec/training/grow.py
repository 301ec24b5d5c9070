"""Weights of a smaller model in a larger one that computes the same, and its new latents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from vqcodec.errors import ConfigError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.quantizers.lattice import LatticeModule
from vqcodec.training.modality import Dataset

NUM_PATCHES = 40_000  # of which new latents are a regression
CROPS = 8  # that are looked at together

# Convolutions of the grid prior whose inputs are its state and, after that, features.
_OF_STATE_AND_FEATURES = re.compile(r"prior\.predictors\.\d+\.update\.weight")
# The number of its outputs says which codebooks a predictor is for.
_HEAD = re.compile(r"prior\.predictors\.\d+\.head\.weight")


def grow_weights(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the found weights in the shapes that a larger network of the same kind has.

    Old outputs see nothing of new inputs, so they stay the same; new outputs see all inputs with
    the weights they have now. What is new in a table over rates starts at zero.

    Args:
        own: weights of the larger network, just built.
        found: weights of the smaller one; all are in `own`.

    Raises:
        ConfigError: a weight is larger than that of the same name in `own`.
    """
    grown = {}
    for name, weight in found.items():
        if _OF_STATE_AND_FEATURES.fullmatch(name):
            parts = (
                _enlarge(name, own[name][:, : len(own[name])], weight[:, : len(weight)]),
                _enlarge(name, own[name][:, len(own[name]) :], weight[:, len(weight) :]),
            )
            grown[name] = torch.cat(parts, dim=1)
        else:
            grown[name] = _enlarge(name, own[name], weight)
    return grown


def _enlarge(name: str, own: Tensor, old: Tensor) -> Tensor:
    """Return `old` in the leading corner of a tensor like `own`."""
    if own.dim() != old.dim() or any(o < n for o, n in zip(own.shape, old.shape, strict=True)):
        raise ConfigError(f"{name}: {list(old.shape)} does not fit into {list(own.shape)}")
    enlarged = own.clone()
    if old.dim():
        enlarged[: len(old)] = 0
    enlarged[tuple(slice(0, size) for size in old.shape)] = old
    return enlarged


def prior_can_grow(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> bool:
    """Return whether a found prior's groups are the first groups of the own one, no less wide."""
    old = {name: weight for name, weight in found.items() if name.startswith("prior.")}
    heads = [name for name in old if _HEAD.fullmatch(name)]
    return (
        bool(heads)
        and all(name in own and own[name].dim() == old[name].dim() for name in old)
        and all(len(own[name]) == len(old[name]) for name in heads)
        and all(own[n].shape[d] >= s for n, w in old.items() for d, s in enumerate(w.shape))
        and all(own[n].shape[1:] == w.shape[1:] for n, w in old.items() if n.endswith(".context"))
    )


@torch.no_grad()
def start_new_latents(
    autoencoder: Autoencoder, first: int, dataset: Dataset, generator: np.random.Generator
) -> None:
    """Make latents `first` on code what the others leave, each at the others' median step.

    Raises:
        ConfigError: the recipe's networks or quantizer cannot be given more latents.
    """
    extend, quantizer = autoencoder.pair.extend, autoencoder.quantizer
    if extend is None or not isinstance(quantizer, LatticeModule):
        raise ConfigError("network.dim: only pictures on a lattice grow by more latents")
    device = quantizer.log_gain.device

    def batches() -> Iterator[Tensor]:
        left = NUM_PATCHES
        while left > 0:
            batch = dataset.signals(CROPS, generator).to(device)
            left -= batch[:, 0].numel() // autoencoder.modality.geometry.step**2
            yield batch

    deviations = extend(autoencoder.encoder, autoencoder.decoder, batches(), first)  # [D]
    steps = deviations[:first] / quantizer.log_gain[:, :first].exp()  # [J, first]
    median = steps.median(dim=1, keepdim=True).values
    quantizer.log_gain[:, first:] = (deviations[first:] / median).log()
