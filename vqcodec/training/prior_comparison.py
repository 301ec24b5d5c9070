"""The prior of a trained run beside others, by bits per index."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.priors import build_prior
from vqcodec.training.data import TrainingData, read_data_of_run
from vqcodec.training.frozen_prior import freeze_prior, indices_in_training
from vqcodec.training.trained_run import TrainedRun
from vqcodec.training.validation import evenly_spaced_rates

JUDGED_RATES = 3


def judge_priors(trained: TrainedRun, data: TrainingData | None = None) -> dict[str, float]:
    """Return bits per index on held-out files: fixed width, histogram, float and integer prior.

    The files are those of `data`, or else those of the run.

    Fixed width is log2 of the range of indices of a codebook, as seen in training at that rate.
    Figures are means over files and over rates from coarse to fine. The figure of the integer
    prior is the size of its payload.
    """
    recipe, quantizer = trained.recipe, trained.autoencoder.quantizer
    data = data or read_data_of_run(trained)
    tensors = freeze_prior(trained, dataset=data.dataset)
    frozen = build_prior(recipe.prior, quantizer.codebook_sizes, tensors)
    sums = {"uniform": 0.0, "histogram": 0.0, "float": 0.0, "integer": 0.0}
    count = 0
    for rate in torch.tensor(evenly_spaced_rates(quantizer, JUDGED_RATES))[:, None]:
        seen = np.concatenate([
            batch.reshape(len(batch), -1)
            for batch in indices_in_training(trained, data.dataset, rate)
        ], axis=1)  # fmt: skip
        width = np.log2(seen.max(axis=1) - seen.min(axis=1) + 1.0)  # [K']
        histogram = _histogram_bits(seen, quantizer.codebook_sizes[0])
        for signal in data.held_out:
            indices = trained.autoencoder.indices_of(signal, rate)
            bits = _float_bits(trained, indices, rate)
            own = indices[0, : len(seen)].numpy()
            books = np.arange(len(own))[:, None]
            sums["uniform"] += float(width.sum()) * own[0].size
            sums["histogram"] += float(histogram[books, own.reshape(len(own), -1)].sum())
            sums["float"] += bits
            sums["integer"] += 8 * sum(map(len, frozen.compress([own], int(rate))))
            count += own.size
    if trained.prior is None:
        del sums["float"]
    return {name: total / count for name, total in sums.items()}


def _float_bits(trained: TrainedRun, indices: Tensor, rate: Tensor) -> float:
    """Return the bits of indices [1, K, ...] by the prior in floats; 0 if there is none."""
    if trained.prior is None:
        return 0.0
    quantizer = trained.autoencoder.quantizer
    with torch.no_grad():
        bits = trained.prior.bits(indices, quantizer.rate_fraction(rate), quantizer.in_use(rate))
    return float(bits.sum())


def _histogram_bits(seen: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return the cost [K', N] of indices by their frequencies in [K', M]."""
    counts = np.stack([np.bincount(row, minlength=size) for row in seen]) + 0.1
    bits: NDArray[np.float64] = -np.log2(counts / counts.sum(axis=1, keepdims=True))
    return bits
