"""Whose voice it is: a recording to a vector, and a decoder that speaks as the vector says."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from vqcodec.networks.residual import ConvNextUnit1d
from vqcodec.networks.spectral import stft

NUM_FFT, HOP = 1024, 320  # samples
NUM_MELS = 80
LOWEST_HZ = 50.0
WIDTH, NUM_UNITS = 128, 2
NOBODY_SHARE = 0.1  # of training excerpts are spoken by nobody in particular
EMPHASIS = 3.0  # of what tells a voice from nobody's, when it is not training


class VoiceEncoder(nn.Module):
    """A recording to a vector of its voice, whatever its length, its level and what is said.

    The spectrum is summed in mel bands and looked at frame by frame; the mean over frames, each
    weighted as the network finds it telling, becomes the vector.
    """

    mel: Tensor

    def __init__(self, dim: int, sample_rate: int) -> None:
        super().__init__()
        mel = torchaudio.functional.melscale_fbanks(
            NUM_FFT // 2 + 1, LOWEST_HZ, sample_rate / 2, NUM_MELS, sample_rate
        )
        self.register_buffer("mel", mel.T.contiguous(), persistent=False)  # [mels, bins]
        self.widen = nn.Conv1d(NUM_MELS, WIDTH, 3, padding=1)
        self.units = nn.Sequential(*[ConvNextUnit1d(WIDTH) for _ in range(NUM_UNITS)])
        self.weigh = nn.Conv1d(WIDTH, 1, 1)
        self.head = nn.Linear(WIDTH, dim)

    def forward(self, recording: Tensor) -> Tensor:
        """Return vectors [B, dim], each channel about ±1, of recordings [B, 1, T]."""
        level = recording.square().mean(dim=(1, 2), keepdim=True)
        spectrum = stft(recording * (level + 1e-8).rsqrt(), NUM_FFT, HOP)
        energies = torch.log(torch.matmul(self.mel, spectrum.abs().square()) + 1e-4)
        features = self.units(self.widen(energies))
        weights = torch.softmax(self.weigh(features), dim=2)
        return torch.tanh(self.head((features * weights).sum(dim=2)))


class VoiceModulation(nn.Module):
    """Scales and shifts features by what a voice asks for; identity before training.

    Without a voice it is nobody's in particular: a learnt vector, as good for everybody as one can
    be. What tells a voice from that is exaggerated in decoding, as guidance does in diffusion (Ho
    and Salimans 2022, arXiv:2207.12598): the mean of what a voice may do sounds like no voice.
    """

    def __init__(self, dim: int, sample_rate: int, num_channels: int) -> None:
        super().__init__()
        self.encoder = VoiceEncoder(dim, sample_rate)
        self.nobody = nn.Parameter(torch.zeros(dim))
        self.gains = nn.Linear(dim, 2 * num_channels)
        nn.init.zeros_(self.gains.weight)
        nn.init.zeros_(self.gains.bias)

    def forward(self, features: Tensor, vectors: Tensor | None) -> Tensor:
        """Return features [B, C, F] as voices [B or 1, dim] shape them."""
        if vectors is None:
            vectors = self.nobody[None]
        elif self.training:
            known = torch.rand(len(vectors), 1, device=vectors.device) >= NOBODY_SHARE
            vectors = torch.where(known, vectors, self.nobody)
        else:
            vectors = self.nobody + EMPHASIS * (vectors - self.nobody)
        scale, shift = self.gains(vectors)[:, :, None].chunk(2, dim=1)
        shaped: Tensor = features * (1 + scale) + shift
        return shaped
