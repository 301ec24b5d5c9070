"""Vector quantization, by one codebook or by several in a row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.networks.quantizers.base import Quantized, Quantizer
from vqcodec.networks.quantizers.codebook import Codebook, Update

START_VECTORS = 64  # for each entry, of the batch that codebooks start from


@dataclass(frozen=True, kw_only=True, slots=True)
class ResidualConfig:
    """How many codebooks, and how they learn."""

    dim: int
    num_codebooks: int = 1
    codebook_size: int = 512
    update: Update = "average"
    decay: float = 0.99
    commitment: float = 0.25  # the paper's beta
    full_share: float = 0.25  # of items that train with every codebook; the rest with fewer

    def __post_init__(self) -> None:
        if not 1 <= self.num_codebooks <= 64:
            raise ConfigError(f"quantizer.num_codebooks: {self.num_codebooks} is not 1 … 64")
        if not 2 <= self.codebook_size <= 4096:
            raise ConfigError(f"quantizer.codebook_size: {self.codebook_size} is not 2 … 4096")
        if not 1 <= self.dim <= 4096:
            raise ConfigError(f"quantizer.dim: {self.dim} is not 1 … 4096")
        for name in ("decay", "full_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"quantizer.{name}: {getattr(self, name)} is not 0 … 1")
        if not self.commitment >= 0:
            raise ConfigError(f"quantizer.commitment: {self.commitment} is not 0 or more")


class ResidualQuantizer(Quantizer):
    """Each codebook quantizes what the ones before it left (Zeghidour et al. 2021).

    With one codebook this is the quantizer of the VQ-VAE paper: nearest entry, straight-through
    gradient, codebook and commitment terms. The rate byte is the number of codebooks in use; a
    model trains with random numbers of them (quantizer dropout), so that any number decodes.
    """

    kind = "residual"
    relaxed_head = "categorical"

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config, self.dim = config, config.dim
        self.codebook_sizes = (config.codebook_size,) * config.num_codebooks
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
        """Quantize for training; items use as many codebooks as their rate says."""
        vectors = as_vectors(latents)  # [M, D]
        per_item = len(vectors) // len(latents)
        taken = torch.zeros_like(vectors)  # by the codebooks so far
        used = torch.zeros_like(vectors)  # of it, by those in use
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
        """Return indices [B, K', ...]: K' codebooks, as the largest rate of the batch has."""
        left = as_vectors(latents)
        chosen = []
        for codebook in itertools.islice(self._codebooks(), self.codebooks_at(int(rate.max()))):
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

    def rate_of(self, quality: float) -> int:
        """Return how many codebooks a quality 1 … 10 uses: 1 … K, evenly."""
        return max(1, min(self.num_codebooks, round(quality / 10 * self.num_codebooks)))

    def position(self, rate: Tensor) -> Tensor:
        """Return numbers of codebooks [B] as 0 … 1."""
        return rate.float() / self.num_codebooks

    def in_use(self, rate: Tensor) -> Tensor:
        """Return [B, K]: the first ones, as many as the rate says."""
        return torch.arange(self.num_codebooks, device=rate.device) < rate[:, None]

    def has_rate(self, rate: int) -> bool:
        """Return whether a rate byte is a number of codebooks."""
        return 1 <= rate <= self.num_codebooks

    def codebooks_at(self, rate: int) -> int:
        """Return the number of codebooks in use, which is the rate."""
        return rate

    def start(self, latents: Tensor, deviations: Tensor | None) -> None:  # noqa: ARG002
        """Set each codebook to the k-means of what is left for it."""
        left = as_vectors(latents)
        left = left[torch.randperm(len(left))[: START_VECTORS * self.config.codebook_size]]
        for codebook in self._codebooks():
            codebook.start(left)
            left = left - codebook.lookup(codebook.nearest(left))

    def sample_rates(self, batch_size: int) -> Tensor:
        """Return numbers of codebooks [B]: all of them for a share of items, else uniform."""
        numbers = torch.randint(1, self.num_codebooks + 1, (batch_size,))
        full = torch.rand(batch_size) < self.config.full_share
        return torch.where(full, self.num_codebooks, numbers)


def as_vectors(latents: Tensor) -> Tensor:
    """Return the vectors [M, D] of latents [B, D, ...], position after position."""
    return latents.movedim(1, -1).reshape(-1, latents.shape[1])
