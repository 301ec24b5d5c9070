"""The prior of a trained run in integers, as its model file holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.errors import UsageError
from vqcodec.priors.static import count_indices
from vqcodec.training.data import read_data_of_run
from vqcodec.training.modality import Dataset
from vqcodec.training.trained_run import TrainedRun

HISTOGRAM_BATCHES = 20


def freeze_prior(
    trained: TrainedRun, kind: str | None = None, dataset: Dataset | None = None
) -> dict[str, NDArray[Any]]:
    """Return the integer tensors of a run's prior, or of a prior of another kind for its indices.

    A histogram counts indices of `dataset`, or else of the run's training files.

    Raises:
        UsageError: the run has no prior yet.
    """
    kind = kind or trained.recipe.prior.get("kind")
    quantizer = trained.autoencoder.quantizer
    if kind == "uniform":
        return {}
    if kind == "histogram":
        dataset = dataset or read_data_of_run(trained).dataset
        return count_indices(indices_in_training(trained, dataset, None), quantizer.codebook_sizes)
    if trained.prior is None:
        raise UsageError("the run has no prior yet; fit one with 'vqcodec train prior'")
    positions = quantizer.rate_fraction(torch.arange(256)).clamp(0, 1)
    frozen: dict[str, NDArray[Any]] = trained.prior.freeze(positions)
    return frozen


def indices_in_training(
    trained: TrainedRun, dataset: Dataset, rate: Tensor | None
) -> list[NDArray[np.int64]]:
    """Return indices [K', ...] of some training excerpts, at a rate [1] or at every rate."""
    quantizer = trained.autoencoder.quantizer
    seen = []
    for number in range(HISTOGRAM_BATCHES):
        generator = np.random.default_rng([trained.seed, 2, number])
        signal = dataset.signals(8, generator)
        rates = quantizer.sample_rates(8) if rate is None else rate.expand(8)
        if rate is None and quantizer.in_use(rates) is not None:  # all codebooks have to be used
            rates = torch.full_like(rates, quantizer.config.rate_of(10))
        indices = trained.autoencoder.indices_of(signal, rates).transpose(0, 1).flatten(1).numpy()
        used = quantizer.num_codebooks if rate is None else quantizer.config.codebooks_at(int(rate))
        seen.append(indices[:used])
    return seen
