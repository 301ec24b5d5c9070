"""Damaged and forged streams cause the right error, or none; errors come early."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from tiny import load_tiny_model, noise_clip, noise_picture, same_signal

from vqcodec.bitstream.header import AudioFacts, ImageFacts
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.errors import CorruptStreamError, MissingModelError, StreamError, TruncatedStreamError
from vqcodec.signals.picture_files import encode_alpha

NAMES = [
    "image",
    "speech",
    "residual-image",
    "residual-speech",
    "certain-image",
    "image-with-more",
    "no-sound",
]


@pytest.fixture(scope="module", params=NAMES)
def original(request, tiny_models):
    """A model, a small stream of it, and the decoded signal."""
    if request.param == "no-sound":
        model, signal = tiny_models["speech"], noise_clip(0)
    elif request.param == "image-with-more":
        alpha = np.arange(33 * 17, dtype=np.uint8).reshape(17, 33) // 4
        model = tiny_models["image"]
        signal = replace(noise_picture(33, 17), alpha=alpha, icc_profile=bytes(20))
    else:
        model = tiny_models.get(request.param) or load_tiny_model(request.param)
        signal = noise_picture(33, 17) if model.modality == "image" else noise_clip(300, channels=2)
    stream = model.compress(signal, quality=4)
    return model, stream, model.decompress(stream)


def test_every_cut_is_reported_as_truncated(original):
    model, stream, _ = original
    for length in range(len(stream)):
        with pytest.raises(TruncatedStreamError):
            model.decompress(stream[:length])


def test_every_flipped_bit_is_reported(original):
    model, stream, signal = original
    for position in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[position // 8] ^= 1 << position % 8
        try:
            decoded = model.decompress(bytes(damaged))
        except (StreamError, MissingModelError):
            continue
        assert same_signal(decoded, signal)


@pytest.mark.parametrize("more", [b"\0", b"VQC", bytes(100)])
def test_bytes_after_the_stream_are_reported(original, more):
    model, stream, _ = original
    with pytest.raises(CorruptStreamError, match="after the last section"):
        model.decompress(stream + more)


def test_every_changed_payload_byte_under_a_valid_crc_is_reported_or_decodes(original):
    model, stream, signal = original
    parsed = parse_stream(stream)
    for number, section in enumerate(parsed.sections):
        for position in range(len(section.body)):
            body = bytearray(section.body)
            body[position] ^= 0xFF
            sections = list(parsed.sections)
            sections[number] = Section(section.tag, bytes(body))
            try:
                decoded = model.decompress(build_stream(Stream(parsed.header, tuple(sections))))
            except CorruptStreamError:
                continue
            assert type(decoded) is type(signal)
            name = "pixels" if model.modality == "image" else "waveform"
            assert getattr(decoded, name).shape == getattr(signal, name).shape


def forged(stream, *, sections=None, **header):
    """The stream with changed header fields or sections, and valid CRCs."""
    parsed = parse_stream(stream)
    kept = parsed.sections if sections is None else tuple(sections)
    return build_stream(Stream(replace(parsed.header, **header), kept))


HUGE_PICTURES = [
    ImageFacts(width=65_535, height=4_096, grey=False),
    ImageFacts(width=1, height=65_535, grey=True),
]
HUGE_SOUNDS = [
    AudioFacts(num_samples=1 << 36, sample_rate=1_000, num_channels=8, downmixed=False),
    AudioFacts(num_samples=1 << 36, sample_rate=767_999, num_channels=1, downmixed=False),
    AudioFacts(num_samples=1 << 30, sample_rate=16_000, num_channels=2, downmixed=True),
]


@pytest.mark.parametrize("facts", [*HUGE_PICTURES, *HUGE_SOUNDS])
def test_a_header_with_a_false_size_is_refused_early(tiny_models, picture, clip, facts):
    is_picture = isinstance(facts, ImageFacts)
    model = tiny_models["image" if is_picture else "speech"]
    stream = forged(model.compress(picture if is_picture else clip), facts=facts)
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(CorruptStreamError, match="segments, needed"):
            model.decompress(stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("more", [Section(Tag.LEVEL, b"a"), Section(Tag.SEGMENT, b"a")])
def test_an_empty_sound_has_no_data(tiny_models, more):
    model = tiny_models["speech"]
    stream = parse_stream(model.compress(noise_clip(0)))
    with pytest.raises(CorruptStreamError, match="data where the sound has no samples"):
        model.decompress(build_stream(Stream(stream.header, (more, *stream.sections))))


@pytest.mark.parametrize("change", [-1, 1])
def test_segments_too_few_or_too_many_are_refused(original, change):
    model, stream, _ = original
    sections = parse_stream(stream).sections
    others = [section for section in sections if section.tag != Tag.SEGMENT]
    segments = [section for section in sections if section.tag == Tag.SEGMENT]
    changed = segments[:-1] if change < 0 else [*segments, segments[-1]]
    if not [*others, *changed]:
        changed = [Section(Tag.ICC_PROFILE, b"")]
    with pytest.raises(CorruptStreamError, match=r"segments, needed|no samples"):
        model.decompress(forged(stream, sections=[*others, *changed]))


def test_data_without_samples_is_refused(audio_model):
    stream = audio_model.compress(noise_clip(0))
    with pytest.raises(CorruptStreamError, match="no samples"):
        audio_model.decompress(forged(stream, sections=[Section(Tag.SEGMENT, b"\x01")]))


def test_any_rate_byte_gives_an_error_or_a_signal_of_the_right_size(original):
    model, stream, signal = original
    for rate in [*range(8), 100, 255]:
        try:
            decoded = model.decompress(forged(stream, rate=rate))
        except CorruptStreamError:
            continue
        assert type(decoded) is type(signal)


def test_an_invalid_rate_is_refused(tiny_models):
    model = tiny_models["residual-speech"]
    stream = model.compress(noise_clip(900))
    for rate in (0, model.parts.quantizer.num_codebooks + 1, 255):
        with pytest.raises(CorruptStreamError, match="rate"):
            model.decompress(forged(stream, rate=rate))


@pytest.mark.parametrize("name", ["image", "speech"])
def test_the_error_names_the_fingerprint_of_the_needed_model(name, tiny_models, picture, clip):
    model = tiny_models[name]
    stream = model.compress(picture if name == "image" else clip)
    other = tiny_models["speech" if name == "image" else "image"]
    with pytest.raises(MissingModelError, match=f"needs model {model.fingerprint}"):
        other.decompress(stream)
    with pytest.raises(MissingModelError, match="needs model 00000000"):
        model.decompress(forged(stream, fingerprint=bytes(4)))
    with pytest.raises(MissingModelError):
        model.indices_of(other.compress(clip if name == "image" else picture))


def test_a_sound_under_the_name_of_a_picture_model_is_refused(image_model, audio_model, clip):
    stream = audio_model.compress(clip)
    with pytest.raises(MissingModelError):
        image_model.decompress(forged(stream, fingerprint=bytes.fromhex(image_model.fingerprint)))


@pytest.mark.parametrize(
    "alpha",
    [
        b"",
        b"not a PNG",
        encode_alpha(np.zeros((17, 34), np.uint8)),
        encode_alpha(np.zeros((17, 33), np.uint8))[:40],
    ],
)
def test_opacity_that_does_not_fit_is_refused(image_model, picture, alpha):
    stream = image_model.compress(picture)
    sections = [Section(Tag.ALPHA, alpha), *parse_stream(stream).sections]
    with pytest.raises(CorruptStreamError, match="alpha"):
        image_model.decompress(forged(stream, sections=sections))


def test_optional_sections_of_later_versions_are_ignored(original):
    model, stream, signal = original
    sections = [Section(0xBF, b"later"), *parse_stream(stream).sections]
    assert same_signal(model.decompress(forged(stream, sections=sections)), signal)
