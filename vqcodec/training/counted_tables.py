"""Frequencies of a prior's tables, counted in training excerpts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vqcodec.entropy.symbol_counter import SymbolCounter
from vqcodec.priors import build_prior
from vqcodec.priors.logistic import with_counts
from vqcodec.priors.plane import PlanePrior
from vqcodec.training.frozen_prior import freeze_prior
from vqcodec.training.modality import Dataset
from vqcodec.training.trained_run import TrainedRun

BATCHES, BATCH_SIZE = 40, 8


def count_tables(trained: TrainedRun, dataset: Dataset) -> dict[str, NDArray[Any]]:
    """Return the tables of a run's prior, with frequencies that are counted in training excerpts.

    The formula of the tables is a logistic. Indices differ from it: where a zero is predicted, it
    is more likely than that, above all among angles, and so are numbers far from it.
    """
    assert trained.prior is not None
    quantizer = trained.autoencoder.quantizer
    tensors = freeze_prior(trained) | trained.prior.make_tables()
    prior = build_prior(trained.recipe.prior, quantizer.codebook_sizes, tensors)
    assert isinstance(prior, PlanePrior)
    counter = SymbolCounter()
    for number in range(BATCHES):
        signals = dataset.signals(BATCH_SIZE, np.random.default_rng([trained.seed, 3, number]))
        torch.manual_seed(number)
        rates = quantizer.sample_rates(BATCH_SIZE)
        for indices, rate in zip(
            trained.autoencoder.indices_of(signals, rates).numpy(), rates.tolist(), strict=True
        ):
            prior.code([counter], [indices.shape], rate, [indices])
    return {
        coding.tables_name: with_counts(coding.tables.freqs, counter.counts[coding.tables])
        for coding in prior.codings
        if coding.tables in counter.counts
    }
