"""Latents refined by gradient descent on one picture: fewer bytes for more time of the encoder.

An encoder is trained on many pictures, and its latents are not the best ones for a single picture.
Stochastic Gumbel annealing (Yang et al. 2020, arXiv:2006.04240) improves them: every latent is a
random choice between the integers around it, relaxed so that it has a gradient, and sharper from
step to step. The loss is that of the training. Decoders do not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from vqcodec.codec.graphs import Array, Networks, Progress
from vqcodec.codec.model import Model
from vqcodec.codec.zoo import read_named_file
from vqcodec.cores import num_threads
from vqcodec.errors import UsageError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.precision import (
    gains_by_bfloat16,
    in_full_precision,
    lay_channels_last,
    use_bfloat16,
)
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.quantizers.lattice import LatticeModule
from vqcodec.priors import is_learnt
from vqcodec.quantizers.lattice import LatticeQuantizer
from vqcodec.training.modality import TrainingModality, training_side
from vqcodec.training.recipe import ObjectiveConfig, parse_recipe
from vqcodec.training.start import module_of_file

LEARNING_RATE = 0.01  # in grid steps; falls to 0 over the last third
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.4, 0.1  # falls exponentially
WINDOW = 64  # positions; gradients of larger windows take gigabytes
MARGIN = 1e-4  # of a latent to the integers around it, so that logarithms are finite


@dataclass(frozen=True, eq=False)
class Refiner:
    """The networks of a model with gradients, and the objective that they were trained for."""

    autoencoder: Autoencoder
    prior: PriorNetwork
    modality: TrainingModality
    objective: ObjectiveConfig

    def to(self, device: str) -> Refiner:
        """Return the same refiner; its networks are moved to a device.

        Gradients are computed in bfloat16 where that is faster.
        """
        self.autoencoder.to(device)
        self.prior.to(device)
        for part in (self.autoencoder, self.prior):
            lay_channels_last(part)
            if gains_by_bfloat16(device):
                use_bfloat16(part)
        return self

    def refine(
        self, signal: Tensor, latents: Tensor, rate: Tensor, steps: int, report: Progress
    ) -> Array:
        """Return better latents [P, D, ...] on the grid of the quantizer, or else the same.

        Args:
            signal: [P, C, ...].
            latents: [P, D, ...] of the encoder.
            rate: [P] int64, rate bytes.
            steps: how many times the gradient is computed.
            report: is called with the share done, 0 … 1.
        """
        quantizer = self.autoencoder.quantizer
        assert isinstance(quantizer, LatticeModule)
        generator = torch.Generator(latents.device).manual_seed(0)
        gain, limit = quantizer.gain(rate, latents.dim()), quantizer.config.limit
        scaled = (latents * gain).clamp(MARGIN - limit, limit - MARGIN).requires_grad_()
        optimizer = torch.optim.Adam([scaled], lr=LEARNING_RATE)
        for step in range(steps):
            share = step / steps
            temperature = FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** share
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, 3 * (1 - share))
            optimizer.zero_grad()
            loss = self._loss(signal, relaxed(scaled, temperature, generator), gain, rate)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                scaled.clamp_(MARGIN - limit, limit - MARGIN)
            report((step + 1) / steps)
        with torch.no_grad(), in_full_precision(self.autoencoder), in_full_precision(self.prior):
            before, after = (
                self._loss(signal, each.round(), gain, rate) for each in (latents * gain, scaled)
            )
        found: Array = (scaled.detach().round() / gain if after < before else latents).cpu().numpy()
        return found

    def _loss(self, signal: Tensor, scaled: Tensor, gain: Tensor, rate: Tensor) -> Tensor:
        """Return weighted distortion plus bits, for latents in grid steps."""
        quantizer, objective = self.autoencoder.quantizer, self.objective
        fraction = quantizer.rate_fraction(rate)
        decoded = self.autoencoder.decoder(scaled / gain, fraction)
        distortion = self.modality.distortion(decoded, signal, objective.distortion)["total"]
        indices = scaled + self.prior.codebook_size // 2
        bits = self.prior.bits(indices, fraction, relaxed=scaled).flatten(1).sum(1)
        weighted = objective.weight_at(fraction) * distortion
        return (weighted + self.modality.rate_of_bits(bits, signal)).sum()


def relaxed(scaled: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return a random relaxed choice between the integers around each value, near one of them."""
    below = scaled.detach().floor()
    share = (scaled - below).clamp(MARGIN, 1 - MARGIN)
    uniform = torch.rand(share.shape, generator=generator, device=share.device)
    noise = torch.logit(uniform, 1e-7)  # logistic: the difference of two Gumbel variables
    preference = torch.atanh(share) - torch.atanh(1 - share)
    return below + torch.sigmoid((preference / temperature + noise) / temperature)


class RefiningNetworks(Networks):
    """Networks whose encoder refines its latents."""

    def __init__(
        self,
        graphs: Mapping[str, bytes],
        weights: Mapping[str, NDArray[Any]],
        device: str,
        refiner: Refiner,
        steps: int,
    ) -> None:
        super().__init__(graphs, weights, device)
        self.refiner, self.steps = refiner.to(device), steps

    def __getstate__(self) -> dict[str, Any]:
        """Leave out sessions: another process makes its own."""
        return {**super().__getstate__(), "refiner": self.refiner, "steps": self.steps}

    def to(self, device: str) -> Networks:
        """Return the same networks on a device; see `Networks.to`."""
        return RefiningNetworks(**{**self.__getstate__(), "device": device})

    def encode(
        self,
        signal: Array,
        rate_fraction: float,
        report: Progress = lambda _: None,
        *,
        release: bool = True,  # noqa: ARG002 - the refiner needs memory of its own now
    ) -> Array:
        """Return refined latents [P, D, ...] of a signal [P, C, ...], and report each step."""
        first = super().encode(signal, rate_fraction, report)
        latents: Array = self.refiner.refine(
            torch.from_numpy(signal).to(self.device),
            torch.from_numpy(first).to(self.device),
            torch.full((len(signal),), round(rate_fraction * 255), device=self.device),
            self.steps,
            report,
        )
        return latents


@lru_cache(maxsize=1)  # for all pictures of a command
def refined(model: Model, source: str, steps: int) -> Model:
    """Return a model that refines the latents of every picture that it compresses.

    Its streams are those of the same fingerprint, and the model itself decodes them.

    Args:
        model: of pictures, with a lattice and a learnt prior.
        source: its name, fingerprint, path or URL.
        steps: of gradient descent for each window of a picture; the time grows with them.

    Raises:
        UsageError: the model is of another kind.
    """
    file = read_named_file(source)
    is_lattice = file.tables["quantizer"].get("kind") == LatticeQuantizer.kind
    if file.tables["modality"] != "image" or not is_lattice or not is_learnt(file.tables["prior"]):
        raise UsageError(f"effort: model {model.name} is not one of pictures with a lattice")
    if not isinstance(recipe := file.card.get("recipe"), str):
        raise UsageError(f"effort: model {model.name} does not hold the recipe of its training")
    torch.set_num_threads(num_threads())
    module = module_of_file(file).eval().requires_grad_(False)
    autoencoder, prior = module["autoencoder"], module["prior"]
    assert isinstance(autoencoder, Autoencoder)
    assert isinstance(prior, PriorNetwork)
    modality = training_side(autoencoder.modality)
    objective = parse_recipe(recipe).objective
    refiner = Refiner(autoencoder, prior, modality, objective)
    state = model.parts.networks.__getstate__()
    networks = RefiningNetworks(**state, refiner=refiner, steps=steps)
    windowed = model.parts.modality.with_window(WINDOW)
    return replace(model, parts=replace(model.parts, networks=networks, modality=windowed))
