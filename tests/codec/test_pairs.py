"""Sounds whose channels are coded in pairs: lengths, channels, excerpts, damage."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import PAIR_HOP, SAMPLE_RATE, load_tiny_model, noise_clip, tiny_model_path

from vqcodec.bitstream.channels import channels_of_planes
from vqcodec.bitstream.sections import CRC_BYTES, size_of_section
from vqcodec.bitstream.stream import parse_stream
from vqcodec.codec.inspect import describe
from vqcodec.errors import UsageError
from vqcodec.modalities.audio.decoded import split_planes
from vqcodec.signals.sound import AudioClip

NUM_PLANES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 4, 7: 5, 8: 5}


@pytest.fixture(scope="module")
def model():
    return load_tiny_model("pairs")


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("num_samples", [0, 1, PAIR_HOP - 1, PAIR_HOP, PAIR_HOP + 1, 1003])
def test_a_decoded_sound_has_the_original_size(model, num_samples, channels):
    clip = noise_clip(num_samples, channels=channels, sample_rate=44_100)
    stream = model.compress(clip, quality=6)
    decoded = model.decompress(stream)
    assert decoded.waveform.shape == clip.waveform.shape
    assert decoded.sample_rate == 44_100
    assert len(model.indices_of(stream)) == (NUM_PLANES[channels] if num_samples else 0)


@pytest.mark.parametrize("channels", range(1, 9))
def test_every_channel_is_in_one_plane(channels):
    planes = channels_of_planes(channels)
    assert len(planes) == NUM_PLANES[channels]
    assert sorted(number for plane in planes for number in plane) == list(range(channels))


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_channels_come_back_in_their_places(model, channels):
    time = np.arange(4_000) / SAMPLE_RATE
    tones = np.sin(2 * np.pi * 300 * (1 + np.arange(channels))[:, None] * time) * 0.3
    clip = AudioClip(tones.astype(np.float32), SAMPLE_RATE)
    decoded = model.decompress(model.compress(clip, quality=10)).waveform
    # The random prior is certain of some wrong indices, but every tone is strongest in its place.
    likeness = np.abs(decoded @ clip.waveform.T)
    assert np.array_equal(likeness.argmax(axis=1), np.arange(channels))


def test_channels_are_never_mixed_down(model):
    clip = noise_clip(1_000, channels=2)
    assert model.compress(clip) == model.compress(clip, separate_channels=True)
    assert not parse_stream(model.compress(clip)).header.facts.downmixed


def test_the_stream_holds_what_encode_returns(model):
    clip = noise_clip(3_000, channels=2)
    indices = model.encode(clip, quality=7)
    (coded,) = model.indices_of(model.compress(clip, quality=7))
    assert np.array_equal(indices, coded)


@pytest.mark.parametrize("channels", [3, 4, 6])
def test_indices_of_more_channels_are_those_of_their_mean(model, channels):
    clip = noise_clip(2_000, channels=channels)
    mean = AudioClip(clip.waveform.mean(axis=0, keepdims=True), clip.sample_rate)
    indices = model.encode(clip, quality=9)
    assert np.mean(indices != model.encode(mean, quality=9)) < 0.01
    assert model.decode(indices, quality=9).num_channels == 1


@pytest.mark.parametrize("channels", [2, 6])
def test_a_completed_sound_has_all_channels(model, channels):
    clip = noise_clip(2_000, channels=channels)
    found = model.complete(clip, seed=1, keep=0.5)
    assert found.waveform.shape == clip.waveform.shape


LONG = 300 * PAIR_HOP + 17  # three windows and segments


@pytest.mark.parametrize(
    ("first", "count"), [(0, 1), (7, 900), (128 * PAIR_HOP - 3, 9), (LONG - 5, 5)]
)
def test_an_excerpt_equals_that_part_of_the_whole(model, first, count):
    stream = model.compress(noise_clip(LONG, channels=2), quality=3)
    whole = model.decompress(stream).waveform[:, first : first + count]
    part = model.open(stream, start_s=first / SAMPLE_RATE, duration_s=count / SAMPLE_RATE)
    assert np.allclose(AudioClip.of_sound(part).waveform, whole, atol=1e-5)


def test_the_channels_of_a_missing_segment_are_silent(model):
    clip = noise_clip(LONG, channels=3)
    stream = model.compress(clip, quality=3)
    place = stream.index(parse_stream(stream).segments[1]) + 2
    damaged = stream[:place] + bytes([stream[place] ^ 1]) + stream[place + 1 :]
    decoded = AudioClip.of_sound(model.open(damaged, salvage=True)).waveform
    silent = slice(130 * PAIR_HOP, 250 * PAIR_HOP)
    assert not decoded[:2, silent].any()
    assert decoded[2, silent].any()
    assert decoded[:2, : 100 * PAIR_HOP].any()


def test_the_note_names_the_silent_channels(model):
    stream = model.compress(noise_clip(1_000, channels=6), quality=5)
    names = {
        "channels 1 and 2": [0, 1],
        "channel 3": [2],
        "channel 4": [3],
        "channels 5 and 6": [4, 5],
    }
    for plane, (named, silent) in enumerate(names.items()):
        damaged = bytearray(stream)
        damaged[place_of_segment(stream, plane)] ^= 1
        found = model.decompress(bytes(damaged), salvage=True)
        assert found.notes[0].text.endswith(f"({named})")
        assert [n for n in range(6) if not found.waveform[n].any()] == silent


def place_of_segment(stream, number):
    """Where the checksum of a segment begins."""
    stop = len(stream)
    for section in reversed(parse_stream(stream).sections[number + 1 :]):
        stop -= size_of_section(section)
    return stop - CRC_BYTES


def test_the_planes_of_a_bit_map_have_the_names_of_their_channels(model):
    bit_map = model.bit_map_of(model.compress(noise_clip(1_000, channels=6)))
    assert bit_map.names == ["channels 1 and 2", "channel 3", "channel 4", "channels 5 and 6"]


def test_a_silent_channel_stays_silent(model):
    clip = noise_clip(2_000, channels=2)
    waveform = clip.waveform.copy()
    waveform[1] = 0
    decoded = model.decompress(model.compress(AudioClip(waveform, SAMPLE_RATE))).waveform
    assert decoded[0].any()
    assert not decoded[1].any()


def test_sounds_of_pairs_are_not_progressive(model):
    with pytest.raises(UsageError, match="single level"):
        model.compress(noise_clip(500, channels=2), progressive=True)


def test_a_sampled_sound_has_the_wanted_length(model):
    sampled = model.sample(duration_s=0.05, seed=1)
    assert sampled.waveform.shape == (1, 800)


def test_info_says_which_channels_are_coded_together(model, monkeypatch):
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_model_path("pairs").parent))
    told = describe(model.compress(noise_clip(500, channels=6)))
    assert told["coded_channels"] == 6
    assert told["coded_together"] == "1 2, 3, 4, 5 6"


@pytest.mark.parametrize("num_used", [0, 1, 3])
def test_bands_that_are_not_used_are_not_coded(model, num_used):
    prior = model.parts.prior
    generator = np.random.default_rng(num_used)
    plane = np.full((68, 9, 4), 63)
    plane[1:4] += generator.integers(0, 3, (3, 9, 4))
    plane[4:, :, :num_used] += generator.integers(-2, 3, (64, 9, num_used))
    targets = plane.transpose(0, 2, 1).reshape(-1, 9)
    (settled,) = prior.choose([targets], 100)
    (payload,) = prior.compress([settled], 100)
    assert np.array_equal(prior.decompress([payload], [targets.shape], 100)[0], settled)
    (bits,) = prior.bits_of([settled], 100)
    assert abs(bits.sum() / 8 - len(payload)) < 4
    coded = bits.reshape(68, 4, 9)
    assert coded[:4].any()
    assert not coded[4:, num_used:].any()
    assert np.array_equal(settled.reshape(68, 4, 9)[:4], plane[:4].transpose(0, 2, 1))


def test_a_single_channel_is_the_mean_of_its_plane():
    planes = np.random.default_rng(0).normal(size=(2, 2, 9)).astype(np.float32)
    found = split_planes(planes, ((2, 0), (1,)))
    assert np.array_equal(found[[2, 0]], planes[0])
    assert np.allclose(found[1], (planes[1, 0] + planes[1, 1]) / 2)
