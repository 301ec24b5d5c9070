"""The excitation: harmonics follow the pitch, noise depends on the position, both are flat."""

from __future__ import annotations

import pytest
import torch

from vqcodec.networks.audio.bands import BandEnvelope
from vqcodec.networks.audio.decoder import AudioDecoder, init_linear_paths
from vqcodec.networks.audio.encoder import WAVEFORM_HZ, AudioEncoder, MdctConfig
from vqcodec.networks.audio.excitation import NOISE_FRAMES, Excitation
from vqcodec.networks.spectral import Mdct
from vqcodec.training.audio.losses import compressed_spectral_loss

RATE, FRAMES = 16_000, 100


@pytest.fixture(scope="module")
def excitation():
    return Excitation(Mdct(160))


def low_voice(pitch, level=0.1):
    """The harmonics of a pitch up to 900 Hz, [1, 1, FRAMES * 160]."""
    time = torch.arange(FRAMES * 160) / RATE
    phases = 2 * torch.pi * pitch * time
    voice = sum(torch.cos(k * phases + k * k) for k in range(1, int(900 / pitch) + 1))
    return level * voice[None, None]


@pytest.mark.parametrize("pitch", [110.0, 180.0, 240.0])
def test_harmonics_follow_the_pitch_up_to_the_highest(excitation, pitch):
    coefficients = excitation.harmonics(low_voice(pitch))
    waveform = Mdct(160).synthesise(coefficients)[0, 0]
    spectrum = torch.fft.rfft(waveform * torch.hann_window(len(waveform))).abs()
    hertz = RATE / (FRAMES * 160)
    for k in range(10, int(7_000 / pitch)):
        on, off = (spectrum[round(place * pitch / hertz)] for place in (k, k + 0.5))
        assert on > 5 * off, f"harmonic {k}"


def test_harmonics_are_flat_and_independent_of_level(excitation):
    loud, quiet = (excitation.harmonics(low_voice(150.0, level)) for level in (0.3, 0.003))
    torch.testing.assert_close(loud, quiet, rtol=0.02, atol=0.02)
    power = loud.square().mean(dim=(0, 2)).reshape(8, 20).mean(1)  # in eighths of the spectrum
    assert power.min() > 0.4
    assert power.max() < 2.5


def test_silence_has_no_harmonics(excitation):
    assert not excitation.harmonics(torch.zeros(1, 1, 800)).any()


def test_noise_depends_only_on_the_position(excitation):
    whole = excitation.noise_at(0, 50)
    torch.testing.assert_close(excitation.noise_at(30, 20), whole[:, :, 30:])
    torch.testing.assert_close(excitation.noise_at(NOISE_FRAMES + 7, 3), whole[:, :, 7:10])
    correlation = (whole[0] @ whole[0].T) / 50 - torch.eye(160)
    assert correlation.abs().mean() < 0.2


def test_in_training_two_draws_differ_only_in_their_noise():
    config = MdctConfig(dim=4, decoder_width=8, decoder_units=1, excitation=True)
    decoder = AudioDecoder(config)
    latents, rate = torch.randn(2, 4, 6), torch.ones(2)
    first, second = decoder(latents, rate).unbind(1)
    assert not torch.equal(first, second)
    for parameter in decoder.linear_gains.parameters():
        torch.nn.init.zeros_(parameter)
    first, second = decoder(latents, rate).unbind(1)
    assert torch.equal(first, second)
    decoder.eval()
    assert decoder(latents, rate).shape == (2, 1, 6 * 320 - 160)


def errors_of(draws, original):
    return compressed_spectral_loss(torch.cat(draws, dim=1), original, RATE)


def test_noise_of_the_right_kind_costs_least():
    generator = torch.Generator().manual_seed(0)
    original, one, two = (0.05 * torch.randn(1, 1, 2 * RATE, generator=generator) for _ in range(3))
    buzz = torch.zeros_like(original)
    buzz[..., ::320] = 0.05 * 320**0.5  # as loud as the noise, and as flat
    right = errors_of((one, two), original)  # 0 but for what is chance in the original
    for name, others in {
        "magnitude": ((buzz, buzz), (3 * one, 3 * two), (0.3 * one, 0.3 * two), (one, one)),
        "bands": ((3 * one, 3 * two), (0.3 * one, 0.3 * two)),
    }.items():
        for other in others:
            assert right[name] < 0.8 * errors_of(other, original)[name]


def test_envelopes_are_mean_amplitudes_of_bands():
    bands = BandEnvelope(160, RATE)
    found = bands(torch.full((1, 160, 4), 0.04))
    assert found.shape == (1, bands.num_bands, 4)
    torch.testing.assert_close(found, torch.full_like(found, 0.2), rtol=1e-4, atol=1e-4)
    assert bands.member.sum(0).eq(1).all()


def test_untrained_networks_restore_the_waveform_below_and_energies_above():
    torch.manual_seed(0)
    config = MdctConfig(encoder_width=8, decoder_width=8, excitation=True)
    encoder, decoder = AudioEncoder(config), AudioDecoder(config).eval()
    time = torch.arange(31 * 320 - 160) / RATE
    tones = sum(torch.cos(k * 2 * torch.pi * 130 * time + k * k) for k in range(1, 50))
    level = 0.01 + 0.03 * torch.rand(24, 1, 1)
    voices = level * (tones * torch.sin(9 * time + torch.arange(24)[:, None, None]) + 0.3)
    voices = voices + 0.3 * level * torch.randn_like(voices)
    weights = init_linear_paths(encoder, decoder, voices)
    assert weights.shape == (config.dim,)
    rate = torch.ones(24)
    with torch.no_grad():
        restored = decoder(encoder(voices, rate), rate)
    difference, original = (torch.fft.rfft(w[:, 0]).abs() for w in (restored - voices, voices))
    edge = round(WAVEFORM_HZ * len(time) / RATE)
    below, above = slice(0, round(0.8 * edge)), slice(round(1.2 * edge), None)
    assert difference[:, below].square().sum() < 0.1 * original[:, below].square().sum()
    powers = [torch.fft.rfft(w[:, 0])[:, above].abs().square().sum() for w in (restored, voices)]
    assert 0.5 < powers[0] / powers[1] < 2


@pytest.mark.parametrize("place", [(0, 0), (159, 0), (3, 1), (77, 1999), (5, 2000 + 13)])
def test_noise_is_that_of_the_format(excitation, place):
    k, f = place
    x = (f % 2000) * 160 + k + 1
    for factor in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D):
        x = x * factor % 2**32
        x ^= x >> 15
    assert excitation.noise_at(f, 1)[0, k, 0] == (1 if x % 2 else -1)
