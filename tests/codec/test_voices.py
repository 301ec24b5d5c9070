"""Voice conversion: decoding with the voice of a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import SAMPLE_RATE, load_tiny_model, noise_clip, noise_picture, same_signal

import vqcodec
from vqcodec.errors import UsageError
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.speech_measures import median_pitch


@pytest.fixture(scope="module")
def model():
    """A speech model with voices; their modulation, zero at initialisation, is random here."""
    return load_tiny_model("voices")


@pytest.fixture(scope="module")
def stream(model):
    return model.compress(noise_clip(4_000), quality=9)


def recording(seed, **changes):
    return noise_clip(changes.pop("num_samples", SAMPLE_RATE), seed=seed, **changes)


def test_every_speaker_gives_a_different_sound(model, stream):
    spoken = [model.decompress(stream, speaker=s) for s in (None, recording(1), recording(2))]
    for number, sound in enumerate(spoken):
        assert sound.waveform.shape == (1, 4_000)
        assert not any(same_signal(sound, other) for other in spoken[:number])
    assert same_signal(spoken[1], model.decompress(stream, speaker=recording(1)))


def test_indices_do_not_depend_on_the_speaker(model, stream):
    (indices,) = model.indices_of(stream)
    assert np.array_equal(indices, model.encode(noise_clip(4_000), quality=9))


def test_loudness_rate_and_channels_of_the_recording_do_not_matter(model, stream):
    usual = model.decompress(stream, speaker=recording(1)).waveform
    quiet = AudioClip(recording(1).waveform * np.float32(0.3), SAMPLE_RATE)
    twice = AudioClip(recording(1).waveform.repeat(2, axis=0), SAMPLE_RATE)
    for other in (quiet, twice):
        assert np.allclose(model.decompress(stream, speaker=other).waveform, usual, atol=1e-3)
    faster = AudioClip(recording(1).waveform, 32_000)  # another voice
    assert np.abs(model.decompress(stream, speaker=faster).waveform - usual).max() > 1e-3


@pytest.mark.parametrize("start", [1, 1_600, 2_111])
def test_an_excerpt_has_the_voice_of_the_whole(model, stream, start):
    """Only the phases of a changed pitch depend on where the decoding begins."""
    sound = model.open(stream, speaker=recording(1))
    change = sound.find_change()
    assert change.factor != 1
    same_pitch = replace(sound, find_change=lambda: replace(change, factor=1.0))
    whole, part = (
        AudioClip.of_sound(each).waveform
        for each in (same_pitch, same_pitch.part(range(start, 4_000)))
    )
    assert np.allclose(part, whole[:, start:], atol=1e-5)
    whole, part = (
        AudioClip.of_sound(each).waveform for each in (sound, sound.part(range(start, 4_000)))
    )
    assert part.shape == whole[:, start:].shape
    assert np.std(part) == pytest.approx(np.std(whole[:, start:]), rel=0.3)


def test_a_part_of_an_open_sound_has_its_voice(model, stream):
    part = model.open(stream, speaker=recording(1), start_s=0.1)
    whole = model.open(stream, speaker=recording(1))
    expected = AudioClip.of_sound(whole.part(range(1_600, 4_000)))
    assert same_signal(AudioClip.of_sound(part), expected)


@pytest.fixture(scope="module")
def voices():
    """The shipped model with voices, a man and a woman."""
    samples = Path(__file__).parents[2] / "assets/samples"
    man, woman = (vqcodec.read(samples / f"voice_{name}.flac") for name in ("man", "woman"))
    return vqcodec.load("speech-voices"), man, woman


def level_db(waveform):
    return 10 * np.log10(np.square(waveform, dtype=np.float64).mean())


def test_the_pitch_becomes_that_of_the_recording(voices):
    _, man, woman = voices
    model, shares = vqcodec.load("paper-audio"), []
    stream = model.compress(man)
    spoken = model.decompress(stream, speaker=woman, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    pitches = [median_pitch(each.waveform, each.sample_rate) for each in (man, spoken, woman)]
    assert pitches[1] == pytest.approx(pitches[2], rel=0.1)
    change = model.open(stream, speaker=woman).find_change()
    assert change.factor == pytest.approx(pitches[2] / pitches[0], rel=0.1)
    assert change.factor > 1.3
    plain = model.decompress(stream)
    assert level_db(spoken.waveform) == pytest.approx(level_db(plain.waveform), abs=2)


@pytest.mark.parametrize("name", ["speech-voices", "paper-audio"])
def test_a_speaker_keeps_his_own_pitch(voices, name):
    _, *people = voices
    model = vqcodec.load(name)
    for person in people:
        change = model.open(model.compress(person, quality=5), speaker=person).find_change()
        assert change.factor == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("start", ["silence", "noise", "a lost segment"])
def test_speech_that_begins_late_is_no_louder(voices, start):
    model, man, woman = voices
    length = 40 * man.sample_rate
    before = np.zeros((1, length), np.float32)
    if start == "noise":
        before[:] = np.random.default_rng(0).normal(0, 3e-4, before.shape)
    late = AudioClip(np.concatenate([before, man.waveform], axis=1), man.sample_rate)
    stream = bytearray(model.compress(late, quality=5))
    if start == "a lost segment":
        stream[60] ^= 255
    with_woman, plain = (
        model.decompress(bytes(stream), speaker=speaker, salvage=start == "a lost segment")
        for speaker in (woman, None)
    )
    assert level_db(with_woman.waveform[:, length:]) == pytest.approx(
        level_db(plain.waveform[:, length:]), abs=2
    )
    codes = [note.code for note in with_woman.notes]
    assert codes == (["damaged"] if start == "a lost segment" else [])
    if start != "noise":
        assert not with_woman.waveform[:, : length - 2_000].any()


def test_a_recording_with_samples_that_are_no_numbers_is_refused(model, stream):
    broken = recording(1)
    broken.waveform[0, 5_000] = np.nan
    with pytest.raises(UsageError, match="finite"):
        model.decompress(stream, speaker=broken)


def test_each_channel_gets_the_voice(model):
    stereo = noise_clip(4_000, channels=2)
    stream = model.compress(stereo, separate_channels=True)
    assert model.decompress(stream, speaker=recording(1)).waveform.shape == (2, 4_000)


@pytest.mark.parametrize("level", [0, 1e-3])
def test_a_recording_without_a_voice_is_accepted_with_a_note(model, stream, level):
    samples = np.random.default_rng(0).normal(0, 1, (1, SAMPLE_RATE)) * level
    speaker = AudioClip(samples.astype(np.float32), SAMPLE_RATE)
    sound = model.decompress(stream, speaker=speaker)
    assert np.isfinite(sound.waveform).all()
    assert [note.code for note in sound.notes] == ["no-voice"]
    assert model.decompress(stream).notes == ()


def test_invalid_recordings_are_refused(model, stream):
    with pytest.raises(UsageError, match=r"0\.5 s"):
        model.decompress(stream, speaker=recording(1, num_samples=7_000))


@pytest.mark.parametrize("name", ["speech", "image"])
def test_other_models_take_no_speaker(tiny_models, name):
    signal = noise_clip(4_000) if name == "speech" else noise_picture(40, 30)
    stream = tiny_models[name].compress(signal)
    with pytest.raises(UsageError, match="model of this stream cannot change the voice"):
        tiny_models[name].decompress(stream, speaker=recording(1))
