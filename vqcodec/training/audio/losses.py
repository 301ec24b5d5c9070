"""Spectral distances between a reconstruction and the original, for training."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vqcodec.networks.audio.bands import bark, critical_bands
from vqcodec.networks.spectral import stft

RESOLUTIONS = ((256, 96), (512, 192), (1024, 384))  # window and hop, samples
POWER = 0.3  # of magnitudes; about the exponent of loudness over intensity


@functools.cache
def frequency_weights(num_fft: int, sample_rate: int) -> Tensor:
    """Return the relative width of bins in critical bands, [bins, 1], mean 1."""
    edges = torch.arange(num_fft // 2 + 2) * sample_rate / num_fft
    widths = bark(edges[1:]) - bark(edges[:-1])
    return (widths / widths.mean())[:, None]


@functools.cache
def band_members(num_fft: int, sample_rate: int) -> Tensor:
    """Return the bins of every critical band, [bands, bins]."""
    return critical_bands(torch.arange(num_fft // 2 + 1) * sample_rate / num_fft)


def compressed_spectral_loss(
    reconstruction: Tensor,
    target: Tensor,
    sample_rate: int,
    resolutions: Sequence[tuple[int, int]] = RESOLUTIONS,
) -> dict[str, Tensor]:
    """Return errors of power-compressed spectra, [B] each, of waveforms [B, 1 or 2, T], [B, 1, T].

    "bands" compares the energies of critical bands, "magnitude" those of bins, and "complex" also
    their phases. The weights of "complex" fall twice as fast towards high frequencies, where phase
    costs many bits and is hardly audible. Because of the power compression, quiet parts count
    nearly as much as loud ones (Ephrat et al. 2018, arXiv:1804.03619).

    Two reconstructions that differ only in their noise give energy distances (Gritsenko et al.
    2020, arXiv:2008.01160): noise costs nothing if the original is as noisy. The energy distance of
    squared errors is the product of the two errors. For "magnitude", a mean of absolute errors,
    half the difference of the two reconstructions is subtracted.
    """
    first, second = reconstruction[:, :1], reconstruction[:, -1:]
    same = reconstruction.shape[1] == 1
    bands = magnitude = complex_part = target.new_zeros(len(target))
    for num_fft, hop_length in resolutions:
        weights = frequency_weights(num_fft, sample_rate).to(target.device)
        original = _compressed(target, num_fft, hop_length, sample_rate)
        one = _compressed(first, num_fft, hop_length, sample_rate)
        two = one if same else _compressed(second, num_fft, hop_length, sample_rate)
        band_error = (one.bands - original.bands) * (two.bands - original.bands)
        bands = bands + band_error.mean(dim=(1, 2))
        error = (one.magnitude - original.magnitude).abs()
        if not same:
            error = (error + (two.magnitude - original.magnitude).abs()) / 2
            error = error - (one.magnitude - two.magnitude).abs() / 2
        magnitude = magnitude + (weights * error).mean(dim=(1, 2))
        phase_error = (one.real - original.real) * (two.real - original.real)
        phase_error = phase_error + (one.imag - original.imag) * (two.imag - original.imag)
        complex_part = complex_part + (weights.square() * phase_error).mean(dim=(1, 2))
    return {"bands": bands, "magnitude": magnitude, "complex": complex_part}


class _Compressed(NamedTuple):
    """A spectrum and its critical bands, with magnitudes raised to POWER."""

    real: Tensor
    imag: Tensor
    magnitude: Tensor
    bands: Tensor


def _compressed(waveform: Tensor, num_fft: int, hop_length: int, sample_rate: int) -> _Compressed:
    spectrum = stft(waveform, num_fft, hop_length)
    power = spectrum.real.square() + spectrum.imag.square() + 1e-8
    magnitude = power ** (POWER / 2)
    scale = magnitude * power.rsqrt()
    band = band_members(num_fft, sample_rate).to(waveform.device) @ power
    return _Compressed(spectrum.real * scale, spectrum.imag * scale, magnitude, band ** (POWER / 2))


def signal_to_noise_db(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the ratio of signal to error in dB, [B], of waveforms [B, 1, T]."""
    error = (reconstruction - target).square().sum(dim=(1, 2)) + 1e-9
    return 10 * torch.log10((target.square().sum(dim=(1, 2)) + 1e-9) / error)
