"""Speaker embeddings: a recording to a vector, and a decoder that is conditioned on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vqcodec.modalities.audio.voices import HOP, NUM_FFT, NUM_MELS, mel_filters
from vqcodec.networks.residual import ConvNextUnit1d
from vqcodec.networks.spectral import stft

WIDTH, NUM_UNITS = 128, 2
NOBODY_SHARE = 0.1  # of training excerpts get the null embedding
EMPHASIS = 3.0  # guidance scale in inference


class VoiceEncoder(nn.Module):
    """A recording to an embedding of its speaker, independent of length, level and text.

    A network over each frame of mel energies gives features and attention weights; the weighted
    mean of the features becomes the vector.
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
    """Scales and shifts features by a function of the speaker embedding; initially the identity.

    Without a voice, the embedding is the learnt null embedding. Inference uses classifier-free
    guidance (Ho and Salimans 2022, arXiv:2207.12598): a decoder trained by regression averages
    over all signals of a voice, and an average sounds like no voice.
    """

    def __init__(
        self, dim: int, sample_rate: int, num_channels: int, emphasis: float = EMPHASIS
    ) -> None:
        super().__init__()
        self.encoder = VoiceEncoder(dim, sample_rate)
        self.nobody = nn.Parameter(torch.zeros(dim))
        self.emphasis = emphasis
        self.gains = nn.Linear(dim, 2 * num_channels)
        nn.init.zeros_(self.gains.weight)
        nn.init.zeros_(self.gains.bias)

    def forward(self, features: Tensor, vectors: Tensor | None) -> Tensor:
        """Return features [B, C, F] modulated by speaker embeddings [B or 1, dim]."""
        scale, shift = self.gains_of(vectors)
        return features * (1 + scale) + shift

    def gains_of(self, vectors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return scales and shifts [B or 1, C, 1] for speaker embeddings [B or 1, dim]."""
        if vectors is None:
            vectors = self.nobody[None]
        elif self.training:
            known = torch.rand(len(vectors), 1, device=vectors.device) >= NOBODY_SHARE
            vectors = torch.where(known, vectors, self.nobody)
        else:
            vectors = self.nobody + self.emphasis * (vectors - self.nobody)
        both = self.gains(vectors)[:, :, None]
        return both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
