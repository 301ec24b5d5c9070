import binascii
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.header import (
    SAMPLE_RATES,
    AudioFacts,
    Header,
    ImageFacts,
    Modality,
    build_header,
    parse_header,
)
from vqcodec.bitstream.limits import (
    MAX_IMAGE_SIDE,
    MAX_NUM_CHANNELS,
    MAX_NUM_SAMPLES,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
)
from vqcodec.errors import (
    CorruptStreamError,
    InputError,
    StreamError,
    TruncatedStreamError,
    UnsupportedStreamError,
)

KODAK = Header(
    fingerprint=bytes.fromhex("3f9a12c0"),
    rate=128,
    facts=ImageFacts(width=768, height=512, grey=False),
)
SPEECH = Header(
    fingerprint=bytes.fromhex("00ff00ff"),
    rate=255,
    facts=AudioFacts(num_samples=160_000, sample_rate=16_000, num_channels=2, downmixed=True),
)
KODAK_BYTES = bytes.fromhex("565143 01 01 3f9a12c0 80 8006 8004 1842")
SPEECH_BYTES = bytes.fromhex("565143 01 92 00ff00ff ff 80e209 03 5b42")


def parse(data):
    return parse_header(FieldReader(data))


def resealed(data):
    """The same header bytes with a matching CRC."""
    return data[:-2] + binascii.crc_hqx(data[:-2], 0).to_bytes(2, "little")


fingerprints = st.binary(min_size=4, max_size=4)
sides = st.integers(1, 2**14)
images = st.builds(ImageFacts, width=sides, height=sides, grey=st.booleans())
sounds = st.builds(
    AudioFacts,
    num_samples=st.integers(0, MAX_NUM_SAMPLES),
    sample_rate=st.sampled_from(list(SAMPLE_RATES.values()))
    | st.integers(MIN_SAMPLE_RATE, MAX_SAMPLE_RATE),
    num_channels=st.integers(1, MAX_NUM_CHANNELS),
    downmixed=st.booleans(),
).filter(lambda facts: facts.num_channels > 1 or not facts.downmixed)
headers = st.builds(
    Header, fingerprint=fingerprints, rate=st.integers(0, 255), facts=images | sounds
)


@pytest.mark.parametrize(("header", "data"), [(KODAK, KODAK_BYTES), (SPEECH, SPEECH_BYTES)])
def test_version_1_headers_are_unchanged(header, data):
    assert build_header(header).hex() == data.hex()
    assert parse(data) == header


def test_the_header_of_a_kodak_picture_takes_16_bytes():
    assert len(KODAK_BYTES) == 16


@given(headers)
def test_a_parsed_header_equals_the_original(header):
    assert parse(build_header(header)) == header


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (1, MAX_IMAGE_SIDE), (MAX_IMAGE_SIDE, 1), (2**14, 2**14)]
)
def test_pictures_up_to_the_limits_are_accepted(width, height):
    header = replace(KODAK, facts=ImageFacts(width=width, height=height, grey=True))
    assert parse(build_header(header)) == header
    assert header.modality is Modality.IMAGE


def test_one_channel_stands_for_several_only():
    facts = replace(SPEECH.facts, num_channels=1)
    with pytest.raises(CorruptStreamError, match="one channel stands for all of one"):
        parse(build_header(replace(SPEECH, facts=facts)))


@pytest.mark.parametrize("sample_rate", [*SAMPLE_RATES.values(), MIN_SAMPLE_RATE, MAX_SAMPLE_RATE])
@pytest.mark.parametrize("num_samples", [0, 1, MAX_NUM_SAMPLES])
def test_sounds_up_to_the_limits_are_accepted(sample_rate, num_samples):
    facts = AudioFacts(
        num_samples=num_samples,
        sample_rate=sample_rate,
        num_channels=MAX_NUM_CHANNELS,
        downmixed=False,
    )
    header = replace(SPEECH, facts=facts)
    assert parse(build_header(header)) == header
    assert header.modality is Modality.AUDIO


@pytest.mark.parametrize(
    ("width", "height"), [(0, 1), (1, 0), (MAX_IMAGE_SIDE + 1, 1), (2**14, 2**14 + 1), (-1, -1)]
)
def test_a_picture_beyond_the_limits_is_refused(width, height):
    with pytest.raises(InputError, match="picture"):
        ImageFacts(width=width, height=height, grey=False)


@pytest.mark.parametrize(
    "change",
    [
        {"num_samples": -1},
        {"num_samples": MAX_NUM_SAMPLES + 1},
        {"sample_rate": MIN_SAMPLE_RATE - 1},
        {"sample_rate": MAX_SAMPLE_RATE + 1},
        {"num_channels": 0},
        {"num_channels": MAX_NUM_CHANNELS + 1},
    ],
)
def test_a_sound_beyond_the_limits_is_refused(change):
    with pytest.raises(InputError, match="sound"):
        replace(SPEECH.facts, **change)


@pytest.mark.parametrize("data", [KODAK_BYTES, SPEECH_BYTES])
def test_every_cut_is_truncated(data):
    for length in range(len(data)):
        with pytest.raises(TruncatedStreamError):
            parse(data[:length])


@pytest.mark.parametrize("data", [KODAK_BYTES, SPEECH_BYTES])
def test_every_flipped_bit_is_noticed(data):
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            parse(bytes(damaged))


def test_another_kind_of_file_is_refused():
    with pytest.raises(CorruptStreamError, match=r"not a \.vqc stream"):
        parse(b"\x89PNG\r\n\x1a\n")


def test_another_version_is_unsupported_with_any_further_bytes():
    with pytest.raises(UnsupportedStreamError, match="version 2"):
        parse(b"VQC\x02")


@pytest.mark.parametrize("modality", [0, 3, 15])
def test_an_unknown_modality_is_unsupported(modality):
    with pytest.raises(UnsupportedStreamError, match=f"modality {modality}"):
        parse(resealed(KODAK_BYTES[:4] + bytes([modality]) + KODAK_BYTES[5:]))


@pytest.mark.parametrize("data", [KODAK_BYTES, SPEECH_BYTES])
def test_a_header_with_two_damaged_bytes_is_corrupt_not_of_a_newer_version(data):
    rng = np.random.default_rng(0)
    places = [place for place in range(len(data)) if place != 3]  # the version is not judged by CRC
    for pair in itertools.combinations(places, 2):
        for changes in rng.integers(1, 256, (100, 2)):
            damaged = bytearray(data + bytes(8))  # a section follows
            for place, change in zip(pair, changes, strict=True):
                damaged[place] ^= int(change)
            with pytest.raises(CorruptStreamError) as raised:
                parse(bytes(damaged))
            assert raised.value.exit_code == 4


@pytest.mark.parametrize("data", [KODAK_BYTES, SPEECH_BYTES])
def test_a_header_with_an_unknown_modality_is_corrupt_unless_its_crc_matches(data):
    for kind in range(256):
        if kind & 15 in tuple(Modality):
            continue
        damaged = data[:4] + bytes([kind]) + data[5:]
        with pytest.raises(CorruptStreamError, match="CRC"):
            parse(damaged)
        with pytest.raises(UnsupportedStreamError):
            parse(resealed(damaged))
        for length in range(len(damaged)):
            with pytest.raises(TruncatedStreamError):
                parse(damaged[:length])


def test_a_size_without_an_end_is_damage_in_an_unknown_modality():
    with pytest.raises(CorruptStreamError, match="more than 10 bytes"):
        parse(KODAK_BYTES[:4] + b"\x03" + KODAK_BYTES[5:10] + b"\x80" * 1000)


@pytest.mark.parametrize("flags", [0b0010, 0b0100, 0b1000, 0b1111])
def test_an_unknown_picture_flag_is_damage(flags):
    with pytest.raises(CorruptStreamError, match="flags"):
        parse(resealed(KODAK_BYTES[:4] + bytes([flags << 4 | 1]) + KODAK_BYTES[5:]))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("00 01", "picture: 0 x 1"),
        ("ffff03 ffff03", "picture: 65535 x 65535"),
        ("808004 01", "more than 65535"),
    ],
)
def test_a_picture_size_beyond_the_limits_is_damage(size, message):
    with pytest.raises(CorruptStreamError, match=message):
        parse(resealed(KODAK_BYTES[:10] + bytes.fromhex(size) + b"??"))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("00 0d", "code 13"),
        ("00 fe", "code 254"),
        ("00 ff 807d", "has a code"),
        ("00 ff e707", "999 Hz"),
        ("00 ff 81f02e", "more than 768000"),
        ("818080808002 03", "more than 68719476736"),
    ],
)
def test_a_sound_size_beyond_the_limits_is_damage(size, message):
    with pytest.raises(CorruptStreamError, match=message):
        parse(resealed(SPEECH_BYTES[:10] + bytes.fromhex(size) + b"??"))


@given(st.binary(max_size=12), st.sampled_from([KODAK_BYTES, SPEECH_BYTES]))
def test_every_accepted_header_is_written_the_same_way(tail, start):
    data = resealed(start[:10] + tail + b"??")
    try:
        reader = FieldReader(data)
        header = parse_header(reader)
    except StreamError:
        return
    assert build_header(header) == data[: reader.position]
