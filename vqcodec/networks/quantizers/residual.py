"""Vector quantization by one codebook, or residual vector quantization by several."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vqcodec.networks.quantizers.base import Quantized, QuantizerModule
from vqcodec.networks.quantizers.codebook import Codebook
from vqcodec.quantizers.configs import ResidualConfig

START_VECTORS = 64  # for each entry, of the batch that initialises codebooks


class ResidualModule(QuantizerModule):
    """Each codebook quantizes the residual of those before it (Zeghidour et al. 2021).

    With one codebook this is the quantizer of the VQ-VAE paper: nearest entry, straight-through
    gradient, codebook and commitment terms. The rate byte is the number of codebooks in use; a
    model trains with random numbers of them (quantizer dropout), so that any number decodes.
    """

    relaxed_head = "categorical"
    config: ResidualConfig

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__(config)
        self.codebooks = nn.ModuleList(
            [
                Codebook(config.codebook_size, config.dim, update=config.update, decay=config.decay)
                for _ in range(config.num_codebooks)
            ]
        )

    def _codebooks(self) -> Iterator[Codebook]:
        for codebook in self.codebooks:
            assert isinstance(codebook, Codebook)
            yield codebook

    def forward(self, latents: Tensor, rate: Tensor, *, relax: bool = False) -> Quantized:
        """Quantize for training; the rate of an item is its number of codebooks."""
        vectors = as_vectors(latents)  # [M, D]
        per_item = len(vectors) // len(latents)
        taken = torch.zeros_like(vectors)  # sum of all entries so far
        used = torch.zeros_like(vectors)  # sum of the entries of codebooks in use
        chosen, shares, loss = [], [], latents.new_zeros(())
        for number, codebook in enumerate(self._codebooks()):
            left = vectors - taken
            indices = codebook.nearest(left.detach())
            found = codebook.lookup(indices)
            if relax:
                shares.append(codebook.soft_choices(left))
            if self.training:
                codebook.learn(left.detach(), indices)
            in_use = (rate > number).repeat_interleave(per_item)[:, None]
            if self.config.update == "gradient":
                loss = loss + ((found - left.detach()).square() * in_use).mean()
            taken = taken + found.detach()
            used = used + found.detach() * in_use
            chosen.append(indices)
        loss = loss + self.config.commitment * (vectors - used).square().mean()
        straight = vectors + (used - vectors).detach()
        places = (len(latents), *latents.shape[2:])
        return Quantized(
            latents=straight.reshape(*places, -1).movedim(-1, 1),
            indices=torch.stack(chosen, 1).reshape(*places, -1).movedim(-1, 1),
            loss=loss,
            relaxed=torch.stack([share.reshape(*places, -1) for share in shares], 1)
            if relax
            else None,
        )

    def quantize(self, latents: Tensor, rate: Tensor) -> Tensor:
        """Return indices [B, K', ...]; K' is the largest rate in the batch."""
        left = as_vectors(latents)
        chosen = []
        for codebook in itertools.islice(
            self._codebooks(), self.config.codebooks_at(int(rate.max()))
        ):
            indices = codebook.nearest(left)
            left = left - codebook.lookup(indices)
            chosen.append(indices)
        places = (len(latents), *latents.shape[2:])
        return torch.stack(chosen, 1).reshape(*places, -1).movedim(-1, 1)

    def dequantize(self, indices: Tensor, rate: Tensor) -> Tensor:  # noqa: ARG002
        """Return latents [B, D, ...]: the sum of the entries of indices [B, K', ...]."""
        total = torch.zeros((), device=indices.device)
        for codebook, chosen in zip(self._codebooks(), indices.unbind(1), strict=False):
            total = total + codebook.lookup(chosen)
        return total.movedim(-1, 1)

    def in_use(self, rate: Tensor) -> Tensor:
        """Return which codebooks are in use, [B, K] bool: the first `rate` codebooks."""
        return torch.arange(self.num_codebooks, device=rate.device) < rate[:, None]

    def init_from_data(self, latents: Tensor, deviations: Tensor | None) -> None:  # noqa: ARG002
        """Set each codebook to the k-means of the residuals of those before it."""
        left = as_vectors(latents)
        left = left[torch.randperm(len(left))[: START_VECTORS * self.config.codebook_size]]
        for codebook in self._codebooks():
            codebook.init_from_data(left)
            left = left - codebook.lookup(codebook.nearest(left))

    def sample_rates(self, batch_size: int) -> Tensor:
        """Return numbers of codebooks [B]: all codebooks for a share of items, else uniform."""
        numbers = torch.randint(1, self.num_codebooks + 1, (batch_size,))
        full = torch.rand(batch_size) < self.config.full_share
        return torch.where(full, self.num_codebooks, numbers)


def as_vectors(latents: Tensor) -> Tensor:
    """Return the vectors [M, D] of latents [B, D, ...] at all positions."""
    return latents.movedim(1, -1).reshape(-1, latents.shape[1])
