"""The noise-to-mask ratio as a term of the loss."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vqcodec.networks.spectral import stft
from vqcodec.signals.masking import Mask, masking_bands
from vqcodec.signals.short_spectra import HOP, WINDOW, short_spectra


def noise_to_mask_ratio(reconstruction: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    """Return the noise-to-mask ratio [B], as `evaluation.metrics.masking` has it, not in dB.

    Args:
        reconstruction: [B, n * C, T], n draws of the noise one after the other.
        target: [B, C, T].
        sample_rate: in Hz.
    """
    bands = masking_bands(sample_rate)
    ear, weights = (
        torch.from_numpy(table).to(target) for table in (bands.ear[:, None], bands.weights)
    )

    def magnitudes(waveform: Tensor) -> Tensor:
        """Return [channels, bins, frames]; a full-scale sine has a magnitude of 1."""
        spectrum = stft(waveform.flatten(0, 1)[:, None], WINDOW, HOP)
        return torch.abs(spectrum) * (4 / math.sqrt(WINDOW)) * ear

    thresholds = _thresholds(target, sample_rate)  # [B * C, frames, bands]
    original = magnitudes(target)
    draws = torch.split(reconstruction, target.shape[1], 1)
    ratios = torch.zeros_like(target[:, 0, 0])
    for draw in draws:
        noise = (magnitudes(draw) - original).square().transpose(1, 2) @ weights
        ratio = noise / thresholds[:, : noise.shape[1]]
        ratios = ratios + ratio.reshape(len(target), -1).mean(1) / len(draws)
    return ratios


def _thresholds(target: Tensor, sample_rate: int) -> Tensor:
    """Return the thresholds of masking [B * C, frames, bands] of waveforms [B, C, T]."""
    bands = masking_bands(sample_rate)
    found = []
    for channel in target.flatten(0, 1).float().cpu().numpy():
        mask = Mask(bands)
        powers = (np.square(np.abs(spectra) * bands.ear) for spectra in short_spectra(channel))
        found.append(np.concatenate([mask.thresholds(power) for power in powers]))
    return torch.from_numpy(np.stack(found)).to(target)
