"""Digital silence and very quiet sounds, there and back."""

import numpy as np
import pytest

from tests.tiny import load_tiny_model, noise_clip
from vqcodec.bitstream.quiet import build_gain, build_silence, parse_gain, parse_silence
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.errors import CorruptStreamError
from vqcodec.signals.sound import AudioClip

RATE = 16_000


@pytest.fixture(scope="module")
def model():
    return load_tiny_model("speech")


def with_pauses(clip, *pauses):
    waveform = clip.waveform.copy()
    for pause in pauses:
        waveform[:, pause.start : pause.stop] = 0
    return AudioClip(waveform, clip.sample_rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("length", [1, 100, 20_000])
def test_a_silent_sound_comes_back_silent(model, rate, length):
    silent = AudioClip(np.zeros((1, length), np.float32), rate)
    decoded = model.decompress(model.compress(silent))
    assert decoded.num_samples == length
    assert length < rate / 20 or not decoded.waveform.any()


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_silent_stretch_comes_back_as_zeros_and_nothing_else_does(model, rate):
    pauses = [range(3000), range(10_000, 17_777), range(30_000, 31_000)]
    clip = with_pauses(noise_clip(40_000, sample_rate=rate), *pauses)
    decoded = model.decompress(model.compress(clip)).waveform[0]
    for pause in pauses:
        is_long = len(pause) >= rate / 20
        assert not is_long or not decoded[pause.start : pause.stop].any()
    assert np.count_nonzero(decoded[5000:9000]) > 3500
    assert np.count_nonzero(decoded[20_000:28_000]) > 7000


def test_channels_are_silent_each_by_itself(model):
    clip = noise_clip(20_000, channels=2)
    clip.waveform[1, 5000:12_000] = 0
    decoded = model.decompress(model.compress(clip, separate_channels=True)).waveform
    assert not decoded[1, 5000:12_000].any()
    assert decoded[0, 5000:12_000].any()


def test_a_part_of_a_sound_has_the_same_silence(model):
    stream = model.compress(with_pauses(noise_clip(40_000), range(10_000, 20_000)))
    whole = model.decompress(stream).waveform
    part = AudioClip.of_sound(model.open(stream, start_s=0.5, duration_s=1)).waveform
    assert np.allclose(part, whole[:, 8000:24_000], atol=1e-5)
    assert not part[:, 2000:12_000].any()


def test_silence_takes_few_bytes(model):
    clip = noise_clip(40_000)
    plain, silent = (
        parse_stream(model.compress(each))
        for each in (clip, with_pauses(clip, range(9000, 19_000)))
    )
    assert plain.find(Tag.SILENCE) is None
    assert len(silent.find(Tag.SILENCE)) == 5


def test_a_quiet_sound_is_coded_as_a_loud_one(model):
    loud = noise_clip(20_000)
    quiet = AudioClip(loud.waveform / 1024, RATE)
    streams = [model.compress(clip) for clip in (loud, quiet)]
    assert parse_stream(streams[1]).find(Tag.GAIN) is not None
    decoded = [model.decompress(stream).waveform for stream in streams]
    assert np.abs(decoded[1]).max() < np.abs(decoded[0]).max() / 500


def test_noise_of_a_single_step_is_not_amplified(model):
    noise = np.random.default_rng(0).integers(-1, 2, (1, 9000)) / 32768
    stream = parse_stream(model.compress(AudioClip(noise.astype(np.float32), RATE)))
    assert stream.find(Tag.GAIN) is None


@pytest.mark.parametrize(
    "planes",
    [[()], [(range(5),)], [(range(3, 9), range(300, 10_000)), ()], [(), (range(9_999, 10_000),)]],
)
def test_silence_is_parsed_as_it_was_built(planes):
    assert parse_silence(build_silence(planes), len(planes), 10_000) == planes


@pytest.mark.parametrize(
    "body", ["", "01", "0105", "010000", "01030a", "010101aa", "020101", "020101000100"]
)
def test_silence_outside_the_sound_is_damage(body):
    with pytest.raises(CorruptStreamError):
        parse_silence(bytes.fromhex(body), 1, 10)


def test_gains_have_one_byte():
    assert [parse_gain(build_gain(gain)) for gain in range(1, 16)] == list(range(1, 16))
    for body in (b"", b"\0", b"\x10", b"\1\1"):
        with pytest.raises(CorruptStreamError):
            parse_gain(body)


def test_damage_in_the_sections_is_reported(model):
    stream = parse_stream(model.compress(noise_clip(5000)))
    for section in (Section(Tag.GAIN, b"\0"), Section(Tag.SILENCE, b"\1\1")):
        damaged = build_stream(Stream(stream.header, (section, *stream.sections)))
        with pytest.raises(CorruptStreamError):
            model.decompress(damaged)
