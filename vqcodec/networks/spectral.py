"""Lapped transforms and spectra of waveforms."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Mdct(nn.Module):
    """Modified discrete cosine transform with a sine window: orthonormal, critically sampled.

    Frame f covers 2 * hop samples from f * hop - padding on. With padding = hop, the default, the
    transform reconstructs all T = F * hop samples exactly from F + 1 frames. With less padding,
    there are fewer frames, and the samples at both ends are not exact. The transform is one
    convolution (Princen and Bradley 1986) of 2 * hop inputs to hop coefficients.
    """

    basis: Tensor

    def __init__(self, hop_length: int, padding: int | None = None) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.padding = hop_length if padding is None else padding
        n = torch.arange(2 * hop_length, dtype=torch.float64)
        k = torch.arange(hop_length, dtype=torch.float64)[:, None]
        window = torch.sin(math.pi * (n + 0.5) / (2 * hop_length))
        phase = math.pi / hop_length * (n + 0.5 + hop_length / 2) * (k + 0.5)
        basis = math.sqrt(2 / hop_length) * window * torch.cos(phase)
        self.register_buffer("basis", basis[:, None, :].float(), persistent=False)

    def analyse(self, waveform: Tensor) -> Tensor:
        """Return coefficients [B, hop, F + 1] of waveform [B, 1, F * hop + 2 * (hop - padding)]."""
        padded = functional.pad(waveform, (self.padding, self.padding))
        return functional.conv1d(padded, self.basis, stride=self.hop_length)

    def synthesise(self, coefficients: Tensor) -> Tensor:
        """Return the waveform, as for `analyse`, of the lowest coefficients [B, C, F + 1]."""
        basis = self.basis[: coefficients.shape[1]]
        padded = functional.conv_transpose1d(coefficients, basis, stride=self.hop_length)
        return padded[..., self.padding : -self.padding]


def compand(coefficients: Tensor) -> Tensor:
    """Return the signed square root, which spreads small values; its gradient at 0 is finite."""
    return coefficients * (coefficients.abs() + 1e-4).rsqrt()


def expand(companded: Tensor) -> Tensor:
    """Return the signed square: the inverse of `compand`, except for a small slope at zero.

    The slope gives predictions of zero a gradient.
    """
    return companded * (companded.abs() + 0.02)


def stft(waveform: Tensor, num_fft: int, hop_length: int) -> Tensor:
    """Return the complex spectrum [B, num_fft / 2 + 1, frames] of waveform [B, 1, T] (Hann)."""
    window = torch.hann_window(num_fft, device=waveform.device)
    return torch.stft(
        waveform[:, 0],
        num_fft,
        hop_length,
        window=window,
        return_complex=True,
        pad_mode="constant",
        normalized=True,
    )
