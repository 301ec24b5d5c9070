"""Level bodies: round trips, damage, and streams that are read up to a level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.bitstream.header import Header, ImageFacts
from vqcodec.bitstream.levels import build_level, parse_level
from vqcodec.bitstream.sections import Section, Tag, build_section
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.errors import CorruptStreamError, TruncatedStreamError

HEADER = Header(fingerprint=bytes(4), rate=0, facts=ImageFacts(width=3, height=2, grey=False))
LEVELS = [b"coarse", b"", b"finer", b"finest"]
STREAM = Stream(
    HEADER,
    (Section(Tag.ICC_PROFILE, b"icc"), *(Section(Tag.LEVEL, body) for body in LEVELS)),
)
DATA = build_stream(STREAM)


def ends():
    """The end of each level in a stream, in bytes."""
    sizes = [len(build_section(section, last=False)) for section in STREAM.sections]
    return [len(DATA) - sum(sizes[number:]) for number in range(2, len(sizes) + 1)]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=9))
def test_parsed_payloads_equal_the_original(payloads):
    assert parse_level(build_level(payloads), len(payloads)) == payloads


def test_a_body_matches_the_document():
    assert build_level([b"alone"]) == b"alone"
    assert build_level([b"abc", b"", bytes(200), b"rest"]).hex() == (
        "03616263" + "00" + "c801" + "00" * 200 + "72657374"
    )


@pytest.mark.parametrize(
    "body", [b"", b"\1", b"\1a", b"\1a\2b", b"\1a\x80", b"\xff\xff\xff\xff\xff"]
)
def test_a_body_with_too_few_payloads_is_corrupt(body):
    with pytest.raises(CorruptStreamError, match="level: ") as caught:
        parse_level(body, 3)
    assert not isinstance(caught.value, TruncatedStreamError)


def test_a_length_with_needless_bytes_is_corrupt():
    with pytest.raises(CorruptStreamError, match="as few bytes as possible"):
        parse_level(b"\x81\0ab", 2)


def test_the_levels_of_a_stream_are_in_order():
    assert parse_stream(DATA) == STREAM
    assert STREAM.levels == tuple(LEVELS)
    assert STREAM.segments == ()


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5, 99])
def test_a_stream_is_read_up_to_a_level_with_any_further_bytes(level):
    whole = parse_stream(DATA, level)
    assert whole == Stream(HEADER, STREAM.sections[: 1 + level])
    if level < len(LEVELS):
        end = ends()[level - 1]
        assert parse_stream(DATA[:end], level) == whole
        assert parse_stream(DATA[:end] + b"damage", level) == whole


def test_bytes_after_the_last_section_are_reported_with_a_level_too():
    with pytest.raises(CorruptStreamError, match="after the last section"):
        parse_stream(DATA + b"\0", len(LEVELS))


def test_every_cut_is_reported_with_the_intact_levels():
    for length in range(len(DATA)):
        whole = sum(end <= length for end in ends())
        with pytest.raises(TruncatedStreamError) as caught:
            parse_stream(DATA[:length])
        message = str(caught.value)
        if whole == 0:
            assert "level" not in message
        else:
            which = "level 1 is whole" if whole == 1 else f"levels 1 to {whole} are whole"
            them = "it" if whole == 1 else "them"
            assert message.endswith(f"; {which}, and 'decompress --level {whole}' restores {them}")
        for level in range(1, len(LEVELS) + 1):
            if level <= whole:
                assert len(parse_stream(DATA[:length], level).levels) == level
            else:
                with pytest.raises(TruncatedStreamError):
                    parse_stream(DATA[:length], level)


def test_damage_is_reported_with_the_intact_levels():
    damaged = bytearray(DATA)
    damaged[ends()[1] + 3] ^= 1
    with pytest.raises(CorruptStreamError, match=r"CRC .*; levels 1 to 2 are whole") as caught:
        parse_stream(bytes(damaged))
    assert not isinstance(caught.value, TruncatedStreamError)
    assert len(parse_stream(bytes(damaged), 2).levels) == 2
