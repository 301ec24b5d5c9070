"""Input features of indices for prior networks, and the cost of indices under a prediction."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.activations import clamp
from vqcodec.priors.config import Head
from vqcodec.priors.logistic import LOG2_SCALE_LIMIT, feature_table

ACTIVATION_LIMIT = 31.0  # activations are clamped to this, so that 16 bits hold them
LEAST_PROBABILITY = 2.0**-16


def activate(values: Tensor) -> Tensor:
    """Return values clamped to 0 … ACTIVATION_LIMIT, an activation that is exact in integers."""
    return clamp(values, 0.0, ACTIVATION_LIMIT)


def saturate(values: Tensor) -> Tensor:
    """Return values clamped to ±ACTIVATION_LIMIT."""
    return clamp(values, -ACTIVATION_LIMIT, ACTIVATION_LIMIT)


class IndexFeatures(nn.Module):
    """Features of indices: fixed for a lattice, learnt embeddings for codebook entries.

    Attributes:
        per_index: E, the features of one index.
        per_output: O, the numbers that predict one index.
    """

    table: Tensor

    def __init__(
        self,
        head: Head,
        codebook_sizes: tuple[int, ...],
        embedding_dim: int,
        fixed: Tensor | None = None,
    ) -> None:
        """Take features [1 or K, N, E] for a lattice, or None for the usual ones."""
        super().__init__()
        size = codebook_sizes[0]
        if head == "logistic":
            if fixed is None:
                fixed = torch.from_numpy(feature_table(size))[None]  # for all codebooks
            self.register_buffer("table", fixed, persistent=False)
            self.per_output = 2
        else:
            self.table = nn.Parameter(torch.randn(len(codebook_sizes), size, embedding_dim))
            self.per_output = size
        self.per_index = self.table.shape[2]

    def forward(self, indices: Tensor, first: int, in_use: Tensor | None) -> Tensor:
        """Return features [B, n * E, ...] of indices [B, n, ...] of n codebooks from `first` on.

        Codebooks that are not in use (`in_use` [B, K]) have features of zero. Indices of a lattice
        may lie between integers; their features do, too.
        """
        num = indices.shape[1]
        look_up = self._interpolated if indices.is_floating_point() else self._looked_up
        features = look_up(indices, first)  # [B, n, ..., E]
        if in_use is not None:
            mask = in_use[:, first : first + num].to(features.dtype)
            features = features * mask.reshape(mask.shape + (1,) * (features.dim() - 2))
        return features.movedim(-1, 2).flatten(1, 2)

    def _interpolated(self, indices: Tensor, first: int) -> Tensor:
        """Return features [B, n, ..., E] between those of the integers around each index."""
        below = indices.detach().floor().clamp(0, self.table.shape[1] - 2)
        features, share = self._looked_up(below.long(), first), (indices - below)[..., None]
        return torch.lerp(features, self._looked_up(below.long() + 1, first), share)

    def _looked_up(self, indices: Tensor, first: int) -> Tensor:
        """Return features [B, n, ..., E] of indices [B, n, ...] int64."""
        if len(self.table) == 1:
            return functional.embedding(indices, self.table[0])
        books = torch.arange(first, first + indices.shape[1], device=indices.device)
        books = books.reshape((1, -1) + (1,) * (indices.dim() - 2))
        return saturate(self.table)[books, indices]


def prediction_bits(
    head: Head, prediction: Tensor, indices: Tensor, relaxed: Tensor | None, codebook_size: int
) -> Tensor:
    """Return the cost in bits of each index, [B, n, ...].

    Args:
        prediction: [B, ..., n, O].
        indices: [B, n, ...] int64.
        relaxed: gives the cost a gradient to the encoder; None for no such gradient. For a logistic
            head, [B, n, ...] real values, 0 for the middle index, which are coded instead of the
            indices. For a categorical head, [B, n, ..., N] probabilities of a soft assignment: the
            cost and the gradient of the prediction depend on the indices, the gradient of the
            encoder on the probabilities.
        codebook_size: N.
    """
    if head == "logistic":
        coded = relaxed if relaxed is not None else indices - codebook_size // 2
        bits = logistic_bits(coded.movedim(1, -1), prediction[..., 0], prediction[..., 1])
    else:
        costs = -prediction.log_softmax(-1) / math.log(2)  # [B, ..., n, N]
        bits = costs.gather(-1, indices.movedim(1, -1)[..., None])[..., 0]
        if relaxed is not None:
            soft = (relaxed.movedim(1, -2) * costs.detach()).sum(-1)
            bits = bits + (soft - soft.detach())
    return bits.movedim(-1, 1)


def logistic_bits(values: Tensor, mean: Tensor, log2_scale: Tensor) -> Tensor:
    """Return the cost in bits of integers (or noisy integers) under a discretised logistic."""
    inverse = torch.exp2(-log2_scale.clamp(-LOG2_SCALE_LIMIT, LOG2_SCALE_LIMIT))
    distance = (values - mean).abs()  # exact in the upper tail, too
    upper = torch.sigmoid((0.5 - distance) * inverse)
    lower = torch.sigmoid((-0.5 - distance) * inverse)
    return -torch.log2((upper - lower).clamp(min=LEAST_PROBABILITY))
