"""Attacks of a sound, and the pre-echo that a codec spreads before them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAMPLE_RATE = 48_000  # Hz
_BLOCK = 120  # samples, 2.5 ms
_BEFORE = 8  # blocks, 20 ms
_RISE = 100.0  # of the energy: 20 dB
_QUIETEST = 1e-5  # mean square of an attack: -50 dBFS
_FAINTEST = 1e-6  # of the attack's energy: what is quieter before it is not heard
_APART = 20  # blocks between two attacks: 50 ms


def pre_echo(reference: NDArray[np.float32], decoded: NDArray[np.float32]) -> float | None:
    """Return how much louder a decoded sound is than the original in the 20 ms before attacks.

    It is a mean in dB over the attacks of all channels. Only an excess counts, and energy that is
    60 dB below the attack counts as silence. None if there is no attack.

    Args:
        reference: [C, T] at 48 kHz.
        decoded: of the same shape.
    """
    excesses: list[float] = []
    for channel, other in zip(reference, decoded, strict=True):
        energies, decoded_energies = _energies(channel), _energies(other)
        for block in _attacks(energies):
            before = slice(block - 1 - _BEFORE, block - 1)
            faintest = _FAINTEST * energies[block]
            excess = (decoded_energies[before].mean() + faintest) / (
                energies[before].mean() + faintest
            )
            excesses.append(max(0.0, 10 * float(np.log10(excess))))
    return sum(excesses) / len(excesses) if excesses else None


def find_attacks(waveform: NDArray[np.float32]) -> list[int]:
    """Return the samples before which a waveform [T] at 48 kHz is at least 20 dB quieter.

    The 20 ms before an attack are compared with the 2.5 ms after it.
    """
    return [block * _BLOCK for block in _attacks(_energies(waveform))]


def clearest_attack(waveform: NDArray[np.float32]) -> int | None:
    """Return the attack of `find_attacks` with the largest rise; None if there is none."""
    energies = _energies(waveform)
    blocks = _attacks(energies)
    if not blocks:
        return None
    faintest = _FAINTEST * energies.max()
    rises = [
        energies[block] / (energies[block - 1 - _BEFORE : block - 1].mean() + faintest)
        for block in blocks
    ]
    return blocks[int(np.argmax(rises))] * _BLOCK


def _energies(waveform: NDArray[np.float32]) -> Floats:
    """Return the mean squares of blocks."""
    whole = waveform[: len(waveform) // _BLOCK * _BLOCK].astype(np.float64)
    energies: Floats = np.square(whole).reshape(-1, _BLOCK).mean(axis=1)
    return energies


def _attacks(energies: Floats) -> list[int]:
    """Return the blocks that are 20 dB above the mean of those before them, without the last one.

    The block right before may hold the beginning of the attack.
    """
    if len(energies) < _BEFORE + 2:
        return []
    sums = np.concatenate([[0], np.cumsum(energies)])
    blocks = np.arange(_BEFORE + 1, len(energies))
    means = np.maximum(sums[blocks - 1] - sums[blocks - 1 - _BEFORE], 0) / _BEFORE
    rises = (energies[blocks] > _RISE * means) & (energies[blocks] > _QUIETEST)
    found: list[int] = []
    for block in blocks[rises].tolist():
        if not found or block - found[-1] >= _APART:
            found.append(block)
    return found
