"""Excitation for the part of the spectrum that is not coded: regenerated harmonics and noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.spectral import Mdct

SOURCE_HZ = 900.0  # the harmonics below are coded well enough to regenerate the others
BINS, FRAMES = 9, 3  # neighbourhood whose mean power becomes 1
NOISE_FRAMES = 2_000  # transform frames after which the noise repeats


class Excitation(nn.Module):
    """Two approximately flat spectra: harmonics of the pitch, and noise.

    Rectifying the lowest band of a voice generates all harmonics of its pitch, in phase with it
    (Makhoul and Berouti 1979, "High-frequency regeneration in speech coding systems").
    """

    noise: Tensor

    def __init__(self, mdct: Mdct) -> None:
        super().__init__()
        self.mdct = mdct
        self.register_buffer("noise", make_noise(mdct.hop_length), persistent=False)

    def harmonics(self, low: Tensor) -> Tensor:
        """Return flat spectra [B, hop, F + 1] with the pitch of a waveform [B, 1, F * hop].

        The waveform should contain only frequencies below SOURCE_HZ.
        """
        rectified = self.mdct.analyse(functional.relu(low))
        power = rectified.square()[:, None]
        padding = (BINS // 2, FRAMES // 2)
        around = functional.avg_pool2d(power, (BINS, FRAMES), 1, padding, count_include_pad=False)
        floor = 1e-6 * power.mean(dim=2, keepdim=True) + 1e-14
        return rectified * (around + floor).rsqrt()[:, 0]

    def noise_at(self, first: int | Tensor, num_frames: int) -> Tensor:
        """Return noise [1, C, num_frames], ±1, that depends only on the position in the sound."""
        place = (torch.arange(num_frames, device=self.noise.device) + first) % NOISE_FRAMES
        return self.noise[:, place][None].float()

    def random_noise(self, like: Tensor) -> Tensor:
        """Return random noise, ±1, of the shape of a tensor, for training."""
        return torch.randint(2, like.shape, device=like.device).to(like.dtype) * 2 - 1


def make_noise(num_bins: int) -> Tensor:
    """Return pseudo-random signs [num_bins, NOISE_FRAMES] int8, the same on every platform.

    Each sign is the last bit of a 32-bit integer hash of its position.
    """
    number = np.arange(1, num_bins * NOISE_FRAMES + 1, dtype=np.uint32)
    for factor in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D):
        number *= np.uint32(factor)
        number ^= number >> np.uint32(15)
    signs = 2 * (number & np.uint32(1)).astype(np.int8) - 1
    return torch.from_numpy(signs.reshape(NOISE_FRAMES, num_bins).T).contiguous()
