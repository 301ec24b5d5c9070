"""Vector quantization with one codebook, and residual vector quantization with several."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqcodec.quantizers.base import AnyIndices, Indices, Latents, Quantizer, Tensors, fetch
from vqcodec.quantizers.configs import ResidualConfig

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

    def dequantize(self, indices: AnyIndices, rate: int) -> Latents:  # noqa: ARG002
        """Return latents [P, D, ...]: the sum of the entries of indices [P, K', ...]."""
        total = self.codebooks[0][indices[:, 0]]
        for entries, chosen in zip(
            self.codebooks[1:], np.moveaxis(indices, 1, 0)[1:], strict=False
        ):
            total += entries[chosen]
        return np.ascontiguousarray(np.moveaxis(total, -1, 1))


def _nearest(vectors: NDArray[np.float32], entries: NDArray[np.float32]) -> Indices:
    """Return the indices [M] of the entries [N, D] nearest to vectors [M, D]."""
    squares = np.square(entries).sum(axis=1)
    parts = [
        (squares - 2 * (vectors[start : start + _VECTORS_AT_ONCE] @ entries.T)).argmin(axis=1)
        for start in range(0, len(vectors), _VECTORS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
