"""Vector quantization with one codebook, and residual vector quantization with several."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.targets import join_candidates
from vqcodec.quantizers.base import Indices, Latents, Quantizer, Tensors, fetch
from vqcodec.quantizers.configs import ResidualConfig

_CANDIDATES = 16  # entries of a codebook that a prior chooses from
_VECTORS_AT_ONCE = 1 << 14  # compared with all entries at a time, to bound memory


class ResidualQuantizer(Quantizer):
    """Each codebook quantizes the residual of the previous ones (Zeghidour et al. 2021).

    With one codebook, this is the quantizer of the VQ-VAE paper (van den Oord et al. 2017). The
    rate byte is the number of codebooks in use.
    """

    kind = "residual"

    def __init__(self, config: ResidualConfig, tensors: Tensors) -> None:
        """Read the tensors "codebooks.k.entries", [N, D], one for each codebook k."""
        super().__init__(config)
        shape = (config.codebook_size, config.dim)
        self.codebooks = [
            fetch(tensors, f"codebooks.{number}.entries", shape)
            for number in range(config.num_codebooks)
        ]

    def quantize(self, latents: Latents, rate: int) -> Indices:
        """Return indices [P, K', ...] of latents [P, D, ...]."""
        left = np.moveaxis(latents, 1, -1)
        places = left.shape[:-1]
        left = left.reshape(-1, left.shape[-1]).copy()  # [M, D]
        chosen = []
        for entries in self.codebooks[: self.config.codebooks_at(rate)]:
            indices = _nearest(left, entries)
            left -= entries[indices]
            chosen.append(indices.reshape(places))
        return np.stack(chosen, axis=1)

    def targets(self, latents: Latents, rate: int) -> NDArray[Any]:
        """Return candidates [P, 1, ...] of a single codebook, otherwise indices [P, K', ...].

        An error is the squared distance from the latents beyond that of the nearest entry. Its unit
        is the median of the squared distances of entries from their nearest neighbours.
        """
        if self.num_codebooks > 1:
            return self.quantize(latents, rate)
        (entries,) = self.codebooks
        vectors = np.moveaxis(latents, 1, -1)
        nearest, distances = _several_nearest(vectors.reshape(-1, vectors.shape[-1]), entries)
        errors = (distances - distances[:, :1]) / self._unit
        return join_candidates(nearest, errors).reshape(vectors.shape[:-1])[:, None]

    @cached_property
    def _unit(self) -> float:
        _, distances = _several_nearest(self.codebooks[0], self.codebooks[0])
        return max(float(np.median(distances[:, 1])), 1e-12)

    def dequantize(self, indices: Indices, rate: int) -> Latents:  # noqa: ARG002
        """Return latents [P, D, ...]: the sum of the entries of indices [P, K', ...]."""
        total = self.codebooks[0][indices[:, 0]]
        for entries, chosen in zip(
            self.codebooks[1:], np.moveaxis(indices, 1, 0)[1:], strict=False
        ):
            total += entries[chosen]
        return np.ascontiguousarray(np.moveaxis(total, -1, 1))


def _several_nearest(
    vectors: NDArray[np.float32], entries: NDArray[np.float32]
) -> tuple[Indices, NDArray[np.float32]]:
    """Return the entries [M, n] nearest to vectors [M, D], in order, and squared distances."""
    num = min(_CANDIDATES, len(entries))
    squares = np.square(entries).sum(axis=1)
    found = np.zeros((len(vectors), num), np.int64)
    distances = np.zeros((len(vectors), num), np.float32)
    for start in range(0, len(vectors), _VECTORS_AT_ONCE):
        part = slice(start, start + _VECTORS_AT_ONCE)
        every = squares - 2 * (vectors[part] @ entries.T)
        some = np.argpartition(every, num - 1, axis=1)[:, :num]
        order = np.take_along_axis(every, some, axis=1).argsort(axis=1, kind="stable")
        found[part] = np.take_along_axis(some, order, axis=1)
        distances[part] = np.take_along_axis(every, found[part], axis=1)
        distances[part] += np.square(vectors[part]).sum(axis=1, keepdims=True)
    return found, distances


def _nearest(vectors: NDArray[np.float32], entries: NDArray[np.float32]) -> Indices:
    """Return the indices [M] of the entries [N, D] nearest to vectors [M, D]."""
    squares = np.square(entries).sum(axis=1)
    parts = [
        (squares - 2 * (vectors[start : start + _VECTORS_AT_ONCE] @ entries.T)).argmin(axis=1)
        for start in range(0, len(vectors), _VECTORS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
