"""Digital silence and very quiet sounds, there and back."""

import numpy as np
import pytest
from tiny import load_tiny_model, noise_clip, short_segments

from vqcodec.bitstream.quiet import (
    Passage,
    Passages,
    Stretches,
    build_gain,
    build_passages,
    build_silence,
    parse_gain,
    parse_passages,
    parse_silence,
)
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.errors import CorruptStreamError
from vqcodec.modalities.audio.quiet import apply_silences, find_quietness
from vqcodec.signals.sound import AudioClip

RATE = 16_000


@pytest.fixture(scope="module")
def model():
    model = load_tiny_model("speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.parts.modality, "geometry", short_segments(model))
        yield model


def with_pauses(clip, *pauses):
    waveform = clip.waveform.copy()
    for pause in pauses:
        waveform[:, pause.start : pause.stop] = 0
    return AudioClip(waveform, clip.sample_rate)


def without_ramps(pause, rate=RATE):
    """Return the samples of a pause between the decoder's ramps, which lie in it."""
    ramp = round(0.002 * rate)
    return slice(pause.start and pause.start + ramp, pause.stop - ramp)


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
        assert not is_long or not decoded[without_ramps(pause, rate)].any()
    assert np.count_nonzero(decoded[5000:9000]) > 3500
    assert np.count_nonzero(decoded[20_000:28_000]) > 7000


@pytest.mark.parametrize("length", [1, 20])
def test_a_click_amid_silence_is_as_loud_as_amid_noise_that_nobody_hears(length):
    model = load_tiny_model("pairs")
    noise = np.random.default_rng(1).choice([-(2.0**-15), 2.0**-15], (2, 16_000))
    energies = []
    for floor in (0, 1):
        waveform = (floor * noise).astype(np.float32)
        waveform[:, 9000 : 9000 + length] = 0.8
        decoded = model.decompress(model.compress(AudioClip(waveform, 8_000), quality=10)).waveform
        energies.append(np.square(decoded[:, 9000 : 9000 + length]).sum())
    assert energies[0] == pytest.approx(energies[1], rel=0.2)


def test_channels_are_silent_each_by_itself(model):
    clip = noise_clip(20_000, channels=2)
    clip.waveform[1, 5000:12_000] = 0
    decoded = model.decompress(model.compress(clip, separate_channels=True)).waveform
    assert not decoded[1, without_ramps(range(5000, 12_000))].any()
    assert decoded[0, 5000:12_000].any()


def test_a_part_of_a_sound_has_the_same_silence(model):
    stream = model.compress(with_pauses(noise_clip(40_000), range(10_000, 20_000)))
    whole = model.decompress(stream).waveform
    part = AudioClip.of_sound(model.open(stream, start_s=0.5, duration_s=1)).waveform
    assert np.allclose(part, whole[:, 8000:24_000], atol=1e-5)
    assert not part[:, without_ramps(range(2000, 12_000))].any()


@pytest.mark.parametrize("rate", [8_000, 44_100])
@pytest.mark.parametrize("size", [41, 10_000])  # of a block
def test_samples_beside_silence_are_multiplied_as_the_format_says(rate, size):
    stretches, num_samples = [range(300, 900), range(1000, 1400)], 2000
    ramp = round(rate * 0.002)
    expected = np.ones(num_samples)
    for i in range(num_samples):
        for stretch in stretches:
            d = max(0, stretch.start - i, i - stretch.stop + 1)
            if d <= ramp:
                expected[i] *= d / (ramp + 1)
    blocks = [
        apply_silences(
            np.ones((1, min(size, num_samples - first)), np.float32),
            first,
            [Stretches(stretches)],
            rate,
        )
        for first in range(0, num_samples, size)
    ]
    assert np.concatenate(blocks, axis=1)[0] == pytest.approx(expected, abs=1e-6)


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


def loud_and_quiet(factor, rate=RATE, peak=0.4):
    """Return a second of loud noise, three of quiet noise, and a second of loud noise."""
    signs = np.where(np.random.default_rng(0).random(5 * rate) < 0.5, -1, 1)
    waveform = (peak * signs[None]).astype(np.float32)
    waveform[:, rate : 4 * rate] *= np.float32(factor)
    return AudioClip(waveform, rate)


def passages_of(stream, num_samples):
    body = parse_stream(stream).find(Tag.PASSAGES)
    return None if body is None else parse_passages(body, num_samples)


@pytest.mark.parametrize("rate", [16_000, pytest.param(22_050, marks=pytest.mark.slow)])
def test_a_quiet_passage_is_coded_louder_and_restored(model, rate):
    clip = loud_and_quiet(1 / 4096, rate)
    stream = model.compress(clip)
    (passage,) = passages_of(stream, clip.num_samples)
    assert (passage.start, passage.stop) == pytest.approx((rate, 4 * rate), abs=rate // 100)
    peak = np.abs(clip.waveform[:, rate : 4 * rate]).max()
    assert 0.25 < peak * 2**passage.gain <= 0.5
    decoded = model.decompress(stream).waveform
    # The tiny model is bad at everything, but full scale in the passage is below its gain.
    inner = decoded[:, rate + rate // 10 : 4 * rate - rate // 10]
    assert 0 < np.abs(inner).max() < 1.2 / 2**passage.gain
    assert np.abs(decoded[:, :rate]).max() > 100 * np.abs(inner).max()


def test_samples_of_a_passage_are_divided_as_the_format_says(model):
    stream = parse_stream(model.compress(noise_clip(9000)))
    body = build_passages([Passage(1000, 1100, 3), Passage(1100, 8000, 9)])
    with_passages = Stream(stream.header, (Section(Tag.PASSAGES, body), *stream.sections))
    plain = model.decompress(build_stream(stream)).waveform[0]
    decoded = model.decompress(build_stream(with_passages)).waveform[0]
    ramp = round(0.05 * RATE)
    expected = plain.astype(np.float64)
    for start, stop, gain in ((1000, 1100, 3), (1100, 8000, 9)):
        for i in range(start, stop):
            d = min(i - start + 1, stop - i)
            expected[i] *= 2.0 ** (-gain * min(1, d / (ramp + 1)))
    assert np.allclose(decoded, expected, atol=1e-6)
    part = model.open(build_stream(with_passages), start_s=0.25, duration_s=0.2)
    assert np.allclose(AudioClip.of_sound(part).waveform[0], expected[4000:7200], atol=1e-5)


def test_short_or_moderate_quiet_is_a_pause(model):
    for factor, length in ((1 / 4096, 1.9), (1 / 16, 3.0), (2.0**-15, 3.0)):
        clip = noise_clip(5 * RATE)
        clip.waveform[:, RATE : RATE + round(length * RATE)] *= np.float32(factor)
        assert passages_of(model.compress(clip), clip.num_samples) is None


def test_passages_within_a_quiet_sound_have_a_gain_beside_its_own(model):
    clip = loud_and_quiet(1 / 64, peak=0.0125)
    stream = model.compress(clip)
    gain = parse_gain(parse_stream(stream).find(Tag.GAIN))
    (passage,) = passages_of(stream, clip.num_samples)
    peak = np.abs(clip.waveform[:, RATE : 4 * RATE]).max()
    assert 0.25 < peak * 2 ** (gain + passage.gain) <= 0.5


def test_a_passage_that_is_not_quiet_after_the_gain_of_its_sound_has_none_of_its_own(model):
    clip = loud_and_quiet(1 / 8, peak=0.05)  # 1 / 128 is above the passage, not after the gain
    stream = model.compress(clip)
    assert parse_gain(parse_stream(stream).find(Tag.GAIN)) == 3
    assert passages_of(stream, clip.num_samples) is None


def test_a_quieter_passage_within_a_quiet_one_has_a_gain_of_its_own():
    quiet, voice = [0.004], [0.000125] * 3  # for each second
    levels = [0.4, *quiet, *voice, *quiet * 3, *voice, 0.4]
    signs = loud_and_quiet(1, peak=1).waveform[0, :RATE]
    waveform = np.concatenate([np.float32(level) * signs for level in levels])[None]
    passages = find_quietness(AudioClip(waveform, RATE), 1, lambda block: block).passages
    found = [(each.start / RATE, each.stop / RATE, each.gain) for each in passages]
    assert found == [(2, 5, 11), (5, 8, 6), (8, 11, 11)]


@pytest.mark.parametrize("size", [37, 159, 160, 161, 100_000])
def test_passages_do_not_depend_on_the_blocks(size):
    clip = loud_and_quiet(1 / 1024)

    class InBlocks:
        sample_rate, num_channels, num_samples = RATE, 1, clip.num_samples

        def blocks(self):
            for start in range(0, clip.num_samples, size):
                yield clip.waveform[:, start : start + size]

    found = find_quietness(InBlocks(), 1, lambda block: block)
    assert found == find_quietness(clip, 1, lambda block: block)
    assert len(found.passages) == 1


@pytest.mark.parametrize(
    "passages", [(), (Passage(0, 5, 1),), (Passage(3, 9, 15), Passage(9, 10_000, 6))]
)
def test_passages_are_parsed_as_they_were_built(passages):
    assert parse_passages(build_passages(passages), 10_000) == Passages(passages)


@pytest.mark.parametrize("body", ["01", "0105", "010500", "010510", "000001", "000b01", "05060101"])
def test_passages_outside_the_sound_are_damage(body):
    with pytest.raises(CorruptStreamError):
        parse_passages(bytes.fromhex(body), 10)


@pytest.mark.parametrize(
    "planes",
    [[()], [(range(5),)], [(range(3, 9), range(300, 10_000)), ()], [(), (range(9_999, 10_000),)]],
)
def test_silence_is_parsed_as_it_was_built(planes):
    planes = [Stretches(each) for each in planes]
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
    bad = ((Tag.GAIN, b"\0"), (Tag.SILENCE, b"\1\1"), (Tag.PASSAGES, b"\1\1"))
    for section in (Section(*each) for each in bad):
        damaged = build_stream(Stream(stream.header, (section, *stream.sections)))
        with pytest.raises(CorruptStreamError):
            model.decompress(damaged)
