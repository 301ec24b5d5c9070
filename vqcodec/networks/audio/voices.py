"""Whose voice it is: a recording to a vector, and a decoder that speaks as the vector says."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.voices import HOP, NUM_FFT, NUM_MELS, mel_filters
from vqcodec.networks.residual import ConvNextUnit1d
from vqcodec.networks.spectral import stft

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
        mel = torch.from_numpy(mel_filters(sample_rate))
        self.register_buffer("mel", mel, persistent=False)  # [mels, bins]
        self.widen = nn.Conv1d(NUM_MELS, WIDTH, 3, padding=1)
        self.units = nn.Sequential(*[ConvNextUnit1d(WIDTH) for _ in range(NUM_UNITS)])
        self.weigh = nn.Conv1d(WIDTH, 1, 1)
        self.head = nn.Linear(WIDTH, dim)

    def forward(self, recording: Tensor) -> Tensor:
        """Return vectors [B, dim], each channel about ±1, of recordings [B, 1, T]."""
        level = recording.square().mean(dim=(1, 2), keepdim=True)
        spectrum = stft(recording * (level + 1e-8).rsqrt(), NUM_FFT, HOP)
        return self.embed(torch.log(torch.matmul(self.mel, spectrum.abs().square()) + 1e-4))

    def embed(self, energies: Tensor) -> Tensor:
        """Return vectors [B, dim] of logarithms of mel energies [B, NUM_MELS, F]."""
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
        both = self.gains(vectors)[:, :, None]
        scale, shift = both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
        shaped: Tensor = features * (1 + scale) + shift
        return shaped
