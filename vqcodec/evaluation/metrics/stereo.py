"""Errors of the stereo image: differences of level, phase and coherence between two channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqcodec.signals.short_spectra import WINDOW, short_spectra

Floats = NDArray[np.float64]

SAMPLE_RATE = 48_000  # Hz
_EDGES_BARK = np.arange(0.5, 24.5)  # bands of one Bark, from 46 Hz to 10 kHz and up to 20 kHz
_FRAMES = 4  # frames of a tile: 85 ms
_SILENCE = 1e-9  # power of a band, of a full-scale sine
_RANGE_DB = 30.0  # a channel that is quieter by more than this is not heard
_HIGHEST_PHASE_HZ = 1600.0  # above it, listeners do not hear phase
_LOUDNESS = 0.3  # the exponent of a tile's power in its weight


def stereo_errors(
    reference: NDArray[np.float32], decoded: NDArray[np.float32]
) -> dict[str, float | None]:
    """Return how far the differences between the channels are off, on average.

    Tiles of one Bark and 85 ms have the level difference of the channels in dB, their phase
    difference, which says their difference in time, and their coherence, which says how wide they
    sound (Breebaart et al. 2005, doi:10.1155/ASP.2005.1305). A result is the mean absolute
    difference between original and decoded sound, weighted by the loudness of the original's tiles.

    Args:
        reference: [2, T] at 48 kHz.
        decoded: of the same shape.

    Returns:
        stereo_level_error_db, with levels within 30 dB; stereo_phase_error_rad, 0 … pi, of tiles
        up to 1.6 kHz, also weighted by their coherence; stereo_coherence_error, 0 … 1. None if the
        original is silent. A tile has no phase difference, and no weight in its error, if a channel
        of it is zero, in the original or in the decoded sound; if no tile has one, it is None.
    """
    first, second = (_tiles(waveform) for waveform in (reference, decoded))
    weights = np.where(first.power > _SILENCE, first.power, 0) ** _LOUDNESS
    low = weights * first.coherence * (_centres_hz() <= _HIGHEST_PHASE_HZ)
    low = low * (first.cross != 0) * (second.cross != 0)  # the angle of 0 depends on its sign
    turned = np.abs(np.angle(first.cross * second.cross.conj()))
    return {
        "stereo_level_error_db": _mean(np.abs(first.level_db - second.level_db), weights),
        "stereo_phase_error_rad": _mean(turned, low),
        "stereo_coherence_error": _mean(np.abs(first.coherence - second.coherence), weights),
    }


def _mean(errors: Floats, weights: Floats) -> float | None:
    total = float(weights.sum())
    return float((errors * weights).sum()) / total if total else None


@dataclass(frozen=True, eq=False, slots=True)
class _Tiles:
    """Powers of tiles [N, B] of two channels, and their cross-spectrum."""

    left: Floats
    right: Floats
    cross: NDArray[np.complex128]

    @property
    def power(self) -> Floats:
        return self.left + self.right

    @property
    def level_db(self) -> Floats:
        """The level of the left channel above that of the right one, -30 … 30."""
        least = self.power * 10 ** (-_RANGE_DB / 10) + _SILENCE
        return 10 * np.log10((self.left + least) / (self.right + least))

    @property
    def coherence(self) -> Floats:
        """0 … 1; 1 of silence."""
        magnitudes = np.abs(self.cross) + _SILENCE
        coherence: Floats = magnitudes / (np.sqrt(self.left * self.right) + _SILENCE)
        return coherence


def _tiles(waveform: NDArray[np.float32]) -> _Tiles:
    weights = _band_weights()
    left, right, cross = [], [], []
    for first, second in zip(*map(short_spectra, waveform), strict=True):
        left.append(np.square(np.abs(first)) @ weights)
        right.append(np.square(np.abs(second)) @ weights)
        cross.append((first * second.conj()) @ weights)
    frames = [np.concatenate(parts) for parts in (left, right, cross)]
    starts = np.arange(0, len(frames[0]), _FRAMES)  # the last tile may have fewer frames
    return _Tiles(*(np.add.reduceat(each, starts, axis=0) for each in frames))


def _edges_hz() -> Floats:
    edges: Floats = 650 * np.sinh(_EDGES_BARK / 7)
    return edges


def _centres_hz() -> Floats:
    return (_edges_hz()[:-1] + _edges_hz()[1:]) / 2


def _band_weights() -> Floats:
    """Return [bins, B]: 1 where a bin belongs to a band."""
    bins_hz = np.arange(WINDOW // 2 + 1)[:, None] * SAMPLE_RATE / WINDOW
    edges = _edges_hz()
    return ((edges[:-1] <= bins_hz) & (bins_hz < edges[1:])).astype(np.float64)
