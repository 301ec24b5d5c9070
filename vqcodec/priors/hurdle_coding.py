"""Odds of zero and scales in integers -> tables of frequencies -> coded indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqcodec.priors.integer import Array
from vqcodec.priors.logistic import FRACTION_BITS, ODDS_PER_OCTAVE
from vqcodec.priors.logistic_coding import LogisticCoding


class HurdleCoding(LogisticCoding):
    """Codes indices whose signs nothing predicts, under the tables of `make_hurdle_tables`.

    In place of a mean, the first output of an index changes the odds of zero. The second one is the
    logarithm of the scale, as in `LogisticCoding`.
    """

    tables_name = "hurdle_tables"
    unit_bits = FRACTION_BITS

    def likeliest(self, outputs: Array) -> NDArray[np.int64]:
        """Return the index that stands for zero, for outputs [..., 2]."""
        return np.full(outputs.shape[:-1], self.limit, np.int64)

    def _split(
        self, outputs: Array
    ) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]:
        """Return table, 0 and number of the scale for outputs [..., 2]."""
        odds = outputs[..., 0].astype(np.int64)
        odds *= ODDS_PER_OCTAVE
        odds += 1 << FRACTION_BITS - 1
        odds >>= FRACTION_BITS
        np.clip(odds, 0, self._fraction_mask, out=odds)
        numbers = self._scale_numbers(outputs)
        table_ids = odds.astype(np.uint16)
        table_ids += self._first_tables.take(numbers, mode="clip")
        return table_ids, np.zeros_like(odds), numbers
