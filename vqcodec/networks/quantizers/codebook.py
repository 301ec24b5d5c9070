"""One codebook: nearest entry, k-means initialisation, learning, revival of dead entries."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.processes import (
    any_process,
    average_over_processes,
    num_processes,
    process_rank,
    sum_over_processes,
)
from vqcodec.quantizers.configs import Update

VECTORS_AT_ONCE = 1 << 16  # compared with all entries; bounds the memory
# As fractions of the mean usage: an entry below the first is dead; a revived one gets the second.
DEAD_SHARE, NEW_SHARE = 0.1, 0.2


class Codebook(nn.Module):
    """N entries of dimension D; the paper calls them e.

    Entries learn either as moving averages of the vectors assigned to them (van den Oord et al.
    2017, appendix A.1) or by the gradient of the codebook term of the loss.
    """

    entries: Tensor
    shares: Tensor
    sums: Tensor
    spread: Tensor

    def __init__(self, size: int, dim: int, *, update: Update, decay: float) -> None:
        super().__init__()
        self.decay = decay
        start = torch.randn(size, dim)
        if update == "gradient":
            self.entries = nn.Parameter(start)
        else:
            self.register_buffer("entries", start)
        self.update = update
        # Moving averages: the share of vectors assigned to each entry, the sum of those vectors on
        # the same scale, and the squared distance of a vector from its entry.
        self.register_buffer("shares", torch.full((size,), NEW_SHARE / size))
        self.register_buffer("sums", start * (NEW_SHARE / size))
        self.register_buffer("spread", torch.ones(()))

    def nearest(self, vectors: Tensor) -> Tensor:
        """Return the indices [M] of the entries nearest to vectors [M, D]."""
        parts = torch.split(vectors, VECTORS_AT_ONCE)
        return torch.cat([relative_distances(part, self.entries).argmin(1) for part in parts])

    def soft_choices(self, vectors: Tensor) -> Tensor:
        """Return the soft assignment [M, N] of vectors [M, D] to entries.

        Its temperature is the moving average of the squared distance to the nearest entry. Only the
        vectors get a gradient.
        """
        return soft_choices(vectors, self.entries.detach().clone(), self.spread.item())

    @torch.no_grad()
    def learn(self, vectors: Tensor, indices: Tensor) -> None:
        """Update the averages with vectors [M, D] assigned to indices [M]; revive dead entries.

        A dead entry is one that is hardly ever used; it is replaced by a random vector of the
        batch. Vectors that are not finite are ignored, because training skips such a step. If
        several processes train, the averages and the random vectors are those of all parts of the
        batch, so that codebooks stay equal.
        """
        if any_process(not vectors.isfinite().all()):
            return
        size, number = len(self.entries), len(vectors)
        chosen = torch.bincount(indices, minlength=size) / number
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors) / number
        distance = (vectors - self.lookup(indices)).square().sum(1).mean()
        average_over_processes([chosen, sums, distance])
        self.shares.lerp_(chosen, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.spread.lerp_(distance, 1 - self.decay)
        dead = self.shares < DEAD_SHARE / size
        picks = vectors[torch.randint(number, (int(dead.sum()),))]
        if num_processes() > 1:  # each contributes every n-th vector
            turns = torch.arange(len(picks), device=picks.device) % num_processes()
            picks = picks * (turns == process_rank())[:, None]
            sum_over_processes([picks])
        self.shares[dead] = NEW_SHARE / size
        self.sums[dead] = picks * (NEW_SHARE / size)
        self.entries[dead] = picks
        if self.update == "average":
            self.entries.copy_(self.sums / self.shares[:, None])

    @torch.no_grad()
    def init_from_data(self, vectors: Tensor, num_rounds: int = 10) -> None:
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
        distances = (vectors - self.lookup(self.nearest(vectors))).square().sum(1)
        self.spread.copy_(distances.mean())
        self.shares.fill_(NEW_SHARE / size)
        self.sums.copy_(self.entries * (NEW_SHARE / size))

    def lookup(self, indices: Tensor) -> Tensor:
        """Return entries [..., D] of indices [...]."""
        return functional.embedding(indices, self.entries)


def relative_distances(vectors: Tensor, entries: Tensor) -> Tensor:
    """Return |v - e|^2 - |v|^2, [M, N], of vectors [M, D] and entries [N, D]."""
    return torch.addmm(entries.square().sum(1), vectors, entries.T, alpha=-2)


def soft_choices(vectors: Tensor, entries: Tensor, spread: float) -> Tensor:
    """Return softmax(-|v - e|^2 / spread) over the entries [N, D], [M, N] for vectors [M, D].

    The relaxed lookup of Jiang et al. 2026 (arXiv:2604.10546).
    """
    return (relative_distances(vectors, entries) / -max(spread, 1e-6)).softmax(1)
