"""Changes of a voice's pitch and long-term spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.signals.sound import Waveform
from vqcodec.signals.speech_measures import median_pitch
from vqcodec.signals.voice_change import Voice, VoiceChange

RATE = 16_000


def vowel(pitch_hz: float, formant_hz: float = 700.0, rate: int = RATE) -> Waveform:
    """Return harmonics of a pitch with vibrato, strongest near a formant, [1, T]."""
    times = np.arange(round(1.5 * rate)) / rate
    phase = 2 * np.pi * pitch_hz * (times + 0.002 * np.sin(2 * np.pi * 4 * times))
    numbers = np.arange(1, int(0.4 * rate / pitch_hz))
    levels = 1 / (1 + ((numbers * pitch_hz - formant_hz) / 300) ** 2)
    waveform = (levels[:, None] * np.sin(numbers[:, None] * phase)).sum(axis=0)
    return (0.3 * waveform / np.abs(waveform).max()).astype(np.float32)[None]


def changed(change: VoiceChange, waveform: Waveform, length: int = 10_000) -> Waveform:
    starts = range(0, waveform.shape[1], length)
    blocks = (waveform[:, start : start + length] for start in starts)
    return np.concatenate(list(change.apply(blocks)), axis=1)


def unchanged(factor: float = 1.0) -> VoiceChange:
    return VoiceChange(factor, np.ones(513), 512)


def centre_hz(waveform: Waveform, rate: int = RATE) -> float:
    power = np.square(np.abs(np.fft.rfft(waveform[0])))
    return float((power * np.fft.rfftfreq(waveform.shape[1], 1 / rate)).sum() / power.sum())


def test_without_a_change_samples_stay():
    sound = vowel(150)
    assert np.allclose(changed(unchanged(), sound), sound, atol=1e-6)


@given(length=st.integers(1, 4_000), num_samples=st.integers(0, 3_000))
def test_blocks_do_not_matter(length, num_samples):
    sound = vowel(150)[:, :num_samples]
    blocks = list(unchanged(1.2).apply(iter([sound])))
    whole = np.concatenate(blocks, axis=1) if blocks else sound
    assert whole.shape == sound.shape and whole.dtype == np.float32
    if num_samples:
        assert np.array_equal(changed(unchanged(1.2), sound, length), whole)


@pytest.mark.parametrize("factor", [0.6, 0.85, 1.1, 1.5, 1.9])
def test_pitch_moves_and_the_formant_stays(factor):
    sound = vowel(150)
    moved = changed(unchanged(factor), sound)
    assert median_pitch(sound, RATE) == pytest.approx(150, rel=0.02)
    assert median_pitch(moved, RATE) == pytest.approx(150 * factor, rel=0.03)
    assert centre_hz(moved) == pytest.approx(centre_hz(sound), rel=0.15)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_a_voice_gets_pitch_and_spectrum_of_another(rate):
    source, target = vowel(120, 500, rate), vowel(210, 1_400, rate)
    change = VoiceChange.between(source, Voice.of(target, rate), rate)
    spoken = changed(change, source)
    assert median_pitch(spoken, rate) == pytest.approx(median_pitch(target, rate), rel=0.03)
    centres = [centre_hz(sound, rate) for sound in (source, spoken, target)]
    assert abs(centres[2] - centres[1]) < abs(centres[2] - centres[0]) / 2
    assert np.square(spoken).mean() == pytest.approx(np.square(source).mean(), rel=0.2)


def test_channels_are_changed_alike():
    both = np.concatenate([vowel(150), vowel(150)])
    spoken = changed(unchanged(1.3), both)
    assert np.array_equal(spoken[0], spoken[1])
    assert np.array_equal(spoken[:1], changed(unchanged(1.3), vowel(150)))


def test_the_pitch_changes_by_an_octave_at_most():
    change = VoiceChange.between(vowel(90), Voice.of(vowel(400), RATE), RATE)
    assert change.factor == 2


@pytest.mark.parametrize("name", ["silence", "noise", "a sample"])
def test_sounds_without_a_pitch_keep_theirs(name):
    sound = {
        "silence": np.zeros((1, RATE), np.float32),
        "noise": np.random.default_rng(0).normal(0, 0.1, (1, RATE)).astype(np.float32),
        "a sample": np.ones((1, 1), np.float32),
    }[name]
    for source, target in ((sound, vowel(150)), (vowel(150), sound), (sound, sound)):
        change = VoiceChange.between(source, Voice.of(target, RATE), RATE)
        assert change.factor == 1
        spoken = changed(change, source)
        assert spoken.shape == source.shape and np.isfinite(spoken).all()
