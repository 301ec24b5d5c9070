"""Counting of symbols in place of coding them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs
from vqcodec.entropy.range_coder import Symbols
from vqcodec.entropy.tables import FrequencyTables


class SymbolCounter:
    """A `Coder` that counts how often each table's symbols occur.

    Attributes:
        counts: [T, N] of all tables that have coded symbols.
    """

    def __init__(self) -> None:
        self.counts: dict[FrequencyTables, NDArray[np.int64]] = {}

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:  # noqa: ARG002
        """Return `symbols` [S]; frequencies that are not of a table are not counted."""
        assert symbols is not None, "a counter needs the symbols"
        return symbols

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,
    ) -> Symbols:
        """Count `symbols` [S] of the tables `table_ids` [S], and return them."""
        assert symbols is not None, "a counter needs the symbols"
        shape = tables.freqs.shape
        counts = self.counts.setdefault(tables, np.zeros(shape, np.int64))
        places = table_ids.astype(np.int64) * shape[1] + symbols
        counts += np.bincount(places, minlength=counts.size).reshape(shape)
        return symbols
