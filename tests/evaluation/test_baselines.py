import shutil
import sys

import numpy as np
import pytest

from vqcodec.errors import InputError, MissingCodecError, UsageError
from vqcodec.evaluation.baselines import BASELINES, load_baseline
from vqcodec.signals.picture import Picture, psnr
from vqcodec.signals.resampling import resample, to_length
from vqcodec.signals.sound import AudioClip

PROGRAMS = {"opus": "opusenc", "codec2": "c2enc", "mp3": "lame", "vorbis": "oggenc"}

MODULES = {"jxl": "imagecodecs", "aac": "av"}


def waves(height=48, width=64, channels=3):
    y, x, c = np.ogrid[:height, :width, :channels]
    values = np.sin(x / (5 + c)) + np.cos(y / (9 - c))
    return np.rint(127.5 + 60 * values).astype(np.uint8)


def hum(num_samples, num_channels=1, sample_rate=16_000):
    times = np.arange(num_samples) / sample_rate
    tone = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 8)) / 8
    return AudioClip(np.tile(tone, (num_channels, 1)).astype(np.float32), sample_rate)


def loaded(name):
    """Return a baseline, or skip the test where it is not installed."""
    if name in PROGRAMS and shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"{PROGRAMS[name]} is not installed")
    if name in MODULES:
        pytest.importorskip(MODULES[name])
    return load_baseline(name)


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "jxl"])
@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 9, 1), (48, 64, 3)])
def test_a_picture_keeps_its_size(name, shape):
    codec = loaded(name)
    decoded = codec.decompress(codec.compress(Picture(waves(*shape)), quality=80))
    assert decoded.pixels.shape[:2] == shape[:2]


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "jxl"])
def test_a_higher_setting_is_larger_and_closer(name):
    codec, picture = loaded(name), Picture(waves())
    streams = [codec.compress(picture, quality=codec.qualities[index]) for index in (0, -1)]
    low, high = (psnr(picture, codec.decompress(stream)) for stream in streams)
    assert len(streams[0]) < len(streams[1])
    assert low < high


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "jxl"])
def test_only_the_8_bit_pixels_are_coded(name):
    codec, picture = loaded(name), Picture(waves(channels=1))
    deep = Picture(picture.pixels.astype(np.uint16) * 257, waves()[:, :, 0], b"profile")
    assert codec.compress(deep, quality=50) == codec.compress(picture, quality=50)


@pytest.mark.parametrize("name", ["opus", "mp3", "vorbis"])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_a_sound_keeps_its_length_rate_and_channels(name, num_channels):
    codec, clip = loaded(name), hum(12_345, num_channels)
    decoded = codec.decompress(codec.compress(clip, quality=codec.qualities[-1]))
    assert decoded.waveform.shape == clip.waveform.shape
    assert decoded.sample_rate == 16_000


@pytest.mark.parametrize("name", ["opus", "mp3", "codec2", "aac", "vorbis"])
def test_a_sound_is_coded_the_same_each_time_and_larger_at_a_higher_setting(name):
    codec, clip = loaded(name), hum(16_000)
    low, high, again = (
        codec.compress(clip, quality=codec.qualities[index]) for index in (0, -1, 0)
    )
    assert len(low) < len(high)
    assert low == again


@pytest.mark.parametrize("name", ["opus", "mp3", "aac", "vorbis"])
@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
def test_a_stereo_sound_is_neither_early_nor_late(name, sample_rate):
    codec = loaded(name)
    noise = np.random.default_rng(0).normal(size=(2, 30_000)) * np.hanning(30_000) / 4
    clip = AudioClip(noise.astype(np.float32), sample_rate)
    quality = codec.qualities_at(sample_rate)[-1]
    decoded = codec.decompress(codec.compress(clip, quality=quality))
    waveform = to_length(resample(decoded.waveform, decoded.sample_rate, sample_rate), 30_000)
    first, second = (np.fft.rfft(each[0], 60_000) for each in (clip.waveform, waveform))
    assert np.fft.irfft(first * second.conj()).argmax() == 0


def test_sounds_of_full_band_have_settings_of_their_own():
    codec = loaded("opus")
    assert codec.qualities_at(16_000) == codec.qualities_at(None) == codec.qualities
    assert codec.qualities_at(44_100)[-1] == 64


def test_aac_refuses_more_than_two_channels():
    with pytest.raises(UsageError, match="1 or 2 channels here, not 3"):
        loaded("aac").compress(hum(1000, 3), quality=32)


@pytest.mark.parametrize("num_samples", [0, 1, 639, 16_000])
@pytest.mark.parametrize("quality", [0.7, 3.2])
def test_codec2_gives_back_at_least_all_samples_at_8_khz(num_samples, quality):
    codec = loaded("codec2")
    decoded = codec.decompress(codec.compress(hum(num_samples), quality=quality))
    assert decoded.sample_rate == 8000
    assert num_samples / 2 <= decoded.num_samples <= num_samples / 2 + 1000


def test_codec2_takes_its_own_rates_and_mono_only():
    codec = loaded("codec2")
    with pytest.raises(UsageError, match=r"5 is none of 0\.7, 1\.2"):
        codec.compress(hum(100), quality=5)
    with pytest.raises(UsageError, match="mono"):
        codec.compress(hum(100, 2), quality=3.2)


def test_a_tool_that_fails_is_reported():
    with pytest.raises(UsageError, match="lame: "):
        loaded("mp3").compress(hum(1000, 3), quality=32)
    with pytest.raises((UsageError, InputError)):
        loaded("opus").decompress(b"nothing")


@pytest.mark.parametrize("name", BASELINES)
def test_a_signal_of_the_other_kind_is_refused(name):
    codec = loaded(name)
    signal = hum(100) if codec.modality == "image" else Picture(waves())
    with pytest.raises(UsageError, match=f"{name}: codes"):
        codec.compress(signal, quality=codec.qualities[0])


def test_an_unknown_baseline_is_a_usage_error():
    with pytest.raises(UsageError, match="jpeg, webp"):
        load_baseline("gif")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("opus", "opus-tools"),
        ("codec2", "codec2"),
        ("mp3", "lame"),
        ("jxl", "pip install"),
        ("vorbis", "vorbis-tools"),
        ("aac", "pip install"),
    ],
)
def test_a_missing_baseline_says_how_to_install_it(monkeypatch, name, hint):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for module in MODULES.values():
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingCodecError, match=f"{name}: .*{hint}"):
        load_baseline(name)
