"""How well codebooks are used."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Usage:
    """The health of K codebooks.

    Attributes:
        share: [K], of the entries that were chosen at all.
        perplexity: [K], of the choices: 1 if always the same entry, N if all equally often.
    """

    share: Tensor
    perplexity: Tensor


def usage_of(indices: Tensor, codebook_size: int) -> Usage:
    """Return how indices [B, K, ...] use codebooks of N entries each."""
    num_codebooks = indices.shape[1]
    chosen = indices.transpose(0, 1).flatten(1)  # [K, M]
    first = torch.arange(num_codebooks, device=indices.device)[:, None] * codebook_size
    counts = torch.bincount((chosen + first).flatten(), minlength=num_codebooks * codebook_size)
    shares = counts.reshape(num_codebooks, codebook_size) / chosen.shape[1]
    entropy = -torch.xlogy(shares, shares).sum(1)
    return Usage(share=(shares > 0).float().mean(1), perplexity=entropy.exp())
