import io
import math

import numpy as np
import pytest
import soundfile

from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.signals import sound_files as media
from vqcodec.signals.resampling import resample, to_length
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import (
    AudioFile,
    least_bytes,
    read_clip,
    write_clip,
)
from vqcodec.signals.suffixes import SOUND_FORMATS


def noise_clip(num_samples, num_channels=1, sample_rate=16_000, seed=0):
    """Return noise whose samples all are 16-bit values."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(-(2**15), 2**15, (num_channels, num_samples))
    return AudioClip((levels / 2**15).astype(np.float32), sample_rate)


def file_of(clip, format="WAV"):
    file = io.BytesIO()
    write_clip(clip, file, format)
    file.seek(0)
    return file


def tone(sample_rate, *, frequency=1000):
    times = np.arange(sample_rate // 2) / sample_rate
    return np.sin(2 * np.pi * frequency * times)[None].astype(np.float32)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "AIFF"])
@pytest.mark.parametrize("num_channels", [1, 2, 8])
@pytest.mark.parametrize("num_samples", [1, 2, 999, 70_000])
def test_a_lossless_format_gives_back_every_sample(format, num_channels, num_samples):
    clip = noise_clip(num_samples, num_channels)
    back = read_clip(file_of(clip, format))
    assert back.sample_rate == clip.sample_rate
    assert back.waveform.dtype == np.float32
    assert np.array_equal(back.waveform, clip.waveform)


@pytest.mark.parametrize("format", ["OGG", "MP3"])
def test_a_lossy_format_gives_back_length_and_rate(format):
    clip = AudioClip(0.5 * tone(44_100), 44_100)
    back = read_clip(file_of(clip, format))
    assert (back.num_samples, back.sample_rate) == (clip.num_samples, 44_100)
    assert np.abs(back.waveform - clip.waveform)[:, 2000:-2000].mean() < 0.02


@pytest.mark.parametrize("format", ["WAV", "AIFF", "OGG"])
def test_an_empty_sound_comes_back(format):
    back = read_clip(file_of(noise_clip(0, 2), format))
    assert back.waveform.shape == (2, 0)
    assert back.duration_s == 0


@pytest.mark.parametrize("format", ["FLAC", "MP3"])
def test_a_format_that_cannot_be_empty_says_so(format):
    with pytest.raises(OutputError, match="choose WAV"):
        file_of(noise_clip(0), format)


def test_samples_beyond_full_scale_are_clipped_both_ways():
    loud = np.array([[-3, -1, 0, 1, 3]], np.float32)
    file = io.BytesIO()
    soundfile.write(file, loud.T, 8000, format="WAV", subtype="FLOAT")
    assert read_clip(io.BytesIO(file.getvalue())).waveform.tolist() == [[-1, -1, 0, 1, 1]]
    written = read_clip(file_of(AudioClip(loud, 8000))).waveform
    assert written.tolist() == [[-1, -1, 0, 32767 / 32768, 32767 / 32768]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(value):
    file = io.BytesIO()
    soundfile.write(file, np.array([0, value], np.float32), 8000, format="WAV", subtype="FLOAT")
    with pytest.raises(InputError, match="not finite"):
        read_clip(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize(("channels", "rate"), [(9, 16_000), (1, 900), (1, 800_000)])
def test_a_sound_that_the_format_does_not_support_is_refused(channels, rate):
    file = io.BytesIO()
    soundfile.write(file, np.zeros((4, channels)), rate, format="WAV")
    with pytest.raises(InputError, match=r"^loud\.wav: sound: .* needed"):
        read_clip(io.BytesIO(file.getvalue()), "loud.wav")


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
    with pytest.raises(InputError, match=r"none\.wav: No such file"):
        read_clip(tmp_path / "none.wav")
    with pytest.raises(InputError, match="directory"):
        read_clip(tmp_path)


def test_the_suffix_of_a_path_does_not_matter(tmp_path):
    path = tmp_path / "sound.raw"
    path.write_bytes(file_of(noise_clip(100)).getvalue())
    assert read_clip(path).num_samples == 100
    path.write_bytes(bytes(100))
    with pytest.raises(InputError, match="cannot be read as a sound"):
        read_clip(path)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "AIFF", "OGG"])
def test_no_damage_raises_another_error(format, tmp_path, capfd):
    path = tmp_path / "damaged"
    data = file_of(noise_clip(800), format).getvalue()
    rng = np.random.default_rng(0)
    for length in rng.integers(0, len(data), 40):
        damaged = bytearray(data)
        damaged[length] ^= 1 << int(rng.integers(8))
        for content in (data[:length], bytes(damaged)):
            path.write_bytes(content)
            for source in (io.BytesIO(content), path):
                try:
                    read_clip(source)
                except InputError as error:
                    assert "\n" not in str(error)
    assert not capfd.readouterr().err


def test_an_unknown_format_is_a_usage_error():
    with pytest.raises(UsageError, match="WAV"):
        write_clip(noise_clip(4), io.BytesIO(), "XYZ")


@pytest.mark.parametrize(
    ("format", "num_channels", "sample_rate"),
    [("OGG", 1, 768_000), ("MP3", 1, 11_000), ("MP3", 3, 44_100), ("FLAC", 1, 768_000)],
)
def test_a_clip_that_a_format_cannot_hold_is_an_output_error(format, num_channels, sample_rate):
    with pytest.raises(OutputError, match=format) as caught:
        file_of(noise_clip(100, num_channels, sample_rate), format)
    if format == "MP3":
        assert "choose FLAC" in str(caught.value)


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file, pytest.raises(OutputError, match="cannot be written"):
        write_clip(noise_clip(4), file, "WAV")


def test_every_suffix_has_a_format_that_libsndfile_writes():
    assert set(SOUND_FORMATS.values()) <= set(soundfile.available_formats())


@pytest.mark.parametrize("num_samples", [0, 1, 7, 441, 8001])
@pytest.mark.parametrize(
    "rates", [(44_100, 16_000), (16_000, 48_000), (8000, 8000), (44_101, 16_000), (1000, 768_000)]
)
def test_resampling_rounds_the_length_up(num_samples, rates):
    waveform = noise_clip(num_samples, 2).waveform
    resampled = resample(waveform, *rates)
    assert resampled.shape == (2, math.ceil(num_samples * rates[1] / rates[0]))
    assert resampled.dtype == np.float32


@pytest.mark.parametrize(
    "rates", [(48_000, 16_000), (16_000, 44_100), (44_101, 16_000), (16_000, 47_999)]
)
@pytest.mark.parametrize("frequency", [100, 7000])
def test_resampling_keeps_a_tone_in_place(rates, frequency):
    resampled = resample(tone(rates[0], frequency=frequency), *rates)
    expected = to_length(tone(rates[1], frequency=frequency), resampled.shape[1])
    middle = slice(500, -500)
    assert np.abs(resampled - expected)[:, middle].max() < 0.01


@pytest.mark.parametrize("from_rate", [48_000, 47_999])
def test_resampling_removes_frequencies_above_the_new_band(from_rate):
    aliased = resample(tone(from_rate, frequency=9000), from_rate, 16_000)
    assert np.abs(aliased[:, 500:-500]).max() < 0.01


@pytest.mark.parametrize(("num_samples", "expected"), [(0, []), (2, [1, 2]), (5, [1, 2, 3, 0, 0])])
def test_a_waveform_is_cut_or_continued_by_silence(num_samples, expected):
    waveform = np.array([[1, 2, 3]], np.float32)
    assert to_length(waveform, num_samples).tolist() == [expected]


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_file_is_read_block_by_block_and_more_than_once(format):
    file = file_of(AudioClip(np.repeat(0.5 * tone(44_100), 9, axis=1), 44_100), format)
    whole, sound = read_clip(file), AudioFile(file, "tone")
    assert (sound.num_samples, sound.sample_rate) == (whole.num_samples, whole.sample_rate)
    for _ in range(2):
        blocks = list(sound.blocks())
        assert len(blocks) > 2
        assert np.array_equal(np.concatenate(blocks, axis=1), whole.waveform)


def test_a_sound_too_long_for_a_plain_wav_becomes_one_with_64_bit_lengths(monkeypatch):
    monkeypatch.setattr(media, "_MAX_BYTES", 1000)
    file = file_of(noise_clip(501))
    assert file.getvalue().startswith(b"RF64")
    assert np.array_equal(read_clip(file).waveform, noise_clip(501).waveform)
    assert file_of(noise_clip(500)).getvalue().startswith(b"RIFF")
    with pytest.raises(OutputError, match="AIFF holds up to 1000 bytes, not 1002: choose WAV"):
        file_of(noise_clip(501), "AIFF")


@pytest.mark.parametrize(("format", "expected"), [("WAV", 6000), ("AIFF", 6000), ("FLAC", 0)])
def test_the_size_of_a_plain_file_is_known_before_writing(format, expected):
    assert least_bytes(noise_clip(1000, 3), format) == expected
    assert len(file_of(noise_clip(1000, 3), format).getvalue()) >= expected


class FullDisk(io.BytesIO):
    """Takes 100,000 bytes."""

    def write(self, data):
        if self.tell() + len(data) > 100_000:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_full_disk_is_an_output_error_and_stops_the_work(format, capfd):
    def blocks():
        for number in range(1000):
            assert number < 999, "went on in spite of the error"
            yield noise_clip(10_000, seed=number).waveform

    sound = noise_clip(1)
    endless = type("Endless", (), {"blocks": staticmethod(blocks), "num_channels": 1})()
    endless.sample_rate, endless.num_samples = sound.sample_rate, 10_000_000
    with pytest.raises(OutputError, match="cannot be written: No space left"):
        write_clip(endless, FullDisk(), format)
    assert not capfd.readouterr().err  # nothing from within libsndfile's callbacks
