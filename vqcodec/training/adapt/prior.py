"""Fitting of a prior to the indices of a kind of files; the encoder is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqcodec.codec.parts import Parts
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.quantizers.base import QuantizerModule
from vqcodec.signals.files import read_signal
from vqcodec.training.adapt.bank import IndexBank, IndexBatch
from vqcodec.training.adapt.budget import Budget
from vqcodec.training.adapt.fitting import Fitting
from vqcodec.training.validation import evenly_spaced_rates

POSITIONS = 2048  # of one batch
BANK_SHARE = 0.15  # of the time, for encoding
HELD_OUT_RATES = 3
LEARNING_RATES = {1: 1e-4, 2: 5e-4}  # by the axes of the grid


class PriorFitting(Fitting):
    """A prior network, indices to train on, and indices to stop by."""

    name = "prior"

    def __init__(
        self,
        prior: PriorNetwork,
        parts: Parts,
        quantizer: QuantizerModule,
        train: Sequence[Path],
        stopping: Sequence[Path],
        budget: Budget,
        seed: int,
    ) -> None:
        """Encode all files, which takes `BANK_SHARE` of the budget."""
        self.module, self.prior, self.quantizer = prior, prior, quantizer
        self.learning_rate = LEARNING_RATES[parts.modality.num_axes]
        torch.manual_seed(seed)
        self.bank = IndexBank(parts, quantizer)
        self.bank.fill(train, budget.part(BANK_SHARE), np.random.default_rng([seed, 6]))
        held_out = IndexBank(parts, quantizer)
        for path in stopping:
            signal = read_signal(path)
            for rate in evenly_spaced_rates(quantizer, HELD_OUT_RATES):
                held_out.add(signal, rate)
        self.stopping = [held_out.whole(entry) for entry in held_out.entries]

    def loss(self, generator: np.random.Generator) -> Tensor:
        """Return the mean bits of an index."""
        batch = self.bank.batch(POSITIONS, generator)
        return self._bits(batch) / self._num_used(batch)

    def held_out(self) -> float:
        """Return the mean bits of an index of the files to stop by."""
        bits = sum(float(self._bits(batch)) for batch in self.stopping)
        return bits / sum(self._num_used(batch) for batch in self.stopping)

    def _bits(self, batch: IndexBatch) -> Tensor:
        quantizer = self.quantizer
        fraction, in_use = quantizer.rate_fraction(batch.rate), quantizer.in_use(batch.rate)
        return (self.prior.bits(batch.indices, fraction, in_use) * batch.known).sum()

    def _num_used(self, batch: IndexBatch) -> float:
        in_use = self.quantizer.in_use(batch.rate)
        positions = batch.known.flatten(1).sum(1)
        if in_use is None:
            return float(positions.sum()) * self.quantizer.num_codebooks
        return float((positions * in_use.sum(1)).sum())
