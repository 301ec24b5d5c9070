"""Frozen priors over indices: uniform, histogram and learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vqcodec.config import build_config
from vqcodec.priors.base import Prior
from vqcodec.priors.integer import Tensors
from vqcodec.registry import Kind, Registry, imported

PRIORS = Registry(
    "prior.kind",
    {
        "grid": Kind(
            config="vqcodec.priors.config:GridPriorConfig",
            runtime="vqcodec.priors.grid:GridPrior",
            training="vqcodec.networks.priors.grid:GridPriorNetwork",
        ),
        "frames": Kind(
            config="vqcodec.priors.config:FramesPriorConfig",
            runtime="vqcodec.priors.frames:FramesPrior",
            training="vqcodec.networks.priors.frames:FramesPriorNetwork",
        ),
        "plane": Kind(
            config="vqcodec.priors.config:PlanePriorConfig",
            runtime="vqcodec.priors.plane:PlanePrior",
            training="vqcodec.networks.priors.plane:PlanePriorNetwork",
        ),
        "histogram": Kind(
            config="vqcodec.priors.config:StaticPriorConfig",
            runtime="vqcodec.priors.static:HistogramPrior",
        ),
        "uniform": Kind(
            config="vqcodec.priors.config:StaticPriorConfig",
            runtime="vqcodec.priors.static:UniformPrior",
        ),
    },
)


def is_learnt(table: Mapping[str, Any]) -> bool:
    """Return whether the prior of a [prior] table is a trained network.

    Raises:
        ConfigError: the kind is unknown.
    """
    return bool(PRIORS.split(table)[0].training)


def build_prior(
    table: Mapping[str, Any],
    codebook_sizes: tuple[int, ...],
    tensors: Tensors,
    dtype: type[Any] = np.float64,
) -> Prior:
    """Return the frozen prior for a model file's table and tensors.

    Args:
        table: [prior] of a recipe or a model file.
        codebook_sizes: N of each of the K codebooks.
        tensors: of the prior, see `Prior.tensors`.
        dtype: the type of its integers, float64 or int64.

    Raises:
        ConfigError: the kind, a key or a value is wrong.
        ModelFileError: a tensor is missing or does not fit.
    """
    kind, rest = PRIORS.split(table)
    config = build_config(imported(kind.config), rest, "prior")
    prior: Prior = imported(kind.runtime)(config, codebook_sizes, tensors, dtype)
    return prior
