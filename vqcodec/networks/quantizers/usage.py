"""Statistics of the use of codebooks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Usage:
    """How K codebooks are used.

    Attributes:
        share: [K], share of entries that were used at least once.
        perplexity: [K], 1 if one entry is always used, N if all are used equally often.
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
