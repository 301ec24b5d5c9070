"""Priors that look at nothing: every index equally likely, or as often as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import bits_of_freqs, freqs_from_probabilities
from vqcodec.entropy.range_coder import Coder, FrequencyTables
from vqcodec.errors import ModelFileError
from vqcodec.priors.base import Bits, Indices, Prior, Shape, Targets
from vqcodec.priors.coding import uniform_freqs
from vqcodec.priors.config import StaticPriorConfig
from vqcodec.priors.integer import Tensors, fetch


class StaticPrior(Prior):
    """One table of frequencies for each codebook, whatever came before."""

    def __init__(self, tables: NDArray[np.uint32]) -> None:
        """Take frequencies [K or 1, N], every row positive and summing to TOTAL."""
        self.tables = FrequencyTables(tables)

    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,  # noqa: ARG002
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Run segments [K', ...] through their coders, all indices of a segment in one call."""
        coded = []
        for number, (coder, shape) in enumerate(zip(coders, shapes, strict=True)):
            count = int(np.prod(shape[1:]))
            books = np.arange(shape[0], dtype=np.uint16) % len(self.tables.freqs)
            known = None
            if indices is not None:
                nearest = np.rint(indices[number]).clip(0, self.tables.freqs.shape[1] - 1)
                known = nearest.reshape(-1).astype(np.int32)
            symbols = coder.code_with_tables(self.tables, books.repeat(count), known)
            coded.append(symbols.astype(np.int64).reshape(shape))
        return coded

    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:  # noqa: ARG002
        """Return what each index of segments [K', ...] costs."""
        bits = bits_of_freqs(self.tables.freqs)  # [K or 1, N]
        return [
            np.stack([bits[book % len(bits)][chosen] for book, chosen in enumerate(segment)])
            for segment in segments
        ]


class UniformPrior(StaticPrior):
    """Every index equally likely: what the VQ-VAE trains under."""

    kind = "uniform"

    def __init__(
        self,
        config: StaticPriorConfig,  # noqa: ARG002
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,  # noqa: ARG002
        dtype: type[Any],  # noqa: ARG002
    ) -> None:
        """Take the sizes; there is no tensor."""
        super().__init__(uniform_freqs(codebook_sizes[0]))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return nothing: the sizes of the codebooks say it all."""
        return {}


class HistogramPrior(StaticPrior):
    """Every index as likely as it was in training."""

    kind = "histogram"

    def __init__(
        self,
        config: StaticPriorConfig,  # noqa: ARG002
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,
        dtype: type[Any],  # noqa: ARG002
    ) -> None:
        """Read the stored table.

        Raises:
            ModelFileError: it is missing or does not fit.
        """
        shape = (len(codebook_sizes), codebook_sizes[0])
        self.freqs = fetch(tensors, "histogram", np.uint32, shape)  # [K, N]
        if self.freqs.min() < 1:
            raise ModelFileError("prior: histogram with an index that cannot be coded")
        super().__init__(self.freqs)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what a model file stores."""
        return {"histogram": self.freqs}


def count_indices(
    batches: Sequence[Indices], codebook_sizes: tuple[int, ...]
) -> dict[str, NDArray[Any]]:
    """Return the tensors of the `HistogramPrior` of indices [K, ...] seen in training."""
    counts = np.ones((len(codebook_sizes), codebook_sizes[0]))  # none is impossible
    for indices in batches:
        for book, chosen in enumerate(indices.reshape(len(indices), -1)):
            counts[book] += np.bincount(chosen, minlength=codebook_sizes[0])
    return {"histogram": freqs_from_probabilities(counts)}
