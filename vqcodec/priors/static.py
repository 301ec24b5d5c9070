"""Priors without context: uniform, or the histogram of the training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import bits_of_freqs, freqs_from_probabilities, uniform_freqs
from vqcodec.entropy.range_coder import Coder, SymbolSampler
from vqcodec.entropy.tables import FrequencyTables
from vqcodec.errors import ModelFileError
from vqcodec.priors.base import UNKNOWN, Bits, Indices, Prior, Shape, Targets
from vqcodec.priors.config import StaticPriorConfig
from vqcodec.priors.integer import Tensors, fetch


class StaticPrior(Prior):
    """One frequency table for each codebook, without context."""

    def __init__(self, tables: NDArray[np.uint32]) -> None:
        """Take frequencies [K or 1, N]; every entry is positive and every row sums to TOTAL."""
        self.tables = FrequencyTables(tables)

    def code(
        self,
        coders: Sequence[Coder],
        shapes: Sequence[Shape],
        rate: int,  # noqa: ARG002
        indices: Sequence[Targets] | None = None,
    ) -> list[Indices]:
        """Run segments [K', ...] through their coders, a whole segment in one call."""
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

    def fill(
        self,
        known: Indices,
        rate: int,
        generator: np.random.Generator,
        temperature: float = 1.0,
        num_sweeps: int = 0,  # noqa: ARG002 - neighbours are not seen
    ) -> Indices:
        """Return indices [K', ...] with those sampled that are `UNKNOWN`."""
        drawn = self.code([SymbolSampler(generator, temperature)], [known.shape], rate)[0]
        return np.where(known == UNKNOWN, drawn, known)

    def ordinary(self, shape: Shape, rate: int) -> Indices:  # noqa: ARG002
        """Return the middle index everywhere."""
        return np.full(shape, self.tables.freqs.shape[1] // 2)

    def bits_of(self, segments: Sequence[Indices], rate: int) -> list[Bits]:  # noqa: ARG002
        """Return the bits of each index of segments [K', ...]."""
        bits = bits_of_freqs(self.tables.freqs)  # [K or 1, N]
        return [
            np.stack([bits[book % len(bits)][chosen] for book, chosen in enumerate(segment)])
            for segment in segments
        ]


class UniformPrior(StaticPrior):
    """Every index is equally likely, as in the training of the VQ-VAE."""

    kind = "uniform"

    def __init__(
        self,
        config: StaticPriorConfig,  # noqa: ARG002
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,  # noqa: ARG002
        dtype: type[Any],  # noqa: ARG002
    ) -> None:
        """Take the codebook sizes; there are no tensors."""
        super().__init__(uniform_freqs(codebook_sizes[0]))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return no tensors: the codebook sizes define the prior."""
        return {}


class HistogramPrior(StaticPrior):
    """Every index has its frequency in the training data."""

    kind = "histogram"

    def __init__(
        self,
        config: StaticPriorConfig,  # noqa: ARG002
        codebook_sizes: tuple[int, ...],
        tensors: Tensors,
        dtype: type[Any],  # noqa: ARG002
    ) -> None:
        """Read the tensor "histogram", [K, N].

        Raises:
            ModelFileError: the tensor is missing or does not fit.
        """
        shape = (len(codebook_sizes), codebook_sizes[0])
        self.freqs = fetch(tensors, "histogram", np.uint32, shape)  # [K, N]
        if self.freqs.min() < 1:
            raise ModelFileError("prior: histogram with an index that cannot be coded")
        super().__init__(self.freqs)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the tensor that a model file stores."""
        return {"histogram": self.freqs}


def count_indices(
    batches: Sequence[Indices], codebook_sizes: tuple[int, ...]
) -> dict[str, NDArray[Any]]:
    """Return the tensors of a `HistogramPrior` from batches of training indices [K, ...]."""
    counts = np.ones((len(codebook_sizes), codebook_sizes[0]))  # so that no index is impossible
    for indices in batches:
        for book, chosen in enumerate(indices.reshape(len(indices), -1)):
            counts[book] += np.bincount(chosen, minlength=codebook_sizes[0])
    return {"histogram": freqs_from_probabilities(counts)}
