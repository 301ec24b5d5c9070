"""Fitting of the decoder, or of networks, quantizer and prior together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.training.adapt.fitting import Fitting
from vqcodec.training.modality import Batch, training_side
from vqcodec.training.objective import loss_terms
from vqcodec.training.recipe import Recipe
from vqcodec.training.validation import evenly_spaced_rates

HELD_OUT_ITEMS = 16
HELD_OUT_RATES = 4


class NetworksFitting(Fitting):
    """Loss on random excerpts at random rates, by the objective of the model's recipe.

    The figure of held-out files is the same loss on a fixed batch of their excerpts, with rounded
    indices.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        prior: PriorNetwork | None,
        recipe: Recipe,
        train: Sequence[Path],
        stopping: Sequence[Path],
        seed: int,
    ) -> None:
        """Read all files. With a prior, its bits are a part of the loss."""
        self.autoencoder, self.prior, self.recipe = autoencoder, prior, recipe
        self.modality = training_side(autoencoder.modality)
        self.dataset = self.modality.dataset(train, recipe.data)
        self.batch_size = recipe.schedule.batch_size
        self.gradient_limit = recipe.schedule.gradient_limit
        held_out = self.modality.dataset(stopping, recipe.data)
        generator = np.random.default_rng([seed, 8])
        self.rates = evenly_spaced_rates(autoencoder.quantizer, HELD_OUT_RATES)
        self.stopping = [
            held_out.batch(max(1, HELD_OUT_ITEMS // len(self.rates)), generator) for _ in self.rates
        ]

    def loss(self, generator: np.random.Generator) -> Tensor:
        """Return the loss of a random batch."""
        batch = self.dataset.batch(self.batch_size, generator)
        rate = self.autoencoder.quantizer.sample_rates(self.batch_size)
        return self._terms(batch, rate, relax=self.prior is not None)["total"]

    def held_out(self) -> float:
        """Return the mean loss of the excerpts to stop by, with noise that is always the same."""
        state = torch.random.get_rng_state()
        torch.manual_seed(0)
        losses = []
        for rate, batch in zip(self.rates, self.stopping, strict=True):
            rates = torch.full((len(batch.signal),), rate)
            losses.append(float(self._terms(batch, rates, relax=False)["total"]))
        torch.random.set_rng_state(state)
        return sum(losses) / len(losses)

    def _terms(self, batch: Batch, rate: Tensor, *, relax: bool) -> dict[str, Tensor]:
        return loss_terms(
            self.autoencoder,
            self.prior,
            self.modality,
            self.recipe.objective,
            batch,
            rate,
            relax=relax,
        )


class DecoderFitting(NetworksFitting):
    """The decoder alone: encoder, quantizer and prior, and so the fingerprint, stay."""

    name = "decoder"
    learning_rate = 7e-5

    def __init__(
        self,
        autoencoder: Autoencoder,
        recipe: Recipe,
        train: Sequence[Path],
        stopping: Sequence[Path],
        seed: int,
    ) -> None:
        super().__init__(autoencoder, None, recipe, train, stopping, seed)
        autoencoder.requires_grad_(False)
        autoencoder.decoder.requires_grad_(True)
        self.module = autoencoder.decoder


class JointFitting(NetworksFitting):
    """Networks, quantizer and prior together, as in joint training."""

    name = "all"
    learning_rate = 5e-5
    prior_learning_rate = 3e-4

    def __init__(
        self,
        autoencoder: Autoencoder,
        prior: PriorNetwork,
        recipe: Recipe,
        train: Sequence[Path],
        stopping: Sequence[Path],
        seed: int,
    ) -> None:
        super().__init__(autoencoder, prior, recipe, train, stopping, seed)
        self.module = nn.ModuleDict({"autoencoder": autoencoder, "prior": prior})

    def groups(self) -> list[tuple[nn.Module, float]]:
        """Return the parts and the highest learning rate of each."""
        assert self.prior is not None
        return [
            (self.autoencoder, self.learning_rate),
            (self.prior, self.prior_learning_rate),
        ]
