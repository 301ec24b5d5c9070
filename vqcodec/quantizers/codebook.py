"""One codebook: nearest entry, k-means start, two ways of learning, revival of dead entries."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Update = Literal["average", "gradient"]


class Codebook(nn.Module):
    """N entries of dimension D, e in the paper.

    The entries follow either the moving average of the vectors that chose them (van den Oord et
    al. 2017, appendix A.1) or the gradient of the loss's codebook term.
    """

    entries: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, size: int, dim: int, *, update: Update, decay: float) -> None:
        super().__init__()
        self.decay = decay
        start = torch.randn(size, dim)
        if update == "gradient":
            self.entries = nn.Parameter(start)
        else:
            self.register_buffer("entries", start)
        self.update = update
        self.register_buffer("counts", torch.ones(size))  # moving average of choices a step
        self.register_buffer("sums", start.clone())

    def nearest(self, vectors: Tensor) -> Tensor:
        """Return the indices [M] of the entries nearest to vectors [M, D]."""
        # |v - e|^2 without |v|^2, which does not change the order
        scores = torch.addmm(self.entries.square().sum(1), vectors, self.entries.T, alpha=-2)
        return scores.argmin(1)

    @torch.no_grad()
    def learn(self, vectors: Tensor, indices: Tensor) -> None:
        """Move the averages towards vectors [M, D] that chose indices [M]; revive dead entries.

        An entry chosen less than a tenth as often as the mean entry is moved to a random vector of
        the batch.
        """
        size = len(self.entries)
        chosen = torch.bincount(indices, minlength=size).to(vectors.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
        self.counts.lerp_(chosen, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        dead = self.counts < 0.1 * len(vectors) / size
        number = int(dead.sum())
        if self.update == "average":
            alive = ~dead
            self.entries[alive] = self.sums[alive] / self.counts[alive, None]
        if number:
            picks = vectors[torch.randint(len(vectors), (number,))]
            self.entries[dead] = picks
            mean_count = len(vectors) / size
            self.counts[dead] = mean_count
            self.sums[dead] = picks * mean_count

    @torch.no_grad()
    def start(self, vectors: Tensor, num_rounds: int = 10) -> None:
        """Set the entries to the k-means of vectors [M, D]."""
        size = len(self.entries)
        picks = torch.randperm(len(vectors))[:size]
        if len(picks) < size:
            picks = torch.cat([picks, torch.randint(len(vectors), (size - len(picks),))])
        self.entries.copy_(vectors[picks])
        for _ in range(num_rounds):
            indices = self.nearest(vectors)
            counts = torch.bincount(indices, minlength=size).to(vectors.dtype)
            sums = torch.zeros_like(self.entries).index_add_(0, indices, vectors)
            empty = counts == 0
            self.entries[~empty] = sums[~empty] / counts[~empty, None]
            self.entries[empty] = vectors[torch.randint(len(vectors), (int(empty.sum()),))]
        self.counts.fill_(len(vectors) / size)
        self.sums.copy_(self.entries * self.counts[:, None])

    def lookup(self, indices: Tensor) -> Tensor:
        """Return entries [..., D] of indices [...]."""
        return functional.embedding(indices, self.entries)
