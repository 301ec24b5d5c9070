"""Perceptual distance of two sounds by disturbances of loudness, as a differentiable loss.

The steps and constants are those of the perceptual measure that telephony uses (ITU-T P.862 with
P.862.2; Beerends et al. 2002, "Perceptual evaluation of speech quality, part II: psychoacoustic
model"; as a loss: Martin-Donas et al. 2018, "A deep learning loss function based on the perceptual
evaluation of the speech quality"), with bands and threshold from closed formulas. It differs from
that measure in that it does not align the sounds in time.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from vqcodec.networks.audio.bands import bark
from vqcodec.networks.spectral import stft

NUM_FFT, HOP = 512, 256  # 32 ms at 16 kHz
NARROWEST, WIDEST = 0.32, 0.58  # bark, widths of the lowest and the highest band
LEVEL = 92.0  # dB SPL of the band SPEECH_HZ after the filter LOW_CUT
SPEECH_HZ = (325.0, 3250.0)
LOW_CUT = ((1.0, -2.0, 1.0), (1.0, -1.9444777, 0.94597794))  # the input filter for wide-band sound
QUIETEST = 3e-6  # mean square, -55 dB: least level for normalisation
EXPONENT = 0.23  # of loudness over power (Zwicker and Fastl)
MASKED = 0.25  # inaudible difference, as a share of the smaller loudness
CLEAR, SPOKEN = 100.0, 1e7  # powers of bands over their threshold, and of frames with speech
LARGEST_RESPONSE, RESPONSE_OFFSET = 100.0, 1e3  # of a filter that does not count: 20 dB
GAIN_RANGE, GAIN_OFFSET, GAIN_MEMORY = (3e-4, 5.0), 5e3, 0.2  # of a gain that does not count
ASYMMETRY_OFFSET = 50.0  # power of 17 dB
ASYMMETRY_POWER, ASYMMETRY_LEAST, ASYMMETRY_MOST = 1.2, 3.0, 12.0
SYMMETRIC_SHARE, ASYMMETRIC_SHARE = 0.1, 0.0309  # of a point of quality
SPELL, SPELL_POWER = 20, 6  # frames with one common disturbance, close to their largest
LARGEST_FRAME = 45.0


def threshold_in_quiet(frequency: Tensor) -> Tensor:
    """Return the threshold of hearing in dB SPL of tones in Hz (Terhardt 1979)."""
    kilohertz = frequency.clamp(min=50.0) / 1000
    return (
        3.64 * kilohertz**-0.8
        - 6.5 * torch.exp(-0.6 * (kilohertz - 3.3) ** 2)
        + 1e-3 * kilohertz**4
    )


class Bands(NamedTuple):
    """The bands of the hearing model."""

    member: Tensor  # [bands, bins], weight of a bin's power in each band
    threshold: Tensor  # [bands, 1]
    width: Tensor  # [bands, 1], bark
    exponent: Tensor  # [bands, 1], of loudness over power
    speech: Tensor  # [bins], 1 for those that count for the level


@functools.cache
def band_tables(sample_rate: int) -> Bands:
    """Return the bands of NUM_FFT bins."""
    frequency = torch.arange(NUM_FFT // 2 + 1, dtype=torch.float64) * sample_rate / NUM_FFT
    rate = bark(frequency) - bark(frequency[:1])
    # Widths are linear in the bark rate, so the number of a band is logarithmic in it.
    growth = (WIDEST - NARROWEST) / rate[-1]
    number = torch.log1p(rate * growth / NARROWEST) / growth
    band = torch.floor(number).long()
    band[0] = -1  # the mean of a waveform is inaudible
    bands = sorted({index for index in band.tolist() if index >= 0})
    member = torch.stack([(band == index).double() for index in bands])
    centre = (member @ frequency) / member.sum(1)
    # The width of a band is that of the bins in it.
    slope = bark(centre + 0.5) - bark(centre - 0.5)
    width = member.sum(1) * slope * sample_rate / NUM_FFT
    threshold = 10 ** (threshold_in_quiet(centre) / 10)
    low = (6 / (bark(centre) + 2)).clamp(1, 2)  # loudness grows faster with low frequencies
    turn = torch.exp(-2j * math.pi * frequency / sample_rate)
    ahead, back = (torch.stack([tap * turn**n for n, tap in enumerate(taps)]) for taps in LOW_CUT)
    heard = (ahead.sum(0) / back.sum(0)).abs().square()
    speech = (frequency >= SPEECH_HZ[0]) & (frequency <= SPEECH_HZ[1])
    return Bands(
        member=(member * heard).float(),
        threshold=threshold.float()[:, None],
        width=width.float()[:, None],
        exponent=(EXPONENT * low**0.15).float()[:, None],
        speech=speech.float(),
    )


def loudness_disturbance(restored: Tensor, original: Tensor, sample_rate: int) -> Tensor:
    """Return the disturbance [B] of waveforms [B, 1, T] against originals, in points of quality.

    It is about 0 (the same) … 4.5. Both sounds are normalised to LEVEL. A constant filter and slow
    changes of level do not count. Added components weigh more than missing ones, and short
    disturbances more than steady ones.
    """
    bands = Bands(*(tensor.to(original.device) for tensor in band_tables(sample_rate)))
    powers = []
    for waveform in (restored, original):
        spectrum = stft(waveform, NUM_FFT, HOP)
        power = spectrum.real.square() + spectrum.imag.square()
        power = power / (NUM_FFT * 0.375 / 2)  # [B, bins, frames], of the mean square
        level = (bands.speech @ power).mean(1).clamp(min=QUIETEST)
        gain = (10 ** (LEVEL / 10) / level)[:, None, None]
        powers.append(torch.matmul(bands.member, power) * gain)
    new, old = powers
    old = _same_response(new, old, bands)
    new = _same_level(new, old, bands)
    loudness = [_loudness(power, bands) for power in (new, old)]
    difference = (loudness[0] - loudness[1]).abs()
    heard = (difference - MASKED * torch.minimum(*loudness)).clamp(min=0)
    added = ((new + ASYMMETRY_OFFSET) / (old + ASYMMETRY_OFFSET)) ** ASYMMETRY_POWER
    asymmetry = added.clamp(max=ASYMMETRY_MOST) * (added >= ASYMMETRY_LEAST)
    symmetric = (bands.width.sum() * (heard * bands.width).square().sum(1) + 1e-6).sqrt()
    asymmetric = (heard * asymmetry * bands.width).sum(1)
    # A frame counts less if the original is loud.
    weight = ((_audible(old, bands) + 1e5) / 1e7) ** -0.04
    return SYMMETRIC_SHARE * _over_time(symmetric * weight) + ASYMMETRIC_SHARE * _over_time(
        asymmetric * weight
    )


def _audible(power: Tensor, bands: Bands) -> Tensor:
    """Return the power [B, frames] of the audible bands of [B, bands, frames]."""
    return (power * (power > bands.threshold)).sum(1)


def _same_response(new: Tensor, old: Tensor, bands: Bands) -> Tensor:
    """Return old powers [B, bands, frames] with the average spectral shape of the new ones."""
    clear = [power * (power > CLEAR * bands.threshold) for power in (new, old)]
    spoken = clear[1].sum(1, keepdim=True) > SPOKEN
    means = [(power * spoken).mean(2, keepdim=True) + RESPONSE_OFFSET for power in clear]
    return old * (means[0] / means[1]).clamp(1 / LARGEST_RESPONSE, LARGEST_RESPONSE)


def _same_level(new: Tensor, old: Tensor, bands: Bands) -> Tensor:
    """Return new powers [B, bands, frames], each frame with the level of the old frame."""
    ratio = (_audible(old, bands) + GAIN_OFFSET) / (_audible(new, bands) + GAIN_OFFSET)
    before = functional.pad(ratio, (1, 0), mode="replicate")[:, :-1]
    ratio = (1 - GAIN_MEMORY) * ratio + GAIN_MEMORY * before
    return new * ratio.clamp(*GAIN_RANGE)[:, None]


def _loudness(power: Tensor, bands: Bands) -> Tensor:
    """Return the loudness of band powers [B, bands, frames], proportional to sone per bark."""
    relative = 0.5 + 0.5 * power / bands.threshold
    louder = (relative**bands.exponent - 1).clamp(min=0)
    return 0.1866 * (2 * bands.threshold) ** bands.exponent * louder


def _over_time(frames: Tensor) -> Tensor:
    """Return one disturbance [B] for all frames [B, F]."""
    spell = min(SPELL, frames.shape[1])
    # Not zero, where a root has no gradient.
    spells = frames.clamp(1e-3, LARGEST_FRAME).unfold(1, spell, max(1, spell // 2))
    worst = (spells**SPELL_POWER).mean(2) ** (1 / SPELL_POWER)
    return worst.square().mean(1).sqrt()
