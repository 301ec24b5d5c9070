"""Lapped transforms reconstruct exactly; companding of their coefficients."""

import pytest
import torch

from vqcodec.networks.spectral import Mdct, compand, expand, stft


@pytest.mark.parametrize("hop", [8, 16, 160])
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_the_transform_reconstructs_every_sample(hop, frames):
    torch.manual_seed(0)
    waveform = torch.rand(2, 1, frames * hop) * 2 - 1
    mdct = Mdct(hop)
    coefficients = mdct.analyse(waveform)
    assert coefficients.shape == (2, hop, frames + 1)
    assert torch.allclose(mdct.synthesise(coefficients), waveform, atol=2e-6)


@pytest.mark.parametrize("padding", [4, 12, 16])
def test_with_less_padding_it_reconstructs_all_but_the_ends(padding):
    torch.manual_seed(0)
    waveform = torch.randn(1, 1, 6 * 16 + 2 * (16 - padding))
    mdct, ends = Mdct(16, padding), 16 - padding
    coefficients = mdct.analyse(waveform)
    assert coefficients.shape == (1, 16, 7)
    restored = mdct.synthesise(coefficients)
    assert restored.shape == waveform.shape
    inside = slice(ends, waveform.shape[2] - ends)
    assert torch.allclose(restored[..., inside], waveform[..., inside], atol=2e-6)


def test_the_lowest_coefficients_make_the_lowest_frequencies():
    torch.manual_seed(0)
    mdct = Mdct(16)
    coefficients = torch.randn(1, 16, 9)
    low = coefficients.clone()
    low[:, 5:] = 0
    assert torch.allclose(mdct.synthesise(coefficients[:, :5]), mdct.synthesise(low), atol=1e-6)


def test_the_transform_keeps_energy():
    torch.manual_seed(0)
    waveform = torch.randn(1, 1, 64 * 16)
    coefficients = Mdct(16).analyse(waveform)
    assert torch.isclose(coefficients.square().sum(), waveform.square().sum(), rtol=1e-5)


def test_an_empty_spectrum_is_silence():
    assert not Mdct(16).synthesise(torch.zeros(1, 16, 4)).any()


def test_expanding_inverts_companding_except_for_small_values():
    values = torch.tensor([-4.0, -1.0, -0.25, 0.0, 0.25, 1.0, 4.0])
    companded = compand(values)
    assert torch.equal(companded.sign(), values.sign())
    assert torch.allclose(companded.abs(), values.abs().sqrt(), atol=5e-4)
    assert torch.allclose(expand(companded), values, atol=0.045)


def test_companding_has_a_finite_gradient_at_zero():
    values = torch.zeros(3, requires_grad=True)
    (compand(values).sum() + expand(values).sum()).backward()
    assert torch.isfinite(values.grad).all()
    assert (values.grad > 0).all()


@pytest.mark.parametrize("num_samples", [256, 1000])
def test_a_tone_stands_at_its_frequency(num_samples):
    tone = torch.sin(torch.arange(num_samples) * (2 * torch.pi * 32 / 256))
    spectrum = stft(tone[None, None], 256, 64)
    assert spectrum.shape == (1, 129, 1 + num_samples // 64)
    assert spectrum[0, :, spectrum.shape[2] // 2].abs().argmax() == 32
