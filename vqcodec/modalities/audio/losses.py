"""How far a restored voice is from the original, for training."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from vqcodec.modalities.audio.loudness import bark
from vqcodec.nn.spectral import stft

RESOLUTIONS = ((256, 96), (512, 192), (1024, 384))  # window and hop, samples
POWER = 0.3  # magnitudes are raised to this, about as loudness follows intensity


@functools.cache
def frequency_weights(num_fft: int, sample_rate: int) -> Tensor:
    """Return how many critical bands a bin is wide, [bins, 1], mean 1: low bins count for more."""
    edges = torch.arange(num_fft // 2 + 2) * sample_rate / num_fft
    widths = bark(edges[1:]) - bark(edges[:-1])
    return (widths / widths.mean())[:, None]


@functools.cache
def critical_bands(num_fft: int, sample_rate: int) -> Tensor:
    """Return which bins a critical band sums, [bands, bins]."""
    frequency = torch.arange(num_fft // 2 + 1) * sample_rate / num_fft
    rate = bark(frequency)
    number = torch.floor(rate - rate[0]).long()
    return torch.nn.functional.one_hot(number).T.float()


def compressed_spectral_loss(
    reconstruction: Tensor, target: Tensor, sample_rate: int
) -> dict[str, Tensor]:
    """Return squared errors of power-compressed spectra, [B] each, of waveforms [B, 1, T].

    "bands" compares the energies of critical bands, "magnitude" those of bins, and "complex" their
    phases, too; it falls off twice as fast towards high frequencies, where phase costs many bits
    and is hardly heard. Compressed this way, quiet parts count nearly as much as loud ones (Ephrat
    et al. 2018, arXiv:1804.03619, and speech enhancement since).
    """
    bands = magnitude = complex_part = target.new_zeros(len(target))
    for num_fft, hop_length in RESOLUTIONS:
        restored, original = (stft(w, num_fft, hop_length) for w in (reconstruction, target))
        power_r = restored.real.square() + restored.imag.square() + 1e-8
        power_o = original.real.square() + original.imag.square() + 1e-8
        compressed_r, compressed_o = power_r ** (POWER / 2), power_o ** (POWER / 2)
        scale_r, scale_o = compressed_r * power_r.rsqrt(), compressed_o * power_o.rsqrt()
        band = critical_bands(num_fft, sample_rate).to(target.device)
        band_r, band_o = ((band @ p) ** (POWER / 2) for p in (power_r, power_o))
        bands = bands + (band_r - band_o).square().mean(dim=(1, 2))
        weights = frequency_weights(num_fft, sample_rate).to(target.device)
        loudness_error = (compressed_r - compressed_o).square()
        magnitude = magnitude + (weights * loudness_error).mean(dim=(1, 2))
        real = restored.real * scale_r - original.real * scale_o
        imag = restored.imag * scale_r - original.imag * scale_o
        phase_error = weights.square() * (real.square() + imag.square())
        complex_part = complex_part + phase_error.mean(dim=(1, 2))
    return {"bands": bands, "magnitude": magnitude, "complex": complex_part}


def signal_to_noise_db(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the ratio of signal to error in dB, [B], of waveforms [B, 1, T]."""
    error = (reconstruction - target).square().sum(dim=(1, 2)) + 1e-9
    return 10 * torch.log10((target.square().sum(dim=(1, 2)) + 1e-9) / error)
