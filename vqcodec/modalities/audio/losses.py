"""How far a restored voice is from the original, for training."""

from __future__ import annotations

import torch
from torch import Tensor

from vqcodec.nn.spectral import stft

RESOLUTIONS = ((256, 96), (512, 192), (1024, 384))  # window and hop, samples
POWER = 0.3  # magnitudes are raised to this, about as loudness follows intensity


def compressed_spectral_loss(reconstruction: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return squared errors of power-compressed spectra, [B] each, of waveforms [B, 1, T].

    "magnitude" ignores phase; "complex" does not. Compressed this way, quiet parts count nearly
    as much as loud ones (Ephrat et al. 2018, arXiv:1804.03619, and speech enhancement since).
    """
    magnitude = complex_part = target.new_zeros(len(target))
    for num_fft, hop_length in RESOLUTIONS:
        restored, original = (stft(w, num_fft, hop_length) for w in (reconstruction, target))
        power_r = restored.real.square() + restored.imag.square() + 1e-8
        power_o = original.real.square() + original.imag.square() + 1e-8
        compressed_r, compressed_o = power_r ** (POWER / 2), power_o ** (POWER / 2)
        scale_r, scale_o = compressed_r * power_r.rsqrt(), compressed_o * power_o.rsqrt()
        magnitude = magnitude + (compressed_r - compressed_o).square().mean(dim=(1, 2))
        real = restored.real * scale_r - original.real * scale_o
        imag = restored.imag * scale_r - original.imag * scale_o
        complex_part = complex_part + (real.square() + imag.square()).mean(dim=(1, 2))
    return {"magnitude": magnitude, "complex": complex_part}


def signal_to_noise_db(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the ratio of signal to error in dB, [B], of waveforms [B, 1, T]."""
    error = (reconstruction - target).square().sum(dim=(1, 2)) + 1e-9
    return 10 * torch.log10((target.square().sum(dim=(1, 2)) + 1e-9) / error)
