"""Sounds at another sample rate or length: in one go or block by block, with the same result."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vqcodec.signals.sound import BLOCK, ForwardReader, Reader, Waveform, blocks_of

_ZERO_CROSSINGS = 32  # of the sinc on each side: flat to 95 % of the lower band
_ROLLOFF = 0.99  # of the lower band, where the filter falls off
_MAX_FILTER_TERMS = 1 << 22
_PHASES = 512  # between two samples, for which weights are tabulated; linear between: -100 dB
_MAX_PRODUCTS = 1 << 22  # at a time


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """Return waveform [C, T] at another rate, as [C, ceil(T * to_rate / from_rate)]."""
    num_samples = -(-waveform.shape[1] * to_rate // from_rate)
    if from_rate == to_rate or not num_samples:
        return waveform[:, :num_samples]
    blocks = resample_blocks(
        blocks_of(waveform), len(waveform), from_rate, to_rate, range(num_samples)
    )
    return np.concatenate(list(blocks), axis=1)


def resample_blocks(
    blocks: Iterator[Waveform],
    num_channels: int,
    from_rate: int,
    to_rate: int,
    wanted: range,
    first: int = 0,
) -> Iterator[Waveform]:
    """Yield samples of a sound at another rate, from blocks [C, n] that come in order.

    By a windowed sinc (Smith and Gossett 1984): torchaudio's, whose filters grow with the terms of
    the reduced ratio; for rates like 44,101 and 16,000 Hz that have next to no common divisor, by
    one whose weights are interpolated.

    Args:
        blocks: what lies before and after them is silent.
        num_channels: C.
        from_rate: of the blocks, in Hz.
        to_rate: of what is yielded, in Hz.
        wanted: numbers of the samples to yield, at `to_rate`.
        first: number of the first sample in the blocks, at `from_rate`.
    """
    read = ForwardReader(blocks, num_channels, first)
    divisor = math.gcd(from_rate, to_rate)
    old, new = from_rate // divisor, to_rate // divisor
    for start in range(wanted.start, wanted.stop, BLOCK):
        stop = min(wanted.stop, start + BLOCK)
        if old == new:
            yield read(start, stop)
        elif old * new <= _MAX_FILTER_TERMS:
            yield _by_filters(read, old, new, start, stop)
        else:
            yield from _by_interpolated_weights(read, old, new, start, stop)


def to_length(waveform: Waveform, num_samples: int) -> Waveform:
    """Return waveform [C, T] cut, or continued by silence, to [C, num_samples]."""
    missing = num_samples - waveform.shape[1]
    return np.pad(waveform, ((0, 0), (0, max(0, missing))))[:, :num_samples]


def reach_of(from_rate: int, to_rate: int) -> int:
    """Return how many samples at from_rate on each side a sample at to_rate depends on."""
    return math.ceil(_ZERO_CROSSINGS / _ROLLOFF * max(1.0, from_rate / to_rate))


def _by_filters(read: Reader, old: int, new: int, start: int, stop: int) -> Waveform:
    """Return samples start … stop, by one filter for each of the `new` places in a period."""
    import torch  # here: takes seconds
    from torchaudio import functional

    margin = -(-reach_of(old, new) // old)  # in periods, which are what the filters repeat after
    first = start // new - margin
    last = -(-stop // new) + margin
    with torch.inference_mode():
        samples: Waveform = functional.resample(
            torch.from_numpy(read(first * old, last * old)),
            old,
            new,
            lowpass_filter_width=_ZERO_CROSSINGS,
            rolloff=_ROLLOFF,
        ).numpy()
    return samples[:, start - first * new : stop - first * new]


def _by_interpolated_weights(
    read: Reader, old: int, new: int, start: int, stop: int
) -> Iterator[Waveform]:
    """Yield samples start … stop, each by weights for its own place between two old samples."""
    reach, table = reach_of(old, new), _weights(old, new)
    size = max(1, _MAX_PRODUCTS // (2 * reach))
    for begin in range(start, stop, size):
        whole, rest = np.divmod(np.arange(begin, min(stop, begin + size)) * old, new)
        phase, fraction = np.divmod(rest * (_PHASES / new), 1.0)
        row = phase.astype(np.int64)
        share = fraction.astype(np.float32)[:, None]
        weights = table[row] * (1 - share) + table[row + 1] * share
        samples = read(int(whole[0]) - reach + 1, int(whole[-1]) + reach + 1)
        around = sliding_window_view(samples, 2 * reach, axis=1)[:, whole - whole[0]]
        yield np.einsum("cnk,nk->cn", around, weights)


@functools.lru_cache(maxsize=2)
def _weights(old: int, new: int) -> NDArray[np.float32]:
    """Return the weights [_PHASES + 1, 2 * reach] of old samples 1 - reach … reach from a place."""
    reach, scale = reach_of(old, new), _ROLLOFF * min(1.0, new / old)
    place = np.arange(_PHASES + 1)[:, None] / _PHASES
    time = (np.arange(1 - reach, reach + 1) - place) * scale  # in zero crossings
    window = np.cos(np.clip(time / _ZERO_CROSSINGS, -1, 1) * (np.pi / 2)) ** 2
    weights: NDArray[np.float32] = (scale * np.sinc(time) * window).astype(np.float32)
    return weights
