"""Correlation of the band envelopes of two sounds, as a differentiable loss."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from vqcodec.networks.spectral import stft

NUM_FFT, HOP = 512, 192
LOWEST_HZ, NUM_BANDS = 150.0, 15  # third octaves
FRAMES = 32  # of one segment: 0.38 s at 16 kHz
QUIET = 1e-2  # a segment with this share of the largest energy counts half
FLOOR = 1e-6  # mean square of a sample, -60 dB; quieter segments count little


@functools.cache
def third_octaves(sample_rate: int) -> Tensor:
    """Return the bins of every band, [bands, bins]."""
    frequency = torch.arange(NUM_FFT // 2 + 1) * sample_rate / NUM_FFT
    centre = LOWEST_HZ * 2 ** (torch.arange(NUM_BANDS)[:, None] / 3)
    edge = 2 ** (1 / 6)
    return ((frequency >= centre / edge) & (frequency < centre * edge)).float()


def envelope_mismatch(restored: Tensor, original: Tensor, sample_rate: int) -> Tensor:
    """Return 1 - the mean correlation of band envelopes of waveforms [B, 1, T], [B], 0 … 2.

    Correlations are over segments of 0.4 s, after Taal et al. 2011, "An algorithm for
    intelligibility prediction of time-frequency weighted noisy speech", without its clipping.
    """
    bands = third_octaves(sample_rate).to(original.device)
    stretches = []
    for waveform in (restored, original):
        spectrum = stft(waveform, NUM_FFT, HOP)
        power = torch.matmul(bands, spectrum.real.square() + spectrum.imag.square())
        envelope = (power + 1e-9).sqrt()  # [B, bands, frames]
        stretch = envelope.unfold(-1, min(FRAMES, envelope.shape[-1]), FRAMES // 4)
        stretches.append(stretch)
    centred = [s - s.mean(-1, keepdim=True) for s in stretches]
    norms = [(c.square().sum(-1) + 1e-9).sqrt() for c in centred]
    correlation = (centred[0] * centred[1]).sum(-1) / (norms[0] * norms[1])  # [B, bands, stretches]
    energy = stretches[1].square().sum((1, 3))  # [B, stretches]
    loudest = energy.amax(-1, keepdim=True)
    weight = energy / (energy + QUIET * loudest + 1e-9)
    mismatch = ((1 - correlation.mean(1)) * weight).sum(-1) / (weight.sum(-1) + 1e-9)
    level = original.square().mean(dim=(1, 2))
    return mismatch * level / (level + FLOOR)
