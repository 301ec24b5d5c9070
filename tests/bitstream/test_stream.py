import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.bitstream import stream as stream_module
from vqcodec.bitstream.header import AudioFacts, Header, ImageFacts, build_header
from vqcodec.bitstream.sections import OPTIONAL, Section, Tag, build_section
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.errors import (
    CorruptStreamError,
    InputError,
    StreamError,
    TruncatedStreamError,
    UnsupportedStreamError,
)

HEADER = Header(
    fingerprint=b"\x3f\x9a\x12\xc0",
    rate=7,
    facts=AudioFacts(num_samples=0, sample_rate=44_100, num_channels=1, downmixed=False),
)
SMALL = Stream(
    Header(fingerprint=bytes(4), rate=0, facts=ImageFacts(width=3, height=2, grey=True)),
    (
        Section(Tag.SEGMENT, b"\x12\x34"),
        Section(Tag.ALPHA, b""),
        Section(Tag.ICC_PROFILE, b"icc"),
        Section(OPTIONAL | 33, b"later"),
        Section(Tag.SEGMENT, b""),
    ),
)
SMALL_BYTES = bytes.fromhex(
    "565143 01 11 00000000 00 03 02 0f0f"
    "01 02 1234 71e83cc3"
    "02 00 7d70ef73"
    "83 03 696363 986abcff"
    "a1 05 6c61746572 43d35c06"
    "41 00 bb6cbba8"
)

streams = st.builds(
    Stream,
    st.just(HEADER),
    st.lists(
        st.builds(Section, st.sampled_from([*Tag, OPTIONAL | 9]), st.binary(max_size=300)),
        min_size=1,
        max_size=8,
    ).map(tuple),
)


def test_version_1_streams_are_unchanged():
    assert build_stream(SMALL).hex() == SMALL_BYTES.hex()
    assert parse_stream(SMALL_BYTES) == SMALL


@given(streams)
def test_a_parsed_stream_equals_the_original(stream):
    assert parse_stream(build_stream(stream)) == stream


def test_segments_are_found_in_order_and_other_sections_by_tag():
    assert SMALL.segments == (b"\x12\x34", b"")
    assert SMALL.find(Tag.ALPHA) == b""
    assert SMALL.find(Tag.ICC_PROFILE) == b"icc"
    assert Stream(HEADER, (Section(Tag.SEGMENT, b""),)).find(Tag.ALPHA) is None


def test_every_cut_is_truncated():
    for length in range(len(SMALL_BYTES)):
        with pytest.raises(TruncatedStreamError):
            parse_stream(SMALL_BYTES[:length])


def test_every_flipped_bit_is_noticed():
    for bit in range(8 * len(SMALL_BYTES)):
        damaged = bytearray(SMALL_BYTES)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            parse_stream(bytes(damaged))


def test_bytes_after_the_last_section_are_damage():
    with pytest.raises(CorruptStreamError, match="1 bytes after the last section"):
        parse_stream(SMALL_BYTES + b"\x00")


UNKNOWN_TAG = 31  # not optional


def test_a_stream_that_needs_an_unknown_section_is_unsupported():
    assert UNKNOWN_TAG not in set(Tag)
    data = build_header(HEADER) + build_section(Section(UNKNOWN_TAG, b""), last=True)
    with pytest.raises(UnsupportedStreamError):
        parse_stream(data)


def test_a_header_alone_is_truncated():
    with pytest.raises(TruncatedStreamError):
        parse_stream(build_header(HEADER))


def test_too_many_sections_are_refused_and_are_damage(monkeypatch):
    monkeypatch.setattr(stream_module, "MAX_NUM_SECTIONS", 5)
    assert parse_stream(SMALL_BYTES) == SMALL
    monkeypatch.setattr(stream_module, "MAX_NUM_SECTIONS", 4)
    with pytest.raises(CorruptStreamError, match="more than 4 sections"):
        parse_stream(SMALL_BYTES)
    with pytest.raises(InputError, match="5 sections"):
        Stream(HEADER, SMALL.sections)


def test_a_length_beyond_the_end_is_truncated_before_data_is_copied():
    with pytest.raises(TruncatedStreamError, match="of 1073741824 bytes remain"):
        parse_stream(build_header(HEADER) + bytes.fromhex("01 8080808004"))


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_stream_or_a_stream_error(data, with_header):
    data = build_header(HEADER) + data if with_header else data
    try:
        stream = parse_stream(data)
    except StreamError:
        return
    assert build_stream(stream) == data


@given(st.integers(0, len(SMALL_BYTES) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_replaced_bytes_are_noticed(start, inserted, num_removed):
    data = SMALL_BYTES[:start] + inserted + SMALL_BYTES[start + num_removed :]
    try:
        stream = parse_stream(data)
    except StreamError:
        return
    assert data == SMALL_BYTES
    assert stream == SMALL
