"""The search for the rate that meets a size or a PSNR."""

from __future__ import annotations

import pytest
from tiny import noise_clip, noise_picture

from vqcodec.codec.search import compress_to_psnr, compress_to_target
from vqcodec.errors import TargetSizeError, UsageError
from vqcodec.signals.picture import psnr


@pytest.fixture(params=["image", "speech", "residual-image"])
def model(request, tiny_models):
    return tiny_models[request.param]


@pytest.fixture
def signal(model):
    return noise_picture(64, 48) if model.modality == "image" else noise_clip(2000, channels=2)


@pytest.mark.parametrize("quality", [1, 3, 8, 10])
def test_a_size_target_is_met_closely(model, signal, quality):
    target = len(model.compress(signal, quality=quality))
    stream = compress_to_target(model.parts, signal, size_bytes=target)
    assert 0.8 * target <= len(stream) <= target  # sizes of untrained models do not always increase
    model.decompress(stream)


def test_a_large_size_target_gives_the_highest_quality(model, signal):
    best = model.compress(signal, quality=10)
    assert compress_to_target(model.parts, signal, size_bytes=1 << 30) == best


def test_a_size_target_too_small_is_refused_with_the_smallest_size(model, signal):
    least = len(model.compress(signal, quality=1))
    with pytest.raises(
        TargetSizeError, match=f"lowest quality takes {least} bytes, not 20"
    ) as caught:
        compress_to_target(model.parts, signal, size_bytes=20)
    assert caught.value.least_bytes == least


def test_channels_are_coded_separately_on_request(audio_model):
    clip = noise_clip(1000, channels=2)
    best = audio_model.compress(clip, quality=10, separate_channels=True)
    found = compress_to_target(audio_model.parts, clip, size_bytes=1 << 20, separate_channels=True)
    assert found == best


def test_progress_rises_to_one(model, signal):
    told = []
    compress_to_target(model.parts, signal, size_bytes=1 << 20, progress=told.append)
    assert told == sorted(told)
    assert 0 < told[-1] <= 1


@pytest.mark.parametrize("quality", [1, 4, 9])
def test_a_psnr_is_reached_at_the_lowest_rate(tiny_models, quality):
    model, picture = tiny_models["image"], noise_picture(64, 48)
    stream = model.compress(picture, quality=quality)
    wanted = psnr(picture, model.decompress(stream))
    found = compress_to_psnr(model.parts, picture, psnr_db=wanted)
    assert psnr(picture, model.decompress(found)) >= wanted
    assert len(found) <= len(stream) + 2


def test_a_psnr_too_high_is_refused_with_the_highest_psnr(tiny_models):
    model, picture = tiny_models["image"], noise_picture(64, 48)
    best = psnr(picture, model.decompress(model.compress(picture, quality=10)))
    with pytest.raises(UsageError, match=f"reaches only {best:.2f} dB, needed 90 dB"):
        compress_to_psnr(model.parts, picture, psnr_db=90)
