"""Signals -> indices and back, without a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.compress import encode_stripes
from vqcodec.codec.decompress import synthesise
from vqcodec.codec.parts import Parts
from vqcodec.codec.segments import join_segments, split_segments
from vqcodec.errors import UsageError
from vqcodec.priors.base import Indices
from vqcodec.signals.files import LazySignal, Signal


def encode_signal(parts: Parts, signal: LazySignal, rate: int) -> Indices:
    """Return the indices of a signal at a rate byte: [K', h, w], or [K', F] of a mono mix.

    Raises:
        UsageError: the signal has another modality.
        InputError: the signal is larger than the format allows.
    """
    modality = parts.modality
    facts = modality.facts_of_one_plane(signal)
    num_codebooks = parts.quantizer.config.codebooks_at(rate)
    found = [np.zeros((num_codebooks, 0, *modality.grid(facts)[1:]), np.int64)]
    for _, latents in encode_stripes(parts, signal, facts, rate):
        targets = parts.quantizer.targets(latents, rate)
        segments = split_segments(targets[0], modality.geometry.segment)
        chosen = parts.prior.choose(segments, rate)
        found.append(join_segments(chosen, targets.shape[2:], modality.geometry.segment))
    return np.concatenate(found, axis=1)


def decode_indices(parts: Parts, indices: NDArray[np.integer[Any]], rate: int) -> Signal:
    """Return the signal of indices, [K', h, w] or [K', F], at the model's sample rate.

    Raises:
        UsageError: the indices have a wrong type, shape or range.
    """
    if not isinstance(indices, np.ndarray):
        raise UsageError(f"indices: {type(indices).__qualname__}, needed a NumPy array of integers")
    modality, quantizer = parts.modality, parts.quantizer
    size, num_codebooks = quantizer.codebook_sizes[0], quantizer.config.codebooks_at(rate)
    if indices.ndim != 1 + modality.num_axes or indices.shape[0] != num_codebooks:
        raise UsageError(
            f"indices of shape {indices.shape}, needed {num_codebooks} codebooks and then "
            f"{modality.num_axes} axes"
        )
    if not np.issubdtype(indices.dtype, np.integer):
        raise UsageError(f"indices of type {indices.dtype}, not integers")
    if indices.size and not 0 <= indices.min() <= indices.max() < size:
        raise UsageError(f"indices outside 0 … {size - 1}")
    if modality.num_axes > 1 and not indices.size:
        raise UsageError(f"indices of shape {indices.shape}: a picture has at least one position")
    step, trim = modality.geometry.step, modality.geometry.tail_trim
    facts = modality.facts_of_size(tuple(max(0, n * step - trim) for n in indices.shape[1:]))
    return synthesise(parts, indices.astype(np.int64), facts, rate)
