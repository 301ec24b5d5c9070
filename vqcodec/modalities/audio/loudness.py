"""How different two sounds are to the ear: disturbances of loudness, differentiable, for training.

The steps and constants are those of the perceptual measure that telephony uses (Beerends et al.
2002, "Perceptual evaluation of speech quality, part II: psychoacoustic model"; as a loss:
Martin-Donas et al. 2018, "A deep learning loss function based on the perceptual evaluation of the
speech quality"), with bands, threshold and level from closed formulas. It is not that measure:
nothing is aligned in time, and neither filtering nor gain is forgiven.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from vqcodec.nn.spectral import stft

NUM_FFT, HOP = 512, 256  # 32 ms at 16 kHz
NARROWEST, WIDEST = 0.32, 0.58  # bark, of the lowest and the highest band
SPEECH_LEVEL = 65.0  # dB SPL that a voice is taken to be played at
QUIETEST = 3e-6  # mean square, -55 dB, that a level is taken from at least
EXPONENT = 0.23  # of loudness over power (Zwicker and Fastl)
MASKED = 0.25  # share of the smaller loudness by which sounds differ without being heard to
ASYMMETRY_OFFSET = 50.0  # power of 17 dB
ASYMMETRY_POWER, ASYMMETRY_LEAST, ASYMMETRY_MOST = 1.2, 3.0, 12.0
SYMMETRIC_SHARE, ASYMMETRIC_SHARE = 0.27, 0.06  # of a point of quality, fitted on coded voices


def bark(frequency: Tensor) -> Tensor:
    """Return the critical-band rate of frequencies in Hz (Traunmüller 1990)."""
    return 26.81 * frequency / (1960.0 + frequency) - 0.53


def threshold_in_quiet(frequency: Tensor) -> Tensor:
    """Return the level in dB SPL at which tones in Hz are just heard (Terhardt 1979)."""
    kilohertz = frequency.clamp(min=50.0) / 1000
    return (
        3.64 * kilohertz**-0.8
        - 6.5 * torch.exp(-0.6 * (kilohertz - 3.3) ** 2)
        + 1e-3 * kilohertz**4
    )


@functools.cache
def band_tables(sample_rate: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return which bins each band sums [bands, bins], its threshold and its width [bands, 1]."""
    frequency = torch.arange(NUM_FFT // 2 + 1, dtype=torch.float64) * sample_rate / NUM_FFT
    rate = bark(frequency) - bark(frequency[:1])
    # Widths grow evenly with the rate, so that numbers of bands are its logarithm.
    growth = (WIDEST - NARROWEST) / rate[-1]
    number = torch.log1p(rate * growth / NARROWEST) / growth
    band = torch.floor(number).long()
    band[0] = -1  # the mean of a waveform is not heard
    bands = sorted({index for index in band.tolist() if index >= 0})
    member = torch.stack([(band == index).double() for index in bands])
    centre = (member @ frequency) / member.sum(1)
    # A band that holds more than its share of bins, or less, has the width that its bins cover.
    slope = bark(centre + 0.5) - bark(centre - 0.5)
    width = member.sum(1) * slope * sample_rate / NUM_FFT
    threshold = 10 ** (threshold_in_quiet(centre) / 10)
    return member.float(), threshold.float()[:, None], width.float()[:, None]


def loudness_disturbance(restored: Tensor, original: Tensor, sample_rate: int) -> Tensor:
    """Return how disturbed waveforms [B, 1, T] sound beside originals, [B], in points of quality.

    About 0 (the same) … 4.5. Both are played at the level that brings the original to
    SPEECH_LEVEL; what was added weighs more than what is missing.
    """
    member, threshold, width = (t.to(original.device) for t in band_tables(sample_rate))
    level = original.square().mean(dim=(1, 2)).clamp(min=QUIETEST)
    gain = (10 ** (SPEECH_LEVEL / 10) / level)[:, None, None]
    powers = []
    for waveform in (restored, original):
        spectrum = stft(waveform, NUM_FFT, HOP)
        energy = (spectrum.real.square() + spectrum.imag.square()) / (NUM_FFT * 0.375 / 2)
        powers.append(torch.matmul(member, energy) * gain)
    spoken = [_loudness(power, threshold) for power in powers]
    difference = spoken[0] - spoken[1]
    masked = MASKED * torch.minimum(*spoken)
    heard = (difference.abs() - masked).clamp(min=0)
    added = (powers[0] + ASYMMETRY_OFFSET) / (powers[1] + ASYMMETRY_OFFSET)
    asymmetry = added**ASYMMETRY_POWER
    asymmetry = asymmetry.clamp(max=ASYMMETRY_MOST) * (asymmetry >= ASYMMETRY_LEAST)
    total_width = width.sum()
    symmetric = (total_width * (heard * width).square().sum(1) + 1e-6).sqrt()
    asymmetric = (heard * asymmetry.detach() * width).sum(1)
    audible = powers[1].sum(1)
    weight = ((audible + 1e5) / 1e7) ** -0.04
    frames = SYMMETRIC_SHARE * symmetric + ASYMMETRIC_SHARE * asymmetric
    return ((frames * weight).square().mean(1) + 1e-6).sqrt()


def _loudness(power: Tensor, threshold: Tensor) -> Tensor:
    """Return the loudness of band powers [B, bands, frames], in sone per bark but for a factor."""
    relative = 0.5 + 0.5 * power / threshold
    return 0.1866 * (threshold / 0.5) ** EXPONENT * (relative**EXPONENT - 1).clamp(min=0)
