"""The distortion of sounds with two channels."""

from __future__ import annotations

import torch
from torch import Tensor

from vqcodec.training.audio.losses import compressed_spectral_loss, signal_to_noise_db
from vqcodec.training.audio.masking import noise_to_mask_ratio

RESOLUTIONS = ((512, 256), (2048, 1024))  # window and hop, samples at 48 kHz
WEIGHTS = {"bands": 100.0, "magnitude": 6.0, "complex": 0.6}
MASKING_POWER = 0.15  # of the noise-to-mask ratio


def pair_distortion(reconstruction: Tensor, target: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Return the terms of the loss, each [B]; "total" is what is minimised.

    That is a spectral distance, times a power of the noise-to-mask ratio. By the distance alone,
    the noise becomes too loud: it is no error there if the original is as noisy. In the distance,
    left, right, mid and side count alike, so that the stereo image counts, too.

    Args:
        reconstruction: [B, 2 or 4, T]; in training two draws of the noise.
        target: [B, 2, T].
        sample_rate: in Hz.
    """
    num_draws = reconstruction.shape[1] // 2
    draws = [_views(reconstruction[:, 2 * n : 2 * n + 2]) for n in range(num_draws)]
    views = torch.stack(draws, 2).flatten(0, 1)  # [B * 4, draws, T]
    targets = _views(target).flatten(0, 1)[:, None]
    terms = compressed_spectral_loss(views, targets, sample_rate, RESOLUTIONS)
    means = {name: term.reshape(-1, 4).mean(1) for name, term in terms.items()}
    total = sum((weight * means[name] for name, weight in WEIGHTS.items()), torch.tensor(0.0))
    means["noise_to_mask"] = noise_to_mask_ratio(reconstruction, target, sample_rate)
    total = total * (means["noise_to_mask"] + 1e-6) ** MASKING_POWER
    snr = signal_to_noise_db(reconstruction[:, :2].detach(), target)
    return {"total": total, **means, "snr_db": snr}


def _views(waveform: Tensor) -> Tensor:
    """Return left, right, mid and side [B, 4, T] of two channels [B, 2, T]."""
    left, right = waveform[:, :1], waveform[:, 1:]
    return torch.cat([left, right, (left + right) / 2, (left - right) / 2], 1)
