"""The distortion of sounds in training."""

from __future__ import annotations

import pytest
import torch

from vqcodec.evaluation.metrics.masking import noise_to_mask
from vqcodec.training.audio.envelopes import envelope_mismatch
from vqcodec.training.audio.losses import compressed_spectral_loss, signal_to_noise_db
from vqcodec.training.audio.loudness import (
    band_tables,
    bark,
    loudness_disturbance,
    threshold_in_quiet,
)
from vqcodec.training.audio.masking import noise_to_mask_ratio
from vqcodec.training.audio.pair_losses import WEIGHTS, pair_distortion

RATE = 16_000


def voice(seed=0, level=0.1):
    """Something with harmonics, pauses and noise, [1, 1, RATE]."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(RATE) / RATE
    pitch = 2 * torch.pi * 120 * time
    tones = sum(torch.sin(k * pitch) / k for k in range(1, 25))
    syllables = torch.sin(2 * torch.pi * 4 * time).clamp(min=0)
    noise = torch.randn(RATE, generator=generator)
    return (level * syllables * (tones + 0.1 * noise) + 1e-4 * noise)[None, None]


def noisy(sound, decibels, seed=1):
    noise = torch.randn(sound.shape, generator=torch.Generator().manual_seed(seed))
    return sound + noise * sound.square().mean().sqrt() * 10 ** (-decibels / 20)


def muffled(sound, hertz):
    spectrum = torch.fft.rfft(sound)
    return torch.fft.irfft(spectrum * (torch.arange(spectrum.shape[-1]) < hertz), RATE)


def terms(restored, original):
    found = compressed_spectral_loss(restored, original, RATE)
    found["loudness"] = loudness_disturbance(restored, original, RATE)
    found["envelope"] = envelope_mismatch(restored, original, RATE)
    return found


def test_the_original_has_no_error():
    sound = voice()
    assert all(float(term) < 2e-3 for term in terms(sound, sound).values())


@pytest.mark.parametrize("name", ["bands", "magnitude", "complex", "loudness", "envelope"])
def test_more_noise_is_a_larger_error(name):
    sound = voice()
    errors = [float(terms(noisy(sound, decibels), sound)[name]) for decibels in (40, 20, 0)]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


@pytest.mark.parametrize("name", ["bands", "magnitude", "complex", "loudness"])
def test_missing_high_frequencies_are_an_error(name):
    sound = voice()
    errors = [float(terms(muffled(sound, hertz), sound)[name]) for hertz in (6000, 3000, 600)]
    assert errors == sorted(errors)


def test_a_reversed_sign_is_an_error_of_phase_only():
    sound = voice()
    found = terms(-sound, sound)
    assert float(found.pop("complex")) > 0.01
    assert all(float(term) < 2e-3 for term in found.values())


def test_loudness_is_judged_at_one_playing_level():
    loud, quiet = voice(level=0.3), voice(level=0.03)
    for_loud = loudness_disturbance(muffled(loud, 1000), loud, RATE)
    for_quiet = loudness_disturbance(muffled(quiet, 1000), quiet, RATE)
    assert float(for_loud) == pytest.approx(float(for_quiet), rel=0.1)


def test_added_loudness_is_worse_than_missing_loudness():
    sound = voice()
    dull = muffled(sound, 2000)
    burst = (torch.arange(RATE) % 4000 < 2000) * (sound - dull)  # no filter that lasts
    added = loudness_disturbance(dull + burst, dull, RATE)
    missing = loudness_disturbance(dull, dull + burst, RATE)
    assert float(added) > float(missing) > 0.1


def test_a_level_and_a_gentle_filter_are_forgiven():
    sound = voice()
    assert float(loudness_disturbance(0.2 * sound, sound, RATE)) < 0.05
    filtered = sound + 0.5 * sound.roll(1, dims=-1)
    judged = loudness_disturbance(torch.cat([filtered, noisy(sound, 10)]), sound, RATE)
    assert float(judged[0]) < 0.3 * float(judged[1])


def test_a_short_disturbance_weighs_more_than_its_share_of_the_time():
    sound = voice()
    spread = noisy(sound, 20)
    short = sound.clone()
    part = slice(RATE // 8, RATE // 8 + 1600)
    short[..., part] = spread[..., part]
    judged = [float(loudness_disturbance(each, sound, RATE)) for each in (short, spread)]
    assert judged[0] > 0.2 * judged[1]  # in a tenth of the time


def test_the_envelope_loss_does_not_depend_on_level():
    sound = voice()
    assert float(envelope_mismatch(0.3 * sound, sound, RATE)) < 1e-3
    assert float(envelope_mismatch(sound.flip(-1), sound, RATE)) > 0.5


def test_silence_has_finite_gradients_and_hardly_counts():
    silence = torch.zeros(2, 1, RATE)
    restored = silence.clone().requires_grad_()
    found = terms(restored, silence)
    sum(term.sum() for term in found.values()).backward()
    assert restored.grad.isfinite().all()
    assert float(envelope_mismatch(noisy(voice(), 0)[:, :, :RATE], silence[:1], RATE)) < 0.01


def test_items_of_a_batch_are_independent():
    sounds = torch.cat([voice(0), voice(1)])
    restored = torch.cat([noisy(voice(0), 10), voice(1)])
    for name, term in terms(restored, sounds).items():
        alone = terms(restored[:1], sounds[:1])[name]
        assert float(term[0]) == pytest.approx(float(alone[0]), rel=1e-4)


def test_sounds_shorter_than_a_stretch_are_compared():
    short = voice()[..., :2000]
    assert float(envelope_mismatch(short, short, RATE)) < 1e-3


def test_bands_cover_every_frequency_once_and_grow():
    bands = band_tables(RATE)
    assert torch.equal((bands.member > 0).sum(0)[1:], torch.ones(256, dtype=torch.long))
    assert len(bands.threshold) == len(bands.width) == len(bands.member) == 48
    assert float(bands.width.sum()) == pytest.approx(float(bark(torch.tensor(8000.0))), abs=2)


def test_hearing_is_keenest_at_a_few_kilohertz():
    levels = threshold_in_quiet(torch.tensor([100.0, 1000.0, 3500.0, 8000.0]))
    assert levels.argmin() == 2
    assert float(levels[0]) > 20


@pytest.mark.parametrize("decibels", [0, 20])
def test_the_ratio_of_signal_to_noise_is_in_decibels(decibels):
    sound = voice()
    assert float(signal_to_noise_db(noisy(sound, decibels), sound)) == pytest.approx(
        decibels, abs=0.2
    )


def pair(seed):
    """Return two channels, [1, 2, 48 * 1024]."""
    return torch.cat([voice(seed), voice(seed + 1)], 1).repeat(1, 1, 4)[..., : 48 * 1024]


def test_the_noise_to_mask_ratio_is_that_of_the_metric():
    original = torch.cat([pair(0), pair(2)])
    one, two = noisy(original, 20), noisy(original, 10, seed=2)
    found = noise_to_mask_ratio(torch.cat([one, two], 1), original, 48_000)
    for excerpt in range(2):
        scores = [
            noise_to_mask(original[excerpt].numpy(), draw[excerpt].numpy()) for draw in (one, two)
        ]
        expected = sum(10 ** (score["nmr_db"] / 10) for score in scores) / 2
        assert float(found[excerpt]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("sample_rate", [16_000, 24_000, 48_000])
def test_a_louder_error_is_a_larger_distortion_of_a_pair(sample_rate):
    original = pair(0)
    small, large = noisy(original, 20).requires_grad_(), noisy(original, 10)
    distortions = [pair_distortion(both, original, sample_rate) for both in (small, large)]
    for name in ("total", "noise_to_mask"):
        assert distortions[0][name].item() < distortions[1][name].item()
    # An error that is less masked counts more than by spectral distances alone.
    spectral = [
        sum(weight * found[name].item() for name, weight in WEIGHTS.items())
        for found in distortions
    ]
    assert (
        distortions[1]["total"].item() / distortions[0]["total"].item() > spectral[1] / spectral[0]
    )
    distortions[0]["total"].sum().backward()
    assert torch.isfinite(small.grad).all()


def test_silence_restored_as_silence_has_a_finite_gradient():
    silence = torch.zeros(1, 2, 8 * 1024, requires_grad=True)
    pair_distortion(silence, torch.zeros(1, 2, 8 * 1024), 48_000)["total"].sum().backward()
    assert torch.isfinite(silence.grad).all()
