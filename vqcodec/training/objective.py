"""The loss of a training step: weighted distortion, plus bits if there is a prior."""

from __future__ import annotations

import math

from torch import Tensor

from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.quantizers.usage import usage_of
from vqcodec.training.modality import Batch, TrainingModality
from vqcodec.training.recipe import ObjectiveConfig


def loss_terms(
    autoencoder: Autoencoder,
    prior: PriorNetwork | None,
    modality: TrainingModality,
    objective: ObjectiveConfig,
    batch: Batch,
    rate: Tensor,
    *,
    relax: bool,
) -> dict[str, Tensor]:
    """Return the loss "total" [] and its terms, for B excerpts at rate [B].

    Args:
        autoencoder: networks and quantizer.
        prior: adds bits to the loss; None for distortion alone.
        modality: gives the distortion.
        objective: its kind and its weights.
        batch: of B excerpts.
        rate: [B], rate bytes.
        relax: whether the bits have a gradient to the encoder; they are then those of noisy
            indices, else of rounded ones.
    """
    signal, quantizer = batch.signal, autoencoder.quantizer
    reconstruction, quantized = autoencoder(
        batch.source, rate, recording=batch.recording, relax=relax
    )
    terms = modality.distortion(reconstruction, signal, objective.distortion)
    weight = objective.weight_at(quantizer.rate_fraction(rate))
    loss = weight * terms["total"]
    if prior is not None:
        bits = prior.bits(
            quantized.indices,
            quantizer.rate_fraction(rate),
            quantizer.in_use(rate),
            quantized.relaxed,
        )
        terms["rate"] = modality.rate_of_bits(bits.flatten(1).sum(1), signal)
        loss = loss + terms["rate"]
    usage = usage_of(quantized.indices, quantizer.codebook_sizes[0])
    terms |= {"usage": usage.share, "perplexity": usage.perplexity}
    middle = math.sqrt(objective.finest_weight * objective.coarsest_weight)
    loss = loss * (middle / weight) ** objective.balance
    return {**terms, "quantizer": quantized.loss, "total": loss.mean() + quantized.loss}
