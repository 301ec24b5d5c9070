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


def moved(factor: float, waveform: Waveform) -> Waveform:
    return changed(VoiceChange.none(RATE, factor), waveform)


def noise(num_channels: int = 1) -> Waveform:
    waveform = np.random.default_rng(0).normal(0, 0.1, (num_channels, RATE))
    return waveform.astype(np.float32)


def band_db(waveform: Waveform, low_hz: float, high_hz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(waveform[0])))
    hertz = np.fft.rfftfreq(waveform.shape[1], 1 / RATE)
    return float(10 * np.log10(power[(low_hz <= hertz) & (hertz < high_hz)].mean()))


def centre_hz(waveform: Waveform, rate: int = RATE) -> float:
    power = np.square(np.abs(np.fft.rfft(waveform[0])))
    return float((power * np.fft.rfftfreq(waveform.shape[1], 1 / rate)).sum() / power.sum())


def test_without_a_change_samples_stay():
    sound = vowel(150)
    assert np.allclose(moved(1.0, sound), sound, atol=1e-6)


@given(length=st.integers(1, 4_000), num_samples=st.integers(0, 3_000))
def test_blocks_do_not_matter(length, num_samples):
    sound, change = vowel(150)[:, :num_samples], VoiceChange.none(RATE, 1.2)
    blocks = list(change.apply(iter([sound])))
    whole = np.concatenate(blocks, axis=1) if blocks else sound
    assert whole.shape == sound.shape and whole.dtype == np.float32
    if num_samples:
        assert np.array_equal(changed(change, sound, length), whole)


@pytest.mark.parametrize("factor", [0.6, 0.85, 1.1, 1.5, 1.9])
def test_pitch_moves_and_the_formant_stays(factor):
    sound = vowel(150)
    assert median_pitch(sound, RATE) == pytest.approx(150, rel=0.02)
    assert median_pitch(moved(factor, sound), RATE) == pytest.approx(150 * factor, rel=0.03)
    assert centre_hz(moved(factor, sound)) == pytest.approx(centre_hz(sound), rel=0.15)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 2.0])
def test_high_frequencies_stay(factor):
    sound = noise()
    for low_hz in (5_000, 6_000, 7_000):
        before, after = (
            band_db(each, low_hz, low_hz + 900) for each in (sound, moved(factor, sound))
        )
        assert after == pytest.approx(before, abs=0.5)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_a_voice_gets_pitch_and_spectrum_of_another(rate):
    source, target = vowel(120, 500, rate), vowel(210, 1_400, rate)
    change = VoiceChange.between(Voice.of(source, rate), source, Voice.of(target, rate), rate)
    spoken = changed(change, source)
    assert median_pitch(spoken, rate) == pytest.approx(median_pitch(target, rate), rel=0.03)
    centres = [centre_hz(sound, rate) for sound in (source, spoken, target)]
    assert abs(centres[2] - centres[1]) < abs(centres[2] - centres[0]) / 2
    assert np.square(spoken).mean() == pytest.approx(np.square(source).mean(), rel=0.3)


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_power_is_that_of_the_own_voice(factor):
    source, own = noise(), Voice(Voice.of(noise(), RATE).power / 4, 150.0)
    target = Voice(Voice.of(noise()[:, ::-1], RATE).power, 150.0 * factor)
    change = VoiceChange.between(own, source, target, RATE)
    assert change.factor == pytest.approx(factor)
    ratio = np.square(changed(change, source)).mean() / np.square(source).mean()
    assert 10 * np.log10(ratio) == pytest.approx(-6, abs=1)


def test_channels_are_changed_alike():
    first, second = vowel(150), 0.5 * vowel(150) + 0.02 * noise().repeat(2, axis=1)[:, :24_000]
    second = second.astype(np.float32)
    spoken = moved(1.3, np.concatenate([first, second]))
    before, after = (np.corrcoef(each)[0, 1] for each in (np.concatenate([first, second]), spoken))
    assert after == pytest.approx(before, abs=0.05)
    both = moved(1.3, np.concatenate([first, first]))
    assert np.array_equal(both[0], both[1])
    assert np.allclose(both[:1], moved(1.3, first), atol=1e-6)


def test_the_pitch_changes_by_an_octave_at_most():
    low, high = (Voice.of(vowel(hertz), RATE) for hertz in (90, 380))
    assert VoiceChange.between(low, vowel(90), high, RATE).factor == 2
    assert VoiceChange.between(high, vowel(380), low, RATE).factor == 0.5


@pytest.mark.parametrize("name", ["silence", "noise", "a sample", "nothing"])
def test_sounds_without_a_pitch_keep_theirs(name):
    sound = {
        "silence": np.zeros((1, RATE), np.float32),
        "noise": noise(),
        "a sample": np.ones((1, 1), np.float32),
        "nothing": np.zeros((1, 0), np.float32),
    }[name]
    for source, target in ((sound, vowel(150)), (vowel(150), sound), (sound, sound)):
        own = Voice.of(source, RATE)
        change = VoiceChange.between(own, source, Voice.of(target, RATE), RATE)
        assert change.factor == 1
        spoken = changed(change, source) if source.shape[1] else source
        assert spoken.shape == source.shape and np.isfinite(spoken).all()
