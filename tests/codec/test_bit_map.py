"""Bit maps: the bits of each position of a stream."""

import pytest
from tiny import HOP, PATCH, SAMPLE_RATE, noise_clip, noise_picture, short_segments

from vqcodec.bitstream.stream import parse_stream
from vqcodec.errors import MissingModelError


def payload_bits(stream):
    return 8 * sum(map(len, parse_stream(stream).segments))


@pytest.mark.parametrize("name", ["image", "residual-image"])
def test_the_positions_of_a_picture_add_up_to_its_payload(tiny_models, name):
    stream = tiny_models[name].compress(noise_picture(70, 40), quality=4)
    bit_map = tiny_models[name].bit_map_of(stream)
    assert bit_map.step == PATCH
    assert [plane.shape for plane in bit_map.planes] == [(3, 5)]
    assert bit_map.num_bits == pytest.approx(payload_bits(stream), abs=12)


@pytest.mark.parametrize("name", ["speech", "residual-speech"])
def test_the_frames_of_each_channel_add_up_to_its_payload(tiny_models, name, monkeypatch):
    model = tiny_models[name]
    geometry = short_segments(model)
    monkeypatch.setattr(model.parts.modality, "geometry", geometry)
    clip = noise_clip((geometry.segment + 10) * HOP, channels=2)  # two segments per channel
    stream = model.compress(clip, quality=3, separate_channels=True)
    bit_map = model.bit_map_of(stream)
    assert bit_map.step == HOP / SAMPLE_RATE
    segments = parse_stream(stream).segments
    assert len(segments) == 4
    for channel, plane in enumerate(bit_map.planes):
        first, second = (8 * len(payload) for payload in segments[2 * channel : 2 * channel + 2])
        assert plane[: geometry.segment].sum() == pytest.approx(first, abs=12)
        assert plane[geometry.segment :].sum() == pytest.approx(second, abs=12)


def test_a_sound_without_samples_has_no_bits(audio_model):
    bit_map = audio_model.bit_map_of(audio_model.compress(noise_clip(0)))
    assert bit_map.planes == []
    assert bit_map.num_bits == 0


def test_a_stream_of_another_model_is_refused(audio_model, residual_audio_model):
    stream = audio_model.compress(noise_clip(HOP))
    with pytest.raises(MissingModelError):
        residual_audio_model.bit_map_of(stream)
