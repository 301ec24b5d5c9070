"""Speech or not: sounds that are made here, and the samples that ship."""

from pathlib import Path

import numpy as np
import pytest

from vqcodec.errors import UsageError
from vqcodec.signals import speech_detection
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip
from vqcodec.signals.speech_detection import NAMES, excerpts, judge
from vqcodec.signals.speech_measures import measures_of

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
RATE = 44_100


def clip(samples, sample_rate=RATE):
    return AudioClip(np.atleast_2d(samples).astype(np.float32), sample_rate)


def times(duration_s):
    return np.arange(round(duration_s * RATE)) / RATE


def chords():
    """Notes of half a second, three at a time."""
    t = times(6)
    pitch = 220 * 2 ** (np.array([0, 4, 7, 2])[(t // 0.5).astype(int) % 4] / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return 0.1 * sum(np.sin(ratio * phase) for ratio in (1, 1.25, 1.5))


def drums():
    t = times(6)
    return 0.3 * np.random.default_rng(0).normal(size=len(t)) * np.exp(-60 * (t % 0.125))


def sung():
    """One voice that holds notes, with vibrato."""
    t = times(6)
    pitch = 300 * 2 ** ((t // 1.5) * 2 / 12) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return 0.1 * sum(np.sin(number * phase) / number for number in range(1, 12))


def gliding():
    """An instrument without notes: its pitch moves on without end."""
    t = times(6)
    pitch = 250 * 2 ** (0.8 * np.sin(2 * np.pi * 0.4 * t) + 0.02 * np.sin(2 * np.pi * 6 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return 0.1 * sum(np.sin(number * phase) / number**2 for number in range(1, 6))


def rain():
    drops = np.random.default_rng(0).random(len(times(5))) < 0.002
    return 0.3 * np.convolve(drops, np.hanning(30), "same")


OTHERS = {
    "gliding": gliding,
    "rain": rain,
    "chords": chords,
    "drums": drums,
    "sung": sung,
    "tone": lambda: 0.3 * np.sin(2 * np.pi * 1000 * times(3)),
    "noise": lambda: 0.1 * np.random.default_rng(0).normal(size=len(times(3))),
    "clicks": lambda: 0.5 * (np.arange(len(times(3))) % 5000 == 0),
}


@pytest.mark.parametrize("name", ["voice_man", "voice_woman"])
def test_the_voices_that_ship_are_speech(name):
    judgement = judge(read_clip(SAMPLES / f"{name}.flac"))
    assert judgement.is_speech
    assert judgement.reason.startswith(("its ", "it has "))


@pytest.mark.parametrize("kind", OTHERS)
def test_other_sounds_are_not_speech(kind):
    judgement = judge(clip(OTHERS[kind]()))
    assert judgement.is_speech is False
    assert judgement.reason.startswith(("its ", "it has "))


@pytest.mark.parametrize("sample_rate", [8000, 22_050, 48_000])
@pytest.mark.parametrize("gain", [0.02, 1])
def test_rate_and_level_do_not_matter(sample_rate, gain):
    voice = read_clip(SAMPLES / "voice_woman.flac")
    waveform = resample(voice.waveform, voice.sample_rate, sample_rate) * np.float32(gain)
    assert judge(AudioClip(waveform, sample_rate)).is_speech
    waveform = resample(clip(chords()).waveform, RATE, sample_rate) * np.float32(gain)
    assert judge(AudioClip(waveform, sample_rate)).is_speech is False


def test_noise_behind_a_voice_does_not_matter():
    voice = read_clip(SAMPLES / "voice_man.flac")
    noise = np.random.default_rng(0).normal(size=voice.waveform.shape)
    level = np.sqrt(np.square(voice.waveform).mean()) * 10 ** (-20 / 20)
    assert judge(clip(voice.waveform + level * noise, voice.sample_rate)).is_speech


def test_music_behind_a_voice_and_a_telephone_do_not_matter():
    voice = read_clip(SAMPLES / "voice_woman.flac")
    music = resample(clip(chords()).waveform, RATE, voice.sample_rate)
    behind = np.resize(music, voice.waveform.shape) * voice.waveform.std() / music.std() * 0.05
    assert judge(clip(voice.waveform + behind, voice.sample_rate)).is_speech
    spectrum = np.fft.rfft(voice.waveform)
    hz = np.fft.rfftfreq(voice.num_samples, 1 / voice.sample_rate)
    telephone = np.fft.irfft(spectrum * ((hz > 300) & (hz < 3400)), voice.num_samples)
    assert judge(clip(telephone, voice.sample_rate)).is_speech


def test_a_voice_between_minutes_of_silence_is_speech():
    voice = read_clip(SAMPLES / "voice_man.flac")
    samples = np.zeros(60 * voice.sample_rate)
    samples[: voice.num_samples] = voice.waveform[0]
    assert judge(clip(samples, voice.sample_rate)).is_speech


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value):
    voice = read_clip(SAMPLES / "voice_man.flac")
    samples = voice.waveform.copy()
    samples[0, 1000:1010] = value
    with pytest.raises(UsageError, match="not finite numbers"):
        judge(clip(samples, voice.sample_rate))


@pytest.mark.parametrize("num_channels", [3, 8, 64])
def test_many_channels_are_judged_by_their_mean(num_channels):
    voice = read_clip(SAMPLES / "voice_man.flac")
    assert judge(clip(np.tile(voice.waveform, (num_channels, 1)), voice.sample_rate)).is_speech


@pytest.mark.parametrize("num_samples", [1, 2, RATE // 2, RATE // 2 + 1])
def test_any_length_is_judged(num_samples):
    judge(clip(np.sin(np.arange(num_samples))))


def test_measures_are_what_they_say():
    def of(samples):
        found = measures_of((clip(samples).waveform, RATE))
        assert set(found) == {*NAMES, "width"}
        assert np.isfinite(list(found.values())).all()
        return found

    assert of(gliding())["notes"] < 0.2
    assert of(sung())["notes"] > 0.5
    assert of(sung())["scale"] > 0.9
    assert of(chords())["tones"] > 0.5 > of(gliding())["tones"]
    assert of(drums())["beat"] > 0.5
    assert of(drums())["voiced"] < 0.1
    assert of(sung())["voiced"] > 0.9
    assert of(gliding())["range"] > 5
    assert of(np.concatenate([sung(), 0 * sung()]))["pauses"] > 0.4


def test_the_same_samples_are_judged_the_same():
    voice = read_clip(SAMPLES / "voice_man.flac")
    assert judge(voice) == judge(voice)


def test_a_voice_in_the_middle_is_speech_and_unlike_channels_are_not():
    man, woman = (read_clip(SAMPLES / f"voice_{name}.flac") for name in ("man", "woman"))
    assert judge(clip(np.tile(man.waveform, (2, 1)), man.sample_rate)).is_speech
    one_side = np.concatenate([0 * man.waveform, man.waveform])
    assert judge(clip(one_side, man.sample_rate)).is_speech
    length = min(man.num_samples, woman.num_samples)
    both = np.concatenate([each.waveform[:, :length] for each in (man, woman)])
    judgement = judge(clip(both, man.sample_rate))
    assert judgement.is_speech is False
    assert judgement.reason == "its channels differ"
    surround = np.concatenate([both, both, both[:, ::-1]])
    assert judge(clip(surround, man.sample_rate)).reason == "its channels differ"
    opposite = np.concatenate([man.waveform, -man.waveform])
    assert judge(clip(opposite, man.sample_rate)).reason == "its channels differ"
    centre = np.concatenate([0 * both, man.waveform[:, :length], 0 * both])
    assert judge(clip(centre, man.sample_rate)).is_speech


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE), np.full(RATE, 1e-4), np.full(RATE, 0.3), chords()[: RATE // 3]],
)
def test_silence_and_short_sounds_cannot_be_judged(samples):
    assert judge(clip(samples)).is_speech is None
    assert judge(clip(np.zeros(0))).is_speech is None


class Pieces:
    """A sound in blocks of a given size, which counts what is read."""

    num_channels, sample_rate = 1, 1000

    def __init__(self, num_samples, block):
        self.num_samples, self._block, self.num_read = num_samples, block, 0

    def blocks(self):
        for start in range(0, self.num_samples, self._block):
            stop = min(start + self._block, self.num_samples)
            self.num_read = stop
            yield np.arange(start, stop, dtype=np.float32)[None]


@pytest.mark.parametrize("block", [7, 999, 10_000, 10**6])
@pytest.mark.parametrize(
    ("num_samples", "starts"),
    [
        (0, []),
        (1, [0]),
        (9999, [0]),
        (19_999, [0, 10_000]),
        (20_000, [0, 10_000]),
        (25_000, [0, 8333, 16_666]),
        (65_000, [0, 18_333, 36_666, 54_999]),
        (10**6, [0, 196_666, 393_332, 589_998]),
    ],
)
def test_excerpts_are_spread_over_the_first_ten_minutes(num_samples, starts, block):
    found = list(excerpts(Pieces(num_samples, block)))
    assert [int(waveform[0, 0]) for waveform, _ in found] == starts
    for waveform, rate in found:
        length = min(10_000, num_samples // len(starts))
        assert rate == 1000
        assert np.array_equal(waveform[0], waveform[0, 0] + np.arange(length))


def test_a_long_sound_is_not_read_to_its_end():
    sound = Pieces(10**8, 1000)
    assert len(list(excerpts(sound))) == speech_detection.MAX_EXCERPTS
    assert sound.num_read <= 601_000
