"""Validation: rate and distortion of held-out files by hard indices, and BD-rate to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.precision import in_full_precision
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.quantizers.base import QuantizerModule
from vqcodec.networks.quantizers.usage import usage_of
from vqcodec.training.modality import training_side

NUM_RATES = 7

Terms = Mapping[int, Mapping[str, float]]  # means over excerpts, by rate byte and name


@torch.no_grad()
def held_out_terms(
    module: nn.ModuleDict, excerpts: Sequence[Tensor], distortion: str, device: str
) -> Terms:
    """Return the terms of the loss on excerpts, in 32 bits, at rates from coarse to fine.

    Indices are rounded as in a stream. The rate is that of the prior in floats; payloads of the
    frozen prior differ by less than one per cent. "quality_db" is -10 * log10 of the minimised
    distortion: for squared errors, PSNR minus a constant.

    Args:
        module: "autoencoder", and "prior" if there is one.
        excerpts: [1, C, ...], of one held-out file each.
        distortion: its name in the recipe's objective.
        device: of the module.
    """
    parts = dict(module.items())
    autoencoder, prior = parts["autoencoder"], parts.get("prior")
    assert isinstance(autoencoder, Autoencoder)
    modality = training_side(autoencoder.modality)
    values: dict[int, dict[str, list[float]]] = {}
    with in_full_precision(module):
        for excerpt in excerpts:
            signal = excerpt.to(device)
            for rate in _judged_rates(autoencoder):
                own = values.setdefault(rate, {})
                rates = torch.tensor([rate], device=device)
                reconstruction, quantized = autoencoder(signal, rates)
                terms = modality.distortion(reconstruction, signal, distortion)
                terms["quality_db"] = -10 * torch.log10(terms.pop("total"))
                if prior is not None:
                    assert isinstance(prior, PriorNetwork)
                    bits = _bits(autoencoder, prior, quantized.indices, rates)
                    terms["rate"] = modality.rate_of_bits(bits, signal)
                usage = usage_of(quantized.indices, autoencoder.quantizer.codebook_sizes[0])
                terms |= {"usage": usage.share, "perplexity": usage.perplexity}
                for name, term in terms.items():
                    own.setdefault(name, []).append(float(term.mean()))
    return {
        rate: {name: sum(found) / len(found) for name, found in own.items()}
        for rate, own in values.items()
    }


def rate_gap(reference: Terms, other: Terms) -> float:
    """Return the average rate difference in per cent at equal quality (Bjøntegaard 2001).

    It is negative if `other` needs fewer bits. The logarithm of the rate is interpolated linearly.
    The result is NaN if the ranges of quality do not overlap.
    """
    curves = [_curve(terms) for terms in (reference, other)]
    low = max(qualities[0] for qualities, _ in curves)
    high = min(qualities[-1] for qualities, _ in curves)
    if low >= high:
        return float("nan")
    levels = np.linspace(low, high, 101)
    old, new = (np.interp(levels, qualities, logs).mean() for qualities, logs in curves)
    return 100 * float(np.expm1(new - old))


def _curve(terms: Terms) -> tuple[list[float], list[float]]:
    """Return qualities in dB, ascending, and the logarithms of their rates."""
    points = sorted((own["quality_db"], float(np.log(own["rate"]))) for own in terms.values())
    qualities, logs = zip(*points, strict=True)
    return list(qualities), list(logs)


def _bits(autoencoder: Autoencoder, prior: PriorNetwork, indices: Tensor, rate: Tensor) -> Tensor:
    """Return the bits [B] of indices [B, K, ...] at rates [B]."""
    quantizer = autoencoder.quantizer
    bits = prior.bits(indices, quantizer.rate_fraction(rate), quantizer.in_use(rate))
    return bits.flatten(1).sum(1)


def _judged_rates(autoencoder: Autoencoder) -> list[int]:
    """Return evenly spaced rate bytes from the coarsest to the finest trained rate."""
    torch.manual_seed(0)
    rates = torch.unique(autoencoder.quantizer.sample_rates(4096))
    places = torch.linspace(0, len(rates) - 1, NUM_RATES).round().long()
    return torch.unique(rates[places]).tolist()  # type: ignore[no-any-return]


def evenly_spaced_rates(quantizer: QuantizerModule, number: int) -> list[int]:
    """Return rate bytes from coarse to fine, `number` of them at most."""
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    rates = torch.unique(quantizer.sample_rates(4096))
    torch.random.set_rng_state(state)
    places = torch.linspace(0, len(rates) - 1, number + 2)[1:-1].round().long()
    return torch.unique(rates[places]).tolist()  # type: ignore[no-any-return]
