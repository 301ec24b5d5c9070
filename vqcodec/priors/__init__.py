"""Priors over indices: uniform, histogram and learnt, by the name that recipes use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vqcodec.config import build_config
from vqcodec.errors import ConfigError
from vqcodec.priors.base import Prior
from vqcodec.priors.config import FramesPriorConfig, GridPriorConfig
from vqcodec.priors.integer import Tensors


def build_prior(
    table: Mapping[str, Any],
    codebook_sizes: tuple[int, ...],
    tensors: Tensors,
    dtype: type[Any] = np.float64,
) -> Prior:
    """Return the frozen prior of a model file's table and tensors.

    Raises:
        ConfigError: there is no such kind, or a key or value is wrong.
        ModelFileError: a tensor is missing or does not fit.
    """
    rest = dict(table)
    kind = rest.pop("kind", None)
    if kind == "grid":
        from vqcodec.priors.grid import GridPrior

        config = build_config(GridPriorConfig, rest, "prior")
        return GridPrior(config, codebook_sizes, tensors, dtype)
    if kind == "frames":
        from vqcodec.priors.frames import FramesPrior

        frames = build_config(FramesPriorConfig, rest, "prior")
        return FramesPrior(frames, codebook_sizes, tensors, dtype)
    if kind in ("uniform", "histogram") and not rest:
        from vqcodec.priors.static import HistogramPrior, UniformPrior

        if kind == "uniform":
            return UniformPrior(codebook_sizes)
        return HistogramPrior(codebook_sizes, tensors)
    raise ConfigError(f"prior.kind: {kind!r} is not 'grid', 'frames', 'histogram' or 'uniform'")
