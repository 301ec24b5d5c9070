"""Sounds at another sample rate or length: in one go or block by block, with the same result."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from soxr import HQ, soxr_ext

from vqcodec.signals.sound import ForwardReader, Waveform, blocks_of

BLOCK = 1 << 15  # samples computed at once, at the higher of the two rates; more for long periods

# libsoxr's SOXR_STEEP_FILTER, which soxr.resample cannot pass on: flat to 97 % of the lower band
# and not to 91 %. Aliases are below -120 dB with and without it.
_STEEP = 0x40
_FILTER_REACH = 512  # samples at the lower rate; beyond, the filter is below 1e-7 of its peak


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

    A sample depends on the sound alone: not on how the blocks are cut, nor on where `wanted`
    starts. Each stretch of output is computed by libsoxr from its own stretch of input, and
    stretches start at multiples of one length.

    Args:
        blocks: what lies before and after them is silent.
        num_channels: C.
        from_rate: of the blocks, in Hz.
        to_rate: of what is yielded, in Hz.
        wanted: numbers of the samples to yield, at `to_rate`.
        first: number of the first sample in the blocks, at `from_rate`.
    """
    read = ForwardReader(blocks, num_channels, first)
    old, new = _ratio(from_rate, to_rate)
    if old == new:
        for start in range(wanted.start, wanted.stop, BLOCK):
            yield read(start, min(wanted.stop, start + BLOCK))
        return
    length, margin = _periods(old, new)
    for start in range(wanted.start // (length * new) * length, -(-wanted.stop // new), length):
        stretch = read((start - margin) * old, (start + length + margin) * old)
        samples: Waveform = soxr_ext.csoxr_split_ch_float32(old, new, stretch.T, HQ | _STEEP).T
        begin, end = max(wanted.start, start * new), min(wanted.stop, (start + length) * new)
        skipped = (start - margin) * new
        yield samples[:, begin - skipped : end - skipped]


def to_length(waveform: Waveform, num_samples: int) -> Waveform:
    """Return waveform [C, T] cut, or continued by silence, to [C, num_samples]."""
    missing = num_samples - waveform.shape[1]
    return np.pad(waveform, ((0, 0), (0, max(0, missing))))[:, :num_samples]


def reach_of(from_rate: int, to_rate: int) -> int:
    """Return how many samples at from_rate on each side a sample at to_rate depends on, at most.

    A sample depends on its whole stretch and the margins. Sounds that keep their rate get a margin.
    """
    old, new = _ratio(from_rate, to_rate)
    return sum(_periods(old, new)) * old if old != new else _FILTER_REACH


def _ratio(from_rate: int, to_rate: int) -> tuple[int, int]:
    """Return the smallest numbers of old and new samples that last equally long: one period."""
    divisor = math.gcd(from_rate, to_rate)
    return from_rate // divisor, to_rate // divisor


def _periods(old: int, new: int) -> tuple[int, int]:
    """Return the length of a stretch and its margin on each side, in periods.

    At the start of a period a new sample falls on an old one, so the phase there is exact.
    """
    length = max(1, BLOCK // max(old, new))
    margin = -(-_FILTER_REACH * max(1, math.ceil(old / new)) // old)
    return length, margin
