"""Thresholds of masking: how loud an error may be before it is heard.

The model of the ear is that of PEAQ's basic version (ITU-R BS.1387-1, in the form of Kabal 2002).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vqcodec.signals.short_spectra import HOP, WINDOW

Floats = NDArray[np.float64]

_LOWEST_HZ, _HIGHEST_HZ, _STEP_BARK = 80.0, 18_000.0, 0.25
_FULL_SCALE_DB = 92.0  # sound pressure level of a full-scale sine
_POWER = 0.4  # in which spread energies add up
_LEAST = 1e-12  # energy of a band
_FASTEST_S, _SLOWEST_S = 0.008, 0.030  # decay of masking at high frequencies and at 100 Hz


class MaskingBands:
    """Weights of the outer ear, and of spectral bins in quarter-Bark bands, at one sample rate.

    Attributes:
        hop_s: seconds from one spectrum to the next.
        ear: [bins], factors of magnitudes, with the level of a full-scale sine.
        weights: [bins, B], the share of each bin in each band.
        centres_hz: [B].
        inner_noise: [B], energies that are added to every band.
        offsets: [B], thresholds are this factor below the spread energies.
    """

    def __init__(self, sample_rate: int) -> None:
        self.hop_s = HOP / sample_rate
        bins_hz = np.arange(WINDOW // 2 + 1) * sample_rate / WINDOW
        khz = np.maximum(bins_hz, 1) / 1000
        ear_db = -2.184 * khz**-0.8 + 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) - 0.001 * khz**3.6
        self.ear: Floats = 10 ** ((ear_db + _FULL_SCALE_DB) / 20)
        highest_hz = min(_HIGHEST_HZ, sample_rate / 2)
        lowest, highest = (7 * math.asinh(hz / 650) for hz in (_LOWEST_HZ, highest_hz))
        num_bands = math.ceil((highest - lowest) / _STEP_BARK)
        edges = np.minimum(lowest + _STEP_BARK * np.arange(num_bands + 1), highest)
        edges_hz = 650 * np.sinh(edges / 7)
        half = sample_rate / WINDOW / 2
        below = np.minimum(bins_hz[:, None] + half, edges_hz[1:])
        above = np.maximum(bins_hz[:, None] - half, edges_hz[:-1])
        self.weights: Floats = np.maximum(below - above, 0) / (2 * half)
        self.centres_hz: Floats = 650 * np.sinh((edges[:-1] + edges[1:]) / 14)
        self.inner_noise: Floats = 10 ** (0.1456 * (self.centres_hz / 1000) ** -0.8)
        places = _STEP_BARK * np.arange(num_bands)
        self.offsets: Floats = 10 ** (np.where(places <= 12, 3.0, 0.25 * places) / 10)

    def spread(self, energies: Floats) -> Floats:
        """Return energies [F, B] that are spread over the bands, before normalisation.

        Slopes are 27 dB a Bark downwards, and 24 dB or less upwards, for loud sounds.
        """
        num_bands = len(self.centres_hz)
        steps = np.arange(num_bands)
        levels_db = 10 * np.log10(energies)
        up_db = np.minimum(-24 - 230 / self.centres_hz + 0.2 * levels_db, -0.1) * _STEP_BARK
        up = 10 ** (_POWER * up_db / 10)  # [F, B], for one step
        down = 10 ** (-_POWER * 2.7 * _STEP_BARK)
        lower = down ** np.maximum(steps[:, None] - steps, 0)  # [from, to]
        # The share of a band's energy in itself, so that its spread parts add up to it.
        plain_up, plain_down = up ** (1 / _POWER), down ** (1 / _POWER)
        below = (1 - plain_down ** (steps + 1)) / (1 - plain_down)
        sums = below + (plain_up - plain_up ** (num_bands - steps)) / (1 - plain_up)
        own = (energies / sums) ** _POWER
        spread = own @ np.where(steps[:, None] >= steps, lower, 0)
        carried = np.zeros_like(own)  # what each lower band sends up to the present one
        for band in range(num_bands):
            carried[:, :band] *= up[:, :band]
            spread[:, band] += carried[:, :band].sum(axis=1)
            carried[:, band] = own[:, band]
        spread_energies: Floats = spread ** (1 / _POWER)
        return spread_energies


@lru_cache
def masking_bands(sample_rate: int) -> MaskingBands:
    """Return the bands of a sample rate in Hz."""
    return MaskingBands(sample_rate)


class Mask:
    """Thresholds of masking of one channel, frame by frame."""

    def __init__(self, bands: MaskingBands) -> None:
        self._bands = bands
        self._normal = bands.spread(np.ones((1, len(bands.centres_hz))))
        decays_s = _FASTEST_S + 100 / bands.centres_hz * (_SLOWEST_S - _FASTEST_S)
        self._decay = np.exp(-bands.hop_s / decays_s)
        self._held = np.zeros(len(bands.centres_hz))

    def thresholds(self, powers: Floats) -> Floats:
        """Return thresholds [F, B] of the next weighted power spectra [F, bins]."""
        energies = np.maximum(powers @ self._bands.weights, _LEAST) + self._bands.inner_noise
        spread = self._bands.spread(energies) / self._normal
        for frame in spread:  # in place
            self._held = self._decay * self._held + (1 - self._decay) * frame
            np.maximum(frame, self._held, out=frame)
        return spread / self._bands.offsets
