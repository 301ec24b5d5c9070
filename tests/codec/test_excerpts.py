"""Excerpts of sounds, decoded without the rest."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import HOP, SAMPLE_RATE, load_tiny_model, noise_clip, noise_picture, short_segments

from vqcodec.errors import CorruptStreamError, UsageError
from vqcodec.signals.sound import AudioClip

LONG = 625 * HOP  # three segments


def excerpt(model, stream, **part):
    return AudioClip.of_sound(model.open(stream, **part))


def cut(waveform, first, last):
    return waveform[:, first:last]


@pytest.fixture(scope="module")
def model():
    model = load_tiny_model("speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.parts.modality, "geometry", short_segments(model))
        yield model


@pytest.fixture(scope="module")
def long_sound(model):
    stream = model.compress(noise_clip(LONG), quality=3)
    return stream, model.decompress(stream).waveform


@pytest.mark.parametrize(
    ("first", "count"),
    [(0, 1), (0, 3 * HOP), (7, 900), (250 * HOP - 3, 9), (499 * HOP, 20 * HOP), (LONG - 1, 5)],
)
def test_an_excerpt_equals_that_part_of_the_whole(model, long_sound, first, count):
    stream, whole = long_sound
    start_s, duration_s = first / SAMPLE_RATE, count / SAMPLE_RATE
    part = excerpt(model, stream, start_s=start_s, duration_s=duration_s)
    expected = cut(whole, first, first + count)
    assert part.waveform.shape == expected.shape
    assert np.allclose(part.waveform, expected, atol=1e-5)


def test_an_infinite_duration_extends_to_the_end(model, long_sound):
    stream, decoded = long_sound
    assert model.open(stream, duration_s=np.inf).num_samples == decoded.shape[1]


def test_an_excerpt_without_a_duration_extends_to_the_end(model, long_sound):
    stream, whole = long_sound
    part = excerpt(model, stream, start_s=(LONG - 100) / SAMPLE_RATE)
    assert np.allclose(part.waveform, whole[:, -100:], atol=1e-5)


@pytest.mark.parametrize("sample_rate", [4_000, 8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("separate_channels", [False, True])
def test_excerpts_are_sample_exact_at_other_rates_and_channels(
    model, sample_rate, separate_channels
):
    clip = noise_clip(sample_rate // 2, channels=2, sample_rate=sample_rate)
    stream = model.compress(clip, quality=3, separate_channels=separate_channels)
    whole = model.decompress(stream).waveform
    first, count = round(0.31 * sample_rate), round(0.1 * sample_rate)
    part = excerpt(model, stream, start_s=0.31, duration_s=0.1)
    assert part.sample_rate == sample_rate
    assert np.allclose(part.waveform, cut(whole, first, first + count), atol=1e-4)


@pytest.mark.parametrize(
    ("start", "duration_s", "num_frames"), [(0, 0.01, 250), (600, None, 126), (249, 0.01, 500)]
)
def test_only_the_segments_around_an_excerpt_are_decoded(
    model, long_sound, monkeypatch, start, duration_s, num_frames
):
    decoded, decompress = [], model.prior.decompress

    def spy(payloads, shapes, *options):
        decoded.extend(shapes)
        return decompress(payloads, shapes, *options)

    monkeypatch.setattr(model.prior, "decompress", spy)
    start_s = start * HOP / SAMPLE_RATE
    excerpt(model, long_sound[0], start_s=start_s, duration_s=duration_s)
    assert sum(shape[1] for shape in decoded) == num_frames


@pytest.mark.parametrize(
    ("start_s", "duration_s", "wrong"),
    [
        (-1, None, "a start at -1 s is not"),
        (0, 0, "a duration of 0 s is not"),
        (float("nan"), 1, "start_s: nan is not a number"),
    ],
)
def test_of_an_invalid_excerpt_the_wrong_number_is_named(
    model, long_sound, start_s, duration_s, wrong
):
    with pytest.raises(UsageError, match=f"^{wrong}"):
        excerpt(model, long_sound[0], start_s=start_s, duration_s=duration_s)


def test_a_start_past_the_end_is_refused(model, long_sound):
    with pytest.raises(UsageError, match="long"):
        excerpt(model, long_sound[0], start_s=LONG / SAMPLE_RATE)
    with pytest.raises(UsageError, match="long"):
        excerpt(model, model.compress(noise_clip(0)), duration_s=1)


def test_an_excerpt_of_a_picture_is_refused(tiny_models):
    model = tiny_models["image"]
    with pytest.raises(UsageError, match="picture"):
        model.open(model.compress(noise_picture(8, 8)), start_s=1)


def test_a_damaged_stream_is_refused(model, long_sound):
    stream = bytearray(long_sound[0])
    stream[-3] ^= 1
    with pytest.raises(CorruptStreamError):
        excerpt(model, bytes(stream), start_s=0, duration_s=100)
