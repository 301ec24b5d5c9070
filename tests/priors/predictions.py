"""Predictions in integers, as a prior gives them, and indices that are coded under them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vqcodec.entropy.range_coder import SymbolDecoder, SymbolEncoder
from vqcodec.priors.logistic import FRACTION_BITS
from vqcodec.priors.logistic_coding import LogisticCoding

PARTS = 1 << FRACTION_BITS


def outputs(first: ArrayLike, log2_scales: ArrayLike = 0.0, parts: int = PARTS) -> NDArray[Any]:
    """Integer predictions of means or odds, and of log2 of scales."""
    pairs = np.stack(np.broadcast_arrays(np.asarray(first), np.asarray(log2_scales)), axis=1)
    return np.floor(pairs * parts + 0.5)


def there_and_back(
    coding: LogisticCoding, predicted: NDArray[Any], indices: NDArray[Any]
) -> tuple[bytes, NDArray[np.int64]]:
    """The payload of indices, and what it decodes to."""
    encoder = SymbolEncoder()
    coding.code(encoder, predicted, indices)
    payload = encoder.finish()
    decoder = SymbolDecoder(payload)
    decoded = coding.code(decoder, predicted, None)
    decoder.finish()
    return payload, decoded
