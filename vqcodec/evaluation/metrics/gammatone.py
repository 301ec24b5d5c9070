"""Spectrograms of a gammatone filterbank, the front end of ViSQOL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUM_BANDS = 32
LOWEST_HZ = 50.0
WINDOW_S = 0.08
_EAR_Q, _MIN_BANDWIDTH_HZ = 9.26449, 24.7  # Glasberg and Moore 1990
_NUM_STATES = 8  # of four filters of second order
_BATCH = 64  # frames that are transformed at once


def frame_length(sample_rate: int) -> int:
    """Return the samples of a frame; frames overlap by three quarters."""
    return round(sample_rate * WINDOW_S)


def hop_length(sample_rate: int) -> int:
    """Return the samples from one frame to the next."""
    return frame_length(sample_rate) // 4


def gammatone_spectrogram(waveform: Floats, sample_rate: int) -> Floats:
    """Return the root mean squares [32, frames] of a waveform [T] after each gammatone filter.

    Each filter (Slaney 1993, Apple Technical Report 35) runs over each Hann-windowed frame from a
    state of zero, and only its output within the frame counts. Running it sample by sample takes
    seconds. Here, the energy of the whole response is a sum over the frame's spectrum (Parseval),
    and the energy after the frame's end is subtracted. It depends on the 8 numbers of the filter's
    final state, which are a matrix product.

    Args:
        waveform: longer than a frame.
        sample_rate: in Hz; the filters lie between 50 Hz and half of it.
    """
    bank = _filterbank(sample_rate)
    size = frame_length(sample_rate)
    frames = sliding_window_view(waveform, size)[:: hop_length(sample_rate)]
    energies = np.concatenate([bank.energies(frames[part]) for part in _batches(len(frames))])
    return np.sqrt(energies.T / size)


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, count, _BATCH))


@dataclass(frozen=True, eq=False, slots=True)
class _Filterbank:
    """The filters at one sample rate.

    Attributes:
        window: [N].
        num_bins: M, the length of the transforms.
        powers: [M / 2 + 1, 32], the squared responses, scaled for Parseval's theorem.
        tails: [N, 32 * 8]: a frame times this is what rings on after its end; squares add up to
            the energy.
    """

    window: Floats
    num_bins: int
    powers: Floats
    tails: Floats

    def energies(self, frames: Floats) -> Floats:
        """Return the energies [F, 32] of the filters' outputs within frames [F, N]."""
        windowed = frames * self.window
        spectrum = np.fft.rfft(windowed, self.num_bins, axis=1)
        whole = (np.square(spectrum.real) + np.square(spectrum.imag)) @ self.powers
        rest = np.square(windowed @ self.tails).reshape(len(frames), NUM_BANDS, -1).sum(axis=2)
        energies: Floats = np.maximum(whole - rest, 0)
        return energies


@lru_cache(maxsize=2)
def _filterbank(sample_rate: int) -> _Filterbank:
    size = frame_length(sample_rate)
    num_bins = 1 << (2 * size - 1).bit_length()  # a response fades out within as long as a frame
    responses, poles = _responses(sample_rate, num_bins)
    weights = np.full(num_bins // 2 + 1, 2.0)
    weights[[0, -1]] = 1
    powers = np.square(np.abs(responses)) * weights[:, None] / num_bins
    tails = [_tail(*pair, size, num_bins) for pair in zip(responses.T, poles, strict=True)]
    # ViSQOL's window is symmetric.
    return _Filterbank(np.hanning(size), num_bins, powers, np.concatenate(tails, axis=1))


def _responses(sample_rate: int, num_bins: int) -> tuple[NDArray[np.complex128], Floats]:
    """Return the frequency responses [M / 2 + 1, 32], lowest band first, and the poles [32].

    A filter has a complex pole and its conjugate, four times each, and four real zeros.
    """
    offset = _EAR_Q * _MIN_BANDWIDTH_HZ
    highest = sample_rate / 2 + offset
    places = np.arange(NUM_BANDS, 0, -1) / NUM_BANDS
    centres_hz = highest * np.exp(places * np.log((LOWEST_HZ + offset) / highest)) - offset
    bandwidths = 1.019 * 2 * np.pi * (centres_hz / _EAR_Q + _MIN_BANDWIDTH_HZ)
    angles = 2 * np.pi * centres_hz / sample_rate
    poles = np.exp(-bandwidths / sample_rate + 1j * angles)
    slopes = [
        np.cos(angles) + sign * root * np.sin(angles)
        for root in (np.sqrt(3 + 2**1.5), np.sqrt(3 - 2**1.5))
        for sign in (1, -1)
    ]

    def response(delays: NDArray[np.complex128]) -> NDArray[np.complex128]:
        product = np.ones(np.broadcast_shapes(delays.shape, poles.shape), np.complex128)
        for slope in slopes:
            product *= 1 - slope * np.abs(poles) * delays
            product /= (1 - poles * delays) * (1 - poles.conj() * delays)
        return product

    bins = np.exp(-2j * np.pi * np.arange(num_bins // 2 + 1) / num_bins)[:, None]
    gains = np.abs(response(np.exp(-1j * angles)))  # 1 at the centre
    return response(bins) / gains, poles


def _tail(response: NDArray[np.complex128], pole: complex, size: int, num_bins: int) -> Floats:
    """Return [N, 8]: the output after the end of a frame x has the energy |x @ result|^2.

    The final state of the filter is x times eight sequences, which decay from the frame's end
    backwards: n^k pole^n for k = 0 … 3, real and imaginary parts.
    """
    ages = np.arange(size)[::-1]  # of the samples at the end of the frame
    decays = np.exp(np.log(pole) * ages)
    span = [
        part * (ages / size) ** power for power in range(4) for part in (decays.real, decays.imag)
    ]
    basis, _ = np.linalg.qr(np.stack(span, axis=1))
    spectrum = np.fft.rfft(basis, num_bins, axis=0)
    ringing = np.fft.irfft(spectrum * response[:, None], num_bins, axis=0)[size:]
    _, values, rotation = np.linalg.svd(ringing, full_matrices=False)
    assert len(values) == _NUM_STATES
    tail: Floats = basis @ (rotation.T * values)
    return tail
