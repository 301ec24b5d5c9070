"""Growing: the weights of a smaller model in a larger one, and the start of new latents."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from vqcodec.errors import ConfigError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.quantizers.lattice import LatticeModule
from vqcodec.priors.config import KERNEL_SIZES, PERIODS
from vqcodec.priors.order import Size, known_taps, phase_offsets, phase_ranks
from vqcodec.training.modality import Dataset

NUM_PATCHES = 40_000  # in the regression for new latents
CROPS = 8  # in one batch of it

# Convolutions of the grid prior; their inputs are the state, then features.
_OF_STATE_AND_FEATURES = re.compile(r"prior\.predictors\.\d+\.update\.weight")
# The same without states around: [taps, W], of features up to the middle, the state, and others.
_NARROW = re.compile(r"prior\.predictors\.\d+\.update\.taps")
# The size of this weight gives the number of codebooks in a group.
_HEAD = re.compile(r"prior\.predictors\.\d+\.head\.weight")
# The weights of a group's context, and the bias of each phase.
_CONTEXT = re.compile(r"prior\.predictors\.\d+\.context")


def grow_weights(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the found weights, enlarged to the shapes of a larger network of the same kind.

    The weights from new inputs to old outputs are zero, so that old outputs stay the same. New
    outputs keep their own weights for all inputs. New columns of tables over rates are zero.

    Args:
        own: weights of the larger network, just built.
        found: weights of the smaller one; `own` has all their names.

    Raises:
        ConfigError: a weight is larger than the one of the same name in `own`.
    """
    grown = {}
    for name, weight in found.items():
        if _NARROW.fullmatch(name):
            num_features = own[name.replace("update.taps", "context")].shape[2]
            pairs = zip(
                _narrow_parts(own[name], num_features),
                _narrow_parts(weight, num_features),
                strict=True,
            )
            grown[name] = torch.cat([_enlarge(name, *pair) for pair in pairs], dim=1).T
        elif _OF_STATE_AND_FEATURES.fullmatch(name):
            parts = (
                _enlarge(name, own[name][:, : len(own[name])], weight[:, : len(weight)]),
                _enlarge(name, own[name][:, len(own[name]) :], weight[:, len(weight) :]),
            )
            grown[name] = torch.cat(parts, dim=1)
        else:
            grown[name] = _enlarge(name, own[name], weight)
    return grown


def _narrow_parts(taps: Tensor, num_features: int) -> tuple[Tensor, ...]:
    """Return the weights [W, n] of a narrow update for each of its three parts."""
    num_taps, width = taps.shape
    num_places = (num_taps - width) // num_features
    before = num_places // 2 * num_features
    sizes = [before, width, num_taps - width - before]
    return torch.split(taps.T, sizes, dim=1)


def _enlarge(name: str, own: Tensor, old: Tensor) -> Tensor:
    """Return a tensor of the shape of `own` with `old` in its leading corner."""
    if own.dim() != old.dim() or any(o < n for o, n in zip(own.shape, old.shape, strict=True)):
        raise ConfigError(f"{name}: {list(old.shape)} does not fit into {list(own.shape)}")
    enlarged = own.clone()
    if old.dim():
        enlarged[: len(old)] = 0
    enlarged[tuple(slice(0, size) for size in old.shape)] = old
    return enlarged


def in_phases_of(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the found weights, with contexts of the grid prior in the phases and taps of `own`.

    Where a phase is split into several, each of them begins with its weights, and new taps begin
    with zeros. So the prior computes the same. Contexts that are larger than the own ones stay as
    they are.
    """
    changed = dict(found)
    for name in filter(_CONTEXT.fullmatch, found):
        bias = f"{name.removesuffix('context')}phase_bias"
        if name in own and bias in own and bias in found:
            changed[name], changed[bias] = _split_phases(
                _grid_of(own[name], own[bias]), found[name], found[bias]
            )
    return changed


def _grid_of(context: Tensor, bias: Tensor) -> tuple[Size, Size] | None:
    """Return the cell and the kernel of a context [W, taps, C] and its biases [P, W].

    None if it is not the context of a square cell.
    """
    period = math.isqrt(len(bias))
    if period not in PERIODS or period**2 != len(bias):
        return None
    grids = (((period, period), (size, size)) for size in KERNEL_SIZES)
    return next((grid for grid in grids if known_taps(*grid).sum() == context.shape[1]), None)


def _split_phases(
    grid: tuple[Size, Size] | None, context: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a context and its biases for a cell and a kernel that may be larger."""
    old_grid = _grid_of(context, bias)
    if grid is None or old_grid is None:
        return context, bias
    (cell, kernel), (old_cell, old_kernel) = grid, old_grid
    if cell < old_cell or kernel < old_kernel:
        return context, bias
    ranks = phase_ranks(old_cell)
    old_phases = [int(ranks[y % old_cell[0], x % old_cell[1]]) for y, x in phase_offsets(cell)]
    known, old_known = known_taps(cell, kernel), known_taps(old_cell, old_kernel)
    old = context.new_zeros(*old_known.shape, len(context), context.shape[2])
    old[torch.from_numpy(old_known)] = context.transpose(0, 1)
    kernels = context.new_zeros(*known.shape, len(context), context.shape[2])
    inner = slice((kernel[0] - old_kernel[0]) // 2, (kernel[0] + old_kernel[0]) // 2)
    kernels[:, inner, inner] = old[old_phases]
    return kernels[torch.from_numpy(known)].transpose(0, 1).contiguous(), bias[old_phases]


def prior_can_grow(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> bool:
    """Return whether the found prior fits into the own one: its first groups, at most as wide.

    Bands and slots of a plane have to be the same.
    """
    old = {name: weight for name, weight in found.items() if name.startswith("prior.")}
    heads = [name for name in old if _HEAD.fullmatch(name)]
    return (
        bool(heads)
        and all(name in own and own[name].dim() == old[name].dim() for name in old)
        and all(len(own[n]) == len(w) for n, w in old.items() if n in heads or n.endswith("_state"))
        and all(own[n].shape[d] >= s for n, w in old.items() for d, s in enumerate(w.shape))
        and all(own[n].shape[1:] == w.shape[1:] for n, w in old.items() if n.endswith(".context"))
    )


@torch.no_grad()
def start_new_latents(
    autoencoder: Autoencoder, first: int, dataset: Dataset, generator: np.random.Generator
) -> None:
    """Make the latents from `first` on code the residual of the others, at their median step.

    Raises:
        ConfigError: networks or quantizer of this kind cannot get more latents.
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
