"""Critical bands, the frequency resolution of hearing, and their energies in MDCT frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def bark(frequency: Tensor) -> Tensor:
    """Return the critical-band rate of frequencies in Hz (Traunmüller 1990)."""
    return 26.81 * frequency / (1960.0 + frequency) - 0.53


def critical_bands(frequency: Tensor) -> Tensor:
    """Return which of the ascending frequencies [bins] in Hz are in each band, [bands, bins]."""
    rate = bark(frequency)
    number = torch.floor(rate - rate[0]).long()
    number = torch.unique(number, return_inverse=True)[1]  # no band is empty
    return functional.one_hot(number).T.float().contiguous()


class BandEnvelope(nn.Module):
    """Mean amplitudes of critical bands, companded like the coefficients."""

    member: Tensor

    def __init__(self, num_bins: int, sample_rate: int) -> None:
        super().__init__()
        frequency = (torch.arange(num_bins) + 0.5) * sample_rate / (2 * num_bins)
        member = critical_bands(frequency)
        self.register_buffer("member", member, persistent=False)  # [bands, bins]
        self.num_bands = len(member)

    def forward(self, coefficients: Tensor) -> Tensor:
        """Return envelopes [B, bands, F] of coefficients [B, bins, F], as square roots.

        Neighbouring frames count half, because the power of a single frame depends on phase.
        """
        power = torch.matmul(self.member, coefficients.square())
        power = power / self.member.sum(1, keepdim=True)
        padded = functional.pad(power, (1, 1), mode="replicate")
        smooth = padded[..., 1:-1] / 2 + (padded[..., :-2] + padded[..., 2:]) / 4
        return (smooth + 1e-10) ** 0.25
