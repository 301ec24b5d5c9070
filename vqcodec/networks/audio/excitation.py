"""What fills a spectrum where its fine structure was not coded: harmonics made anew, and noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.spectral import Mdct

SOURCE_HZ = 900.0  # harmonics up to here are coded well enough to make others from
BINS, FRAMES = 9, 3  # neighbourhood whose mean power becomes 1
NOISE_FRAMES = 2_000  # transform frames after which the noise repeats


class Excitation(nn.Module):
    """Spectra that follow the pitch, and of noise, both about flat.

    Rectifying the lowest band of a voice gives it all the harmonics of its pitch, in step with it
    (high-frequency regeneration: Makhoul and Berouti 1979, "High-frequency regeneration in speech
    coding systems").
    """

    noise: Tensor

    def __init__(self, mdct: Mdct) -> None:
        super().__init__()
        self.mdct = mdct
        self.register_buffer("noise", make_noise(mdct.hop_length), persistent=False)

    def harmonics(self, low: Tensor) -> Tensor:
        """Return flat spectra [B, hop, F + 1] with the pitch of a waveform [B, 1, F * hop].

        Of the waveform, there should be only what is below SOURCE_HZ.
        """
        rectified = self.mdct.analyse(functional.relu(low))
        power = rectified.square()[:, None]
        padding = (BINS // 2, FRAMES // 2)
        around = functional.avg_pool2d(power, (BINS, FRAMES), 1, padding, count_include_pad=False)
        floor = 1e-6 * power.mean(dim=2, keepdim=True) + 1e-14
        return rectified * (around + floor).rsqrt()[:, 0]

    def noise_at(self, first: int | Tensor, num_frames: int) -> Tensor:
        """Return noise [1, C, num_frames], ±1, that depends on the place in the sound alone."""
        place = (torch.arange(num_frames, device=self.noise.device) + first) % NOISE_FRAMES
        return self.noise[:, place][None].float()

    def random_noise(self, like: Tensor) -> Tensor:
        """Return other noise of the same kind, of the shape of a tensor, as training wants it."""
        return torch.randint(2, like.shape, device=like.device).to(like.dtype) * 2 - 1


def make_noise(num_bins: int) -> Tensor:
    """Return signs [num_bins, NOISE_FRAMES] int8 that look random, the same wherever they are made.

    Each is the last bit of its number after that has been scattered over 32 bits.
    """
    number = np.arange(1, num_bins * NOISE_FRAMES + 1, dtype=np.uint32)
    for factor in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D):
        number *= np.uint32(factor)
        number ^= number >> np.uint32(15)
    signs = 2 * (number & np.uint32(1)).astype(np.int8) - 1
    return torch.from_numpy(signs.reshape(NOISE_FRAMES, num_bins).T).contiguous()
