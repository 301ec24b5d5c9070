"""Completion: a part of a signal is kept, the prior samples the rest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.decompress import synthesise
from vqcodec.codec.parts import Parts
from vqcodec.errors import UsageError
from vqcodec.numbers import as_number, as_whole, plain
from vqcodec.priors.base import UNKNOWN, Indices
from vqcodec.signals.files import LazySignal, Signal
from vqcodec.signals.picture import Picture

Unknown = NDArray[np.bool_]  # of a grid: True where the indices are sampled

MOST_SWEEPS = 1000
MOST_PIXELS = 4096  # each way, of a sampled picture


def unknown_after(parts: Parts, signal: LazySignal, keep: float) -> Unknown:
    """Return the grid [F] or [h, w] of a signal, unknown after its first `keep` (0 … 1).

    The first part of a picture is its upper rows.

    Raises:
        UsageError: `keep` is out of range, or the signal is of the other modality.
    """
    keep = as_number(keep, "keep")
    if not 0 <= keep <= 1:
        raise UsageError(f"keep: {keep:g} is not 0 … 1")
    unknown: Unknown = np.ones(_grid(parts, signal), np.bool_)
    unknown[: round(keep * len(unknown))] = False
    return unknown


def unknown_at(parts: Parts, signal: LazySignal, mask: NDArray[np.bool_]) -> Unknown:
    """Return the grid [h, w] of a picture, unknown wherever a position covers a pixel of the mask.

    Args:
        parts: of the model.
        signal: the picture.
        mask: [H, W], True in the hole.

    Raises:
        UsageError: the signal is no picture, or the mask has another shape.
    """
    parts.modality.facts_of_one_plane(signal)  # refuses what is no signal
    if not isinstance(signal, Picture):
        raise UsageError("a mask is for pictures, and the input is a sound")
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise UsageError(f"a mask of shape {mask.shape}, needed [H, W]")
    if mask.shape != (signal.height, signal.width):
        raise UsageError(
            f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels "
            f"for a picture of {signal.width} x {signal.height}"
        )
    grid, step = _grid(parts, signal), parts.modality.geometry.step
    rows, columns = grid
    padding = ((0, rows * step - signal.height), (0, columns * step - signal.width))
    blocks = np.pad(mask, padding).reshape(rows, step, columns, step)
    covered: Unknown = np.asarray(blocks.any(axis=(1, 3)))
    return covered


def complete_signal(
    parts: Parts,
    signal: LazySignal,
    indices: Indices,
    unknown: Unknown,
    rate: int,
    generator: np.random.Generator,
    *,
    temperature: float,
    num_sweeps: int,
) -> Signal:
    """Return a signal of the same size and format with sampled indices where they are unknown.

    Args:
        parts: of the model.
        signal: the original.
        indices: of the original, [K', F] or [K', h, w].
        unknown: [F] or [h, w]; if nothing is unknown, the signal comes back as from a stream.
        rate: the rate byte.
        generator: the only source of randomness.
        temperature: 0 or more, see `Model.sample`.
        num_sweeps: see `Prior.fill`.
    """
    known = np.where(unknown, UNKNOWN, indices)
    filled = parts.prior.fill(known, rate, generator, temperature, num_sweeps)
    facts = parts.modality.facts_of_one_plane(signal)
    return synthesise(parts, filled, facts, rate)


def _grid(parts: Parts, signal: LazySignal) -> tuple[int, ...]:
    """Return the grid of a signal.

    Raises:
        UsageError: the signal is of the other modality, empty, or larger than what is sampled.
    """
    modality = parts.modality
    facts = modality.facts_of_one_plane(signal)
    grid = modality.grid(facts)
    if not math.prod(grid):
        raise UsageError("a sound without samples cannot be continued")
    if isinstance(signal, Picture):
        check_picture_size(signal.width, signal.height)
    else:
        check_duration(signal.num_samples / signal.sample_rate)
    return grid


def check_seed(seed: int, num_sweeps: int) -> None:
    """Refuse a seed that is not 0 or more, and a number of sweeps that is not 0 … 1000.

    Raises:
        UsageError: see above.
    """
    as_whole(seed, "seed", 0)
    as_whole(num_sweeps, "num_sweeps", 0, MOST_SWEEPS)


def check_duration(duration_s: float) -> None:
    """Refuse durations of samples that are not above 0 s and up to an hour.

    Raises:
        UsageError: see above.
    """
    duration_s = as_number(duration_s, "duration_s")
    if not 0 < duration_s <= 3600:
        raise UsageError(f"a duration of {plain(duration_s)} s is not above 0 and up to 3600 s")


def check_picture_size(width: int, height: int) -> None:
    """Refuse sizes of samples that are not 1 … 4096 pixels each way.

    Raises:
        UsageError: see above.
    """
    as_whole(width, "width", 1, MOST_PIXELS)
    as_whole(height, "height", 1, MOST_PIXELS)
