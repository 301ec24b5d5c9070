"""Sounds to streams and back: lengths, rates, channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import HOP, SAMPLE_RATE, noise_clip, noise_picture, same_signal

from vqcodec.bitstream.stream import parse_stream
from vqcodec.errors import UsageError
from vqcodec.signals.sound import AudioClip

LENGTHS = [0, 1, HOP - 1, HOP, HOP + 1, 7 * HOP + 3]
NAMES = ["speech", "residual-speech"]


@pytest.fixture(params=NAMES)
def model(request, tiny_models):
    return tiny_models[request.param]


@pytest.mark.parametrize("quality", [1, 5.3, 10])
@pytest.mark.parametrize("num_samples", LENGTHS)
def test_a_decoded_sound_has_the_original_length(model, num_samples, quality):
    clip = noise_clip(num_samples)
    decoded = model.decompress(model.compress(clip, quality=quality))
    assert decoded.waveform.shape == clip.waveform.shape
    assert decoded.waveform.dtype == np.float32
    assert decoded.sample_rate == clip.sample_rate


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_the_stream_holds_what_encode_returns(model, num_samples):
    clip = noise_clip(num_samples)
    stream = model.compress(clip, quality=7)
    indices = model.encode(clip, quality=7)
    assert len(indices) == model.parts.quantizer.config.codebooks_at(model.rate_of(7))
    coded = model.indices_of(stream)
    assert all(np.array_equal(indices, plane) for plane in coded)
    assert len(coded) == (1 if num_samples else 0)
    decoded = model.decode(indices, quality=7)
    whole = model.decompress(stream).waveform
    assert np.array_equal(decoded.waveform[:, :num_samples], whole)
    assert decoded.sample_rate == SAMPLE_RATE


@pytest.mark.parametrize("sample_rate", [1_000, 8_000, 11_025, 44_100, 44_101, 192_000])
@pytest.mark.parametrize("num_samples", [0, 1, 1000])
def test_a_decoded_sound_has_the_original_sample_rate(audio_model, sample_rate, num_samples):
    clip = noise_clip(num_samples, channels=2, sample_rate=sample_rate)
    decoded = audio_model.decompress(audio_model.compress(clip))
    assert decoded.waveform.shape == (2, num_samples)
    assert decoded.sample_rate == sample_rate


@pytest.mark.parametrize("channels", [2, 8])
@pytest.mark.parametrize("num_samples", [0, 1, 7 * HOP + 3])
def test_channels_are_mixed_down_or_coded_separately(model, channels, num_samples):
    clip = noise_clip(num_samples, channels=channels)
    mixed = model.compress(clip)
    decoded = model.decompress(mixed)
    assert decoded.waveform.shape == clip.waveform.shape
    assert (decoded.waveform == decoded.waveform[:1]).all()
    apart = model.compress(clip, separate_channels=True)
    assert model.decompress(apart).waveform.shape == clip.waveform.shape
    planes = model.indices_of(apart)
    assert len(planes) == (channels if num_samples else 0)
    for channel, plane in enumerate(planes):
        mono = AudioClip(clip.waveform[channel : channel + 1], clip.sample_rate)
        assert np.array_equal(plane, model.encode(mono))
        alone = model.decompress(model.compress(mono)).waveform[0]
        assert np.allclose(model.decompress(apart).waveform[channel], alone, atol=1e-6)


def test_a_mono_stream_does_not_depend_on_separate_channels(model):
    clip = noise_clip(1000)
    assert model.compress(clip) == model.compress(clip, separate_channels=True)


def test_a_mix_is_coded_like_the_mean_of_the_channels(model):
    clip = noise_clip(1000, channels=2)
    mean = AudioClip(clip.waveform.mean(axis=0, keepdims=True), clip.sample_rate)
    assert np.array_equal(model.encode(clip), model.encode(mean))


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0])
def test_silence_and_clipped_sounds_decode_within_full_scale(model, level):
    clip = AudioClip(np.full((1, 2000), level, np.float32), SAMPLE_RATE)
    decoded = model.decompress(model.compress(clip)).waveform
    assert decoded.shape == clip.waveform.shape
    assert np.isfinite(decoded).all()
    assert np.abs(decoded).max() <= 1


def test_a_long_sound_has_several_segments(audio_model):
    clip = noise_clip(1000 * HOP)  # 1001 frames
    stream = audio_model.compress(clip, quality=3)
    assert len(parse_stream(stream).segments) == 2
    assert audio_model.decompress(stream).waveform.shape == clip.waveform.shape
    assert [plane.shape for plane in audio_model.indices_of(stream)] == [(12, 1001)]


@pytest.mark.parametrize("num_samples", [50 * HOP, 33 * HOP + 1])
def test_a_sound_in_many_windows_equals_one_window(model, num_samples, monkeypatch):
    clip = noise_clip(num_samples)
    whole = model.decompress(model.compress(clip, quality=8)).waveform
    modality = model.parts.modality
    small = replace(modality.geometry, window=4)
    monkeypatch.setattr(modality, "geometry", small)
    parts = model.decompress(model.compress(clip, quality=8)).waveform
    assert np.square(parts - whole).mean() < 1e-3 * np.square(whole).mean()


def test_a_sound_in_many_segments_is_decoded(model, monkeypatch):
    modality = model.parts.modality
    small = replace(modality.geometry, segment=7)
    monkeypatch.setattr(modality, "geometry", small)
    clip = noise_clip(33 * HOP)
    stream = model.compress(clip)
    (indices,) = model.indices_of(stream)
    assert len(parse_stream(stream).segments) == -(-indices.shape[1] // 7)
    assert np.array_equal(indices, model.encode(clip))
    assert model.decompress(stream).waveform.shape == clip.waveform.shape


def test_the_same_sound_gives_the_same_stream(model):
    clip = noise_clip(2000)
    assert model.compress(clip) == model.compress(clip)
    assert same_signal(*(model.decompress(model.compress(clip)) for _ in range(2)))


def test_a_picture_is_refused(model):
    with pytest.raises(UsageError, match="for sounds"):
        model.compress(noise_picture(4, 4))
