"""Progressive pictures: the same picture, and coarser ones from the start of the stream."""

from __future__ import annotations

import contextlib
import functools
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from tiny import PATCH, load_tiny_model, noise_clip, noise_picture, same_signal

from vqcodec.bitstream.header import ImageFacts
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.codec.inspect import describe
from vqcodec.codec.search import compress_to_psnr, compress_to_target
from vqcodec.errors import (
    CorruptStreamError,
    MissingModelError,
    StreamError,
    TruncatedStreamError,
    UsageError,
)
from vqcodec.signals.picture import psnr

SIZES = [(1, 1), (1, 17), (17, 33), (70, 50), (64 * PATCH + 5, 3)]
NUM_LEVELS = {"image": 3, "residual-image": 2, "certain-image": 3}


@pytest.fixture(params=NUM_LEVELS)
def model(request, tiny_models):
    return tiny_models.get(request.param) or load_tiny_model(request.param)


@functools.cache  # the description looks for the model in all folders
def ends(stream):
    """The end of each level in a stream, in bytes."""
    return [level["end_bytes"] for level in describe(stream)["levels"]]


def forged(stream, *, sections=None, **header):
    """The stream with changed header fields or sections, and valid CRCs."""
    parsed = parse_stream(stream)
    kept = parsed.sections if sections is None else tuple(sections)
    return build_stream(Stream(replace(parsed.header, **header), kept))


@pytest.mark.parametrize("quality", [5, 10])
@pytest.mark.parametrize("size", SIZES)
def test_a_progressive_stream_decodes_to_the_same_picture_as_an_ordinary_one(model, size, quality):
    picture = noise_picture(*size)
    plain = model.compress(picture, quality=quality)
    stream = model.compress(picture, quality=quality, progressive=True)
    assert np.array_equal(model.indices_of(stream)[0], model.indices_of(plain)[0])
    assert same_signal(model.decompress(stream), model.decompress(plain))
    assert len(ends(stream)) == NUM_LEVELS[model.name]
    assert len(stream) - len(plain) <= 12 * NUM_LEVELS[model.name]


@pytest.mark.parametrize("size", [(70, 90), (97, 33)])
def test_every_level_has_a_payload_for_every_segment(model, size, monkeypatch):
    modality = model.parts.modality
    small = replace(modality.geometry, window=2, segment=2)  # stripes of two rows
    monkeypatch.setattr(modality, "geometry", small)
    picture = noise_picture(*size)
    plain, stream = (model.compress(picture, progressive=way) for way in (False, True))
    assert len(parse_stream(plain).segments) > 4
    assert np.array_equal(model.indices_of(stream)[0], model.encode(picture))
    monkeypatch.setattr("vqcodec.codec.segments.INDICES_AT_A_TIME", 1)
    assert same_signal(model.decompress(stream), model.decompress(plain))
    assert same_signal(
        model.decompress(stream[: ends(stream)[0]], level=1), model.decompress(plain, level=1)
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_start_of_a_stream_decodes_like_its_level(model, size):
    picture = noise_picture(*size)
    plain = model.compress(picture, quality=9)
    stream = model.compress(picture, quality=9, progressive=True)
    for level, end in enumerate(ends(stream), start=1):
        coarse = model.decompress(stream[:end], level=level)
        assert coarse.pixels.shape == picture.pixels.shape
        assert same_signal(coarse, model.decompress(stream, level=level))
        assert same_signal(coarse, model.decompress(plain, level=level))
    assert end == len(stream)
    assert same_signal(coarse, model.decompress(stream))


def test_every_level_is_closer_to_the_original(model):
    picture = noise_picture(96, 96)
    stream = model.compress(picture, quality=10, progressive=True)
    reached = [
        psnr(picture, model.decompress(stream, level=level + 1))
        for level in range(NUM_LEVELS[model.name])
    ]
    assert reached == sorted(set(reached))


def test_known_indices_are_kept_and_others_have_the_fewest_bits(image_model):
    picture = noise_picture(70, 50)
    stream = image_model.compress(picture, quality=10, progressive=True)
    rate = parse_stream(stream).header.rate
    (exact,) = image_model.indices_of(stream)
    (coarse,) = image_model.indices_of(stream, level=1)
    assert np.array_equal(coarse[:2], exact[:2])  # the first group
    (bits,) = image_model.prior.bits_of([coarse], rate)
    for change in (-1, 1):  # of the last group: its last phase predicts nothing
        other = coarse.copy()
        other[6:, 1::2, ::2] = (coarse[6:, 1::2, ::2] + change).clip(0, 30)
        changed = other != coarse
        (more,) = image_model.prior.bits_of([other], rate)
        assert changed.any()
        assert np.all(more[changed] >= bits[changed])


def test_opacity_and_profile_come_with_the_first_level(model):
    alpha = np.arange(33 * 17, dtype=np.uint8).reshape(17, 33) // 4
    picture = replace(noise_picture(33, 17), alpha=alpha, icc_profile=bytes(20))
    stream = model.compress(picture, progressive=True)
    coarse = model.decompress(stream[: ends(stream)[0]], level=1)
    assert np.array_equal(coarse.alpha, alpha)
    assert coarse.icc_profile == bytes(20)


@pytest.mark.parametrize("size", [(33, 17), (64 * PATCH + 5, 3)])
def test_every_cut_is_reported_with_the_intact_levels(model, size):
    stream = model.compress(noise_picture(*size), quality=4, progressive=True)
    whole_levels = [model.decompress(stream, level=n + 1) for n in range(len(ends(stream)))]
    for length in range(len(stream)):
        cut, num_whole = stream[:length], sum(end <= length for end in ends(stream))
        message = f"'decompress --level {num_whole}' restores" if num_whole else "cut off"
        with pytest.raises(TruncatedStreamError, match=message):
            model.decompress(cut)
        with pytest.raises(TruncatedStreamError, match=message):
            model.decompress(cut, level=num_whole + 1)
        if num_whole and length in {*ends(stream), len(stream) - 1}:
            decoded = model.decompress(cut, level=num_whole)
            assert same_signal(decoded, whole_levels[num_whole - 1])


def test_every_flipped_bit_is_reported_and_earlier_levels_decode(model):
    stream = model.compress(noise_picture(33, 17), quality=4, progressive=True)
    coarse, whole = model.decompress(stream, level=1), model.decompress(stream)
    for position in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[position // 8] ^= 1 << position % 8
        with contextlib.suppress(StreamError, MissingModelError):
            assert same_signal(model.decompress(bytes(damaged)), whole)
        if position // 8 >= ends(stream)[0] and position % 8 == 0:
            assert same_signal(model.decompress(bytes(damaged), level=1), coarse)


def test_every_changed_byte_under_a_valid_crc_is_reported_or_decodes(model):
    picture = noise_picture(64 * PATCH + 5, 3)
    stream = model.compress(picture, progressive=True)
    sections = parse_stream(stream).sections
    for number, section in enumerate(sections):
        for position in range(len(section.body)):
            body = bytearray(section.body)
            body[position] ^= 0xFF
            changed = (*sections[:number], Section(Tag.LEVEL, bytes(body)), *sections[number + 1 :])
            try:
                decoded = model.decompress(forged(stream, sections=changed))
            except CorruptStreamError as error:
                assert not isinstance(error, TruncatedStreamError)
                continue
            assert decoded.pixels.shape == picture.pixels.shape


def test_a_payload_that_does_not_end_with_its_level_is_corrupt(model):
    stream = model.compress(noise_picture(33, 17), progressive=True)
    first, *others = parse_stream(stream).sections
    longer = forged(stream, sections=[Section(Tag.LEVEL, first.body + b"\1"), *others])
    for level in (None, 1):
        with pytest.raises(CorruptStreamError, match="do not end with the last symbol"):
            model.decompress(longer, level=level)


def test_a_payload_for_all_levels_is_checked_to_its_end_with_the_last_level(model):
    plain = model.compress(noise_picture(33, 17))
    (payload,) = parse_stream(plain).segments
    longer = forged(plain, sections=[Section(Tag.SEGMENT, payload + b"\1")])
    assert same_signal(model.decompress(longer, level=1), model.decompress(plain, level=1))
    with pytest.raises(CorruptStreamError, match="do not end with the last symbol"):
        model.decompress(longer, level=NUM_LEVELS[model.name])


def test_too_few_or_too_many_levels_are_refused(model):
    stream = model.compress(noise_picture(33, 17), progressive=True)
    levels, needed = parse_stream(stream).sections, NUM_LEVELS[model.name]
    fewer = forged(stream, sections=levels[:-1])
    for number, changed in (
        (needed - 1, fewer),
        (needed + 1, forged(stream, sections=[*levels, levels[-1]])),
    ):
        with pytest.raises(CorruptStreamError, match=f"{number} levels, needed {needed}"):
            model.decompress(changed)
    with pytest.raises(CorruptStreamError, match=f"{needed - 1} levels, needed {needed}"):
        model.decompress(fewer, level=needed)
    assert same_signal(model.decompress(fewer, level=1), model.decompress(stream, level=1))


def test_segments_together_with_levels_are_refused(model):
    picture = noise_picture(33, 17)
    levels = parse_stream(model.compress(picture, progressive=True)).sections
    plain = model.compress(picture)
    for sections in (
        [*parse_stream(plain).sections, *levels],
        [*levels, Section(Tag.SEGMENT, b"")],
    ):
        with pytest.raises(CorruptStreamError, match="levels where segments are needed"):
            model.decompress(forged(plain, sections=sections))


def test_levels_in_a_sound_are_refused(audio_model):
    for clip in (noise_clip(500), noise_clip(0)):
        stream = audio_model.compress(clip)
        payloads = parse_stream(stream).segments
        levels = [Section(Tag.LEVEL, payload) for payload in payloads]
        with pytest.raises(CorruptStreamError):
            audio_model.decompress(forged(stream, sections=levels))


def test_a_model_or_rate_with_one_level_is_refused(tiny_models, picture, clip):
    with pytest.raises(UsageError, match="model speech has a single level at this quality"):
        tiny_models["speech"].compress(clip, progressive=True)
    residual = tiny_models["residual-image"]
    # The only codebook is in the first group.
    with pytest.raises(UsageError, match="has a single level"):
        residual.compress(picture, quality=1, progressive=True)
    stream = residual.compress(picture, quality=1)
    level = Section(Tag.LEVEL, parse_stream(stream).segments[0])
    with pytest.raises(CorruptStreamError, match="levels where segments are needed"):
        residual.decompress(forged(stream, sections=[level]))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_level_out_of_range_is_refused(model, picture, progressive):
    stream = model.compress(picture, progressive=progressive)
    for level in (-1, 0, NUM_LEVELS[model.name] + 1):
        with pytest.raises(UsageError, match=f"level:? {level}(: the stream has only| is not)"):
            model.decompress(stream, level=level)


def test_a_sound_has_a_single_level(audio_model, clip):
    stream = audio_model.compress(clip)
    assert same_signal(audio_model.decompress(stream, level=1), audio_model.decompress(stream))
    with pytest.raises(UsageError, match="level 2: the stream has only 1"):
        audio_model.decompress(stream, level=2)


@pytest.mark.parametrize("level", [None, 1])
def test_a_header_with_a_false_size_is_refused_early(image_model, picture, level):
    facts = ImageFacts(width=65_535, height=4_096, grey=False)
    stream = forged(image_model.compress(picture, progressive=True), facts=facts)
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(CorruptStreamError, match="level: "):
            image_model.decompress(stream, level=level)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert time.monotonic() - started < 1


def test_a_target_is_met_by_a_progressive_stream(image_model):
    picture = noise_picture(64, 64)
    by_size = compress_to_target(image_model.parts, picture, size_bytes=500, progressive=True)
    assert len(by_size) <= 500
    best = max(psnr(picture, image_model.decompress(by_size)) - 0.5, 1)
    by_psnr = compress_to_psnr(image_model.parts, picture, psnr_db=best, progressive=True)
    assert psnr(picture, image_model.decompress(by_psnr)) >= best
    assert all(parse_stream(stream).levels for stream in (by_size, by_psnr))


def test_a_progressive_stream_has_a_bit_map(image_model, picture):
    plain, stream = (image_model.compress(picture, progressive=way) for way in (False, True))
    assert image_model.bit_map_of(stream).num_bits == image_model.bit_map_of(plain).num_bits


def test_the_levels_of_a_stream_are_described(image_model, picture):
    described = describe(image_model.compress(picture, progressive=True))
    assert described["progressive"] is True
    assert [level["level"] for level in described["levels"]] == [1, 2, 3]
    sizes = [level["size_bytes"] for level in described["levels"]]
    framing = [
        size - section["size_bytes"]
        for size, section in zip(sizes, described["sections"], strict=True)
    ]
    assert all(number >= 6 for number in framing)
    assert described["payload_bytes"] == sum(sizes) - sum(framing)
    assert [section["tag"] for section in described["sections"]] == ["level"] * 3
    plain = describe(image_model.compress(picture))
    assert plain["progressive"] is False
    assert "levels" not in plain
