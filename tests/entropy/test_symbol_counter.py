"""Counting symbols by table."""

from __future__ import annotations

import numpy as np

from vqcodec.entropy.frequencies import TOTAL, uniform_freqs
from vqcodec.entropy.symbol_counter import SymbolCounter
from vqcodec.entropy.tables import FrequencyTables


def tables_of(*rows):
    return FrequencyTables(np.array(rows, np.uint32))


def test_symbols_are_counted_by_their_table_and_returned():
    tables = tables_of([TOTAL - 2, 1, 1], [TOTAL - 1, 1, 0])
    counter = SymbolCounter()
    symbols = np.array([2, 0, 1, 1, 2], np.int32)
    ids = np.array([0, 1, 1, 1, 0], np.uint16)
    assert counter.code_with_tables(tables, ids, symbols) is symbols
    counter.code_with_tables(tables, ids[:1], symbols[1:2])
    assert counter.counts[tables].tolist() == [[1, 0, 2], [1, 2, 0]]


def test_different_tables_are_counted_apart_and_frequencies_without_table_not_at_all():
    counter, both = SymbolCounter(), [tables_of([TOTAL - 1, 1]) for _ in range(2)]
    ids, symbols = np.zeros(3, np.uint16), np.array([1, 0, 1], np.int32)
    counter.code_with_tables(both[0], ids, symbols)
    assert counter.code(uniform_freqs(2).repeat(3, axis=0), symbols) is symbols
    assert list(counter.counts) == [both[0]]
    assert counter.counts[both[0]].tolist() == [[1, 2]]
