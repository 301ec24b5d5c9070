"""Logits in integers -> a frequency for each entry of a codebook -> coded indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs, bits_of_freqs, freqs_from_exponents
from vqcodec.entropy.range_coder import Coder
from vqcodec.errors import ModelFileError
from vqcodec.priors.integer import Array
from vqcodec.priors.side_by_side import in_blocks

# Outputs that become frequencies in one call. Without this limit, memory would grow with the size
# of the segment times the size of the codebook.
OUTPUTS_AT_ONCE = 1 << 22


class CategoricalCoding:
    """Codes indices of a codebook with a frequency for each entry."""

    bit_weight = 0.0  # entries have no neighbours
    skip_certain = False
    outputs_at_once = OUTPUTS_AT_ONCE  # their order does not depend on it

    def __init__(self, exp2_table: NDArray[np.int64], codebook_size: int) -> None:
        """Take the stored table of 2 ** (-z / 256).

        Raises:
            ModelFileError: the table is not valid.
        """
        if exp2_table.ndim != 1 or not 2 <= len(exp2_table) <= 1 << 16:
            raise ModelFileError(f"prior: exponent table of shape {exp2_table.shape}")
        rises = np.any(exp2_table[1:] > exp2_table[:-1])  # a difference could overflow
        if rises or not 0 <= exp2_table[-1] <= exp2_table[0] <= 1 << 32:
            raise ModelFileError("prior: exponent table that does not fall from 2 ** 32 or less")
        self.exp2_table = exp2_table
        self.codebook_size = codebook_size

    def freqs(self, outputs: Array) -> Freqs:
        """Return frequencies [S, N] of outputs [S, N], logits in 1/256 of a halving."""
        freqs = np.empty(outputs.shape, np.uint32)

        def compute(rows: slice) -> None:
            part = outputs[rows]
            exponents = (part.max(axis=1, keepdims=True) - part).astype(np.int64)
            freqs[rows] = freqs_from_exponents(exponents, self.exp2_table)

        in_blocks(compute, len(outputs), 1)
        return freqs

    def code(self, coder: Coder, outputs: Array, indices: Array | None) -> NDArray[np.int64]:
        """Return the indices [S], coded under outputs [S, N]; real numbers are rounded."""
        known = None if indices is None else self.nearest(indices).astype(np.int32)
        coded: NDArray[np.int64] = coder.code(self.freqs(outputs), known).astype(np.int64)
        return coded

    def code_side_by_side(self, coders: Sequence[Coder], outputs: Array) -> NDArray[np.int64]:
        """Return indices [R, S] under outputs [R, S, N]; each row has its own coder."""
        rows = [self.code(coder, row, None) for coder, row in zip(coders, outputs, strict=True)]
        return np.stack(rows)

    def rows(self, outputs: Array, indices: Array) -> Callable[[Coder, int], None]:
        """Return a function that codes a row of known indices [F, S] under outputs [F, S, N]."""

        def code_row(coder: Coder, row: int) -> None:
            self.code(coder, outputs[row], indices[row])

        return code_row

    def settled(self, outputs: Array, indices: Array) -> NDArray[np.int64]:  # noqa: ARG002
        """Return known indices as they are coded: unchanged."""
        return indices

    def bits_of(self, outputs: Array, indices: Array) -> NDArray[np.float64]:
        """Return the bits of indices [...] under outputs [..., N]."""
        freqs = self.freqs(outputs.reshape(-1, self.codebook_size))
        chosen = np.take_along_axis(freqs, indices.reshape(-1, 1), axis=1)
        return bits_of_freqs(chosen).reshape(indices.shape)

    def nearest(self, targets: Array) -> NDArray[np.int64]:
        """Return the indices closest to targets of any shape."""
        nearest: NDArray[np.int64] = np.rint(targets).astype(np.int64)
        return nearest.clip(0, self.codebook_size - 1)

    def likeliest(self, outputs: Array) -> NDArray[np.int64]:
        """Return the likeliest indices [...] under outputs [..., N], the first among equals."""
        likeliest: NDArray[np.int64] = outputs.argmax(axis=-1)
        return likeliest
