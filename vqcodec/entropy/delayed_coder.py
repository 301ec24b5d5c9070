"""A coder whose calls are made later, in another order than that in which symbols are known."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vqcodec.entropy.frequencies import Freqs
from vqcodec.entropy.range_coder import Coder, Symbols
from vqcodec.entropy.tables import FrequencyTables


class DelayedCoder:
    """Stores calls with known symbols; `run` passes them on to a coder."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._calls: list[Callable[[], Symbols]] = []

    def code(self, freqs: Freqs, symbols: Symbols | None = None) -> Symbols:
        """Store the call, and return the symbols."""
        assert symbols is not None
        self._calls.append(functools.partial(self._coder.code, freqs, symbols))
        return symbols

    def code_with_tables(
        self,
        tables: FrequencyTables,
        table_ids: NDArray[np.uint16],
        symbols: Symbols | None = None,
    ) -> Symbols:
        """Store the call, and return the symbols."""
        assert symbols is not None
        call = functools.partial(self._coder.code_with_tables, tables, table_ids, symbols)
        self._calls.append(call)
        return symbols

    def run(self) -> None:
        """Make all calls, in order."""
        for call in self._calls:
            call()
