"""Disguised voices: another colour, the same pitch, timing and length."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.training.audio import disguise as module
from vqcodec.training.audio.disguise import disguise

SAMPLE_RATE = 16_000
PITCH_HZ = 125.0


def vowel(formant_hz: float) -> np.ndarray:
    """Harmonics under one resonance, for half a second."""
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    waveform = np.zeros_like(time)
    for number in range(1, 60):
        frequency = number * PITCH_HZ
        level = np.exp(-(((frequency - formant_hz) / 300) ** 2)) + 0.003
        waveform += level * np.sin(2 * np.pi * frequency * time + number**2)
    return 0.1 * waveform


def centre_hz(waveform: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequency = np.arange(len(power)) * SAMPLE_RATE / len(waveform)
    return float((power * frequency).sum() / power.sum())


@pytest.fixture
def no_colour(monkeypatch):
    monkeypatch.setattr(module, "RIPPLE", 0.0)


@pytest.mark.parametrize("length", [1, 100, 511, 8_000])
def test_a_disguise_without_change_returns_the_sound(no_colour, length):
    waveform = np.random.default_rng(0).normal(0, 0.1, length)
    same = disguise(waveform, SAMPLE_RATE, np.random.default_rng(0), 0.0)
    assert same.shape == waveform.shape
    assert np.allclose(same, waveform, atol=1e-9)


def test_formants_move_and_harmonics_stay(no_colour):
    waveform, moved = vowel(1_500), []
    for seed in range(20):
        changed = disguise(waveform, SAMPLE_RATE, np.random.default_rng(seed), 0.3)
        moved.append(centre_hz(changed) / centre_hz(waveform))
        spectrum = np.abs(np.fft.rfft(changed[1000:-1000] * np.hanning(len(changed) - 2000)))
        harmonics = np.arange(4, 24) * PITCH_HZ * (len(changed) - 2000) / SAMPLE_RATE
        on, between = (spectrum[np.round(harmonics + d).astype(int)] for d in (0, harmonics[0] / 8))
        assert on.mean() > 20 * between.mean()
    assert 0.72 < min(moved) < 0.9
    assert 1.1 < max(moved) < 1.35


def test_colour_changes_without_formants_moving():
    waveform = np.random.default_rng(0).normal(0, 0.1, 8_000)
    changed = disguise(waveform, SAMPLE_RATE, np.random.default_rng(1), 0.0)
    first, second = (np.abs(np.fft.rfft(x)) ** 2 for x in (waveform, changed))
    bands = [part.reshape(-1, 400).sum(axis=1) for part in (first[:4000], second[:4000])]
    ratios_db = 10 * np.log10(bands[1] / bands[0])
    assert 1 < np.ptp(ratios_db) < 20


@pytest.mark.parametrize("waveform", [np.zeros(4_000), np.ones(4_000)])
def test_silence_and_clipping_stay_finite(waveform):
    changed = disguise(waveform, SAMPLE_RATE, np.random.default_rng(0), 0.3)
    assert np.isfinite(changed).all()
    assert np.abs(changed).max() < 100
