"""Pictures to streams and back: sizes, indices, opacity and colour profiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import PATCH, noise_picture, same_signal

from vqcodec.bitstream.stream import parse_stream
from vqcodec.errors import UsageError
from vqcodec.signals.picture import Picture

SIZES = [(1, 1), (1, 17), (17, 1), (16, 16), (17, 33), (70, 50)]
NAMES = ["image", "residual-image"]
PROFILE = bytes(16) + b"RGB " + bytes(range(200))


@pytest.fixture(params=NAMES)
def model(request, tiny_models):
    return tiny_models[request.param]


@pytest.mark.parametrize("quality", [1, 5.3, 10])
@pytest.mark.parametrize("size", SIZES)
def test_a_decoded_picture_has_the_original_size(model, size, quality):
    picture = noise_picture(*size)
    stream = model.compress(picture, quality=quality)
    decoded = model.decompress(stream)
    assert decoded.pixels.shape == picture.pixels.shape
    assert decoded.pixels.dtype == np.uint8
    assert decoded.alpha is None
    assert decoded.icc_profile is None


@pytest.mark.parametrize("size", SIZES)
def test_the_stream_holds_what_encode_returns(model, size):
    picture = noise_picture(*size)
    stream = model.compress(picture, quality=7)
    (indices,) = model.indices_of(stream)
    assert np.array_equal(model.encode(picture, quality=7), indices)
    assert indices.shape[1:] == (-(-size[1] // PATCH), -(-size[0] // PATCH))
    decoded = model.decode(indices, quality=7).pixels[: size[1], : size[0]]
    assert np.array_equal(decoded, model.decompress(stream).pixels)


def test_a_higher_quality_has_more_bytes_and_a_smaller_error(image_model):
    picture = noise_picture(96, 96)
    sizes, errors = [], []
    for quality in (1, 5):
        stream = image_model.compress(picture, quality=quality)
        sizes.append(len(stream))
        errors.append(np.square(image_model.decompress(stream).pixels - picture.pixels / 1).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_quality_five_is_the_default(model):
    picture = noise_picture(20, 20)
    assert model.compress(picture) == model.compress(picture, quality=5)


@pytest.mark.parametrize("size", [(1, 1), (33, 17)])
def test_a_grey_picture_stays_grey(model, size):
    decoded = model.decompress(model.compress(noise_picture(*size, channels=1)))
    assert decoded.pixels.shape == (size[1], size[0], 1)


def test_grey_in_three_channels_is_coded_like_grey_in_one(model):
    grey = noise_picture(33, 17, channels=1)
    colour = Picture(grey.pixels.repeat(3, axis=2))
    assert np.array_equal(model.encode(grey), model.encode(colour))


def test_all_16_bits_of_a_grey_picture_are_used(model):
    picture = noise_picture(40, 40, channels=1)
    deep = Picture(picture.pixels.astype(np.uint16) * 257)
    assert model.compress(deep) == model.compress(picture)
    assert model.decompress(model.compress(deep)).pixels.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (33, 17)])
def test_opacity_and_profile_come_back_exactly(model, size):
    alpha = np.random.default_rng(0).integers(0, 255, size[::-1]).astype(np.uint8)
    picture = replace(noise_picture(*size), alpha=alpha, icc_profile=PROFILE)
    decoded = model.decompress(model.compress(picture))
    assert np.array_equal(decoded.alpha, alpha)
    assert decoded.icc_profile == PROFILE
    plain = model.decompress(model.compress(noise_picture(*size)))
    assert np.array_equal(decoded.pixels, plain.pixels)


def test_a_large_picture_has_several_segments(model):
    picture = noise_picture(64 * PATCH + 5, 3)
    stream = model.compress(picture, quality=3)
    assert len(parse_stream(stream).segments) == 2
    assert model.decompress(stream).pixels.shape == picture.pixels.shape
    (indices,) = model.indices_of(stream)
    assert np.array_equal(indices, model.encode(picture, quality=3))
    assert indices.shape[1:] == (1, 65)


@pytest.mark.parametrize("size", [(70, 90), (97, 33), (16, 200)])
def test_a_picture_in_many_windows_equals_one_window(model, size, monkeypatch):
    picture = noise_picture(*size)
    whole = model.decompress(model.compress(picture, quality=8))
    modality = model.parts.modality
    small = replace(modality.geometry, window=2)
    monkeypatch.setattr(modality, "geometry", small)
    parts = model.decompress(model.compress(picture, quality=8))
    difference = np.abs(parts.pixels.astype(int) - whole.pixels)
    assert difference.max() <= 1 or difference.mean() < 0.05  # a latent may be rounded differently


def seams(model, monkeypatch, **changes):
    """The largest differences of 2 x 2 windows from a single one: at borders, and elsewhere."""
    modality, indices = model.parts.modality, model.encode(noise_picture(160, 128))
    whole = model.decode(indices).pixels.astype(int)
    small = replace(modality.geometry, window=2, **changes)
    monkeypatch.setattr(modality, "geometry", small)
    difference = np.abs(model.decode(indices).pixels - whole).max(axis=2)
    monkeypatch.undo()
    place = [np.arange(side) % (2 * PATCH) for side in difference.shape]
    rows, columns = (np.isin(axis, [0, 2 * PATCH - 1]) for axis in place)
    border = rows[:, None] | columns
    return difference[border].max(), difference[~border].max()


def test_there_are_no_seams_at_borders_of_windows(model, monkeypatch):
    at_borders, elsewhere = seams(model, monkeypatch)
    assert at_borders <= 1  # rounding
    assert elsewhere <= 1
    at_borders, elsewhere = seams(model, monkeypatch, decoder_reach=0)
    assert at_borders > 1  # a forced seam is found


@pytest.mark.parametrize("size", [(70, 90), (97, 33), (16, 200)])
def test_a_picture_in_many_stripes_equals_one_stripe(model, size, monkeypatch):
    picture, modality = noise_picture(*size), model.parts.modality
    small = replace(modality.geometry, window=2, segment=2)  # stripes of two rows
    monkeypatch.setattr(modality, "geometry", small)
    stream = model.compress(picture)
    indices = model.encode(picture)
    monkeypatch.setattr("vqcodec.codec.segments.INDICES_AT_A_TIME", 1)
    assert np.array_equal(model.indices_of(stream)[0], indices)
    decoded = model.decode(indices).pixels[: size[1], : size[0]]
    assert np.array_equal(model.decompress(stream).pixels, decoded)


@pytest.mark.parametrize("size", [(70, 90), (97, 33), (16, 200)])
def test_a_picture_in_many_segments_is_decoded(model, size, monkeypatch):
    modality = model.parts.modality
    small = replace(modality.geometry, segment=3)
    monkeypatch.setattr(modality, "geometry", small)
    picture = noise_picture(*size)
    stream = model.compress(picture)
    rows, columns = (-(-side // PATCH) for side in picture.pixels.shape[:2])
    assert len(parse_stream(stream).segments) == -(-rows // 3) * -(-columns // 3)
    assert np.array_equal(model.indices_of(stream)[0], model.encode(picture))
    assert model.decompress(stream).pixels.shape == picture.pixels.shape


def test_the_same_picture_gives_the_same_stream(model):
    picture = noise_picture(33, 17)
    assert model.compress(picture) == model.compress(picture)
    assert same_signal(*(model.decompress(model.compress(picture)) for _ in range(2)))


def test_progress_is_reported(model):
    told = []
    stream = model.compress(noise_picture(33, 17), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    told.clear()
    model.decompress(stream, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_sound_is_refused(model, clip):
    with pytest.raises(UsageError, match="for pictures"):
        model.compress(clip)
