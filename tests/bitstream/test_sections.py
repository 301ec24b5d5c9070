import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.bitstream import sections
from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.sections import OPTIONAL, Section, Tag, build_section, parse_section
from vqcodec.errors import (
    CorruptStreamError,
    InputError,
    StreamError,
    TruncatedStreamError,
    UnsupportedStreamError,
)

GOLDEN = bytes.fromhex("41 03 616263 dab1617b")


def parse(data):
    return parse_section(FieldReader(data))


def test_version_1_sections_are_unchanged():
    assert build_section(Section(Tag.SEGMENT, b"abc"), last=True).hex() == GOLDEN.hex()
    assert parse(GOLDEN) == (Section(Tag.SEGMENT, b"abc"), True)


@pytest.mark.parametrize("tag", [*Tag, OPTIONAL, OPTIONAL | 63])
@pytest.mark.parametrize("length", [0, 1, 127, 128, 20_000])
@pytest.mark.parametrize("last", [False, True])
def test_a_parsed_section_equals_the_original(tag, length, last):
    section = Section(tag, bytes(range(256)) * 100)
    section = Section(tag, section.body[:length])
    assert parse(build_section(section, last=last) + b"next") == (section, last)


def test_a_short_section_costs_6_bytes_around_its_body():
    assert len(build_section(Section(Tag.SEGMENT, bytes(127)), last=True)) == 127 + 6


@pytest.mark.parametrize("tag", [0, 5, 63])
def test_an_unknown_tag_that_is_not_optional_is_unsupported(tag):
    with pytest.raises(UnsupportedStreamError, match=f"unknown tag {tag}"):
        parse(build_section(Section(tag, b"?"), last=True))


def test_damage_is_distinguished_from_an_unknown_tag():
    data = bytearray(build_section(Section(4, b"?"), last=True))
    data[-1] ^= 1
    with pytest.raises(CorruptStreamError):
        parse(bytes(data))


def test_every_cut_is_truncated():
    for length in range(len(GOLDEN)):
        with pytest.raises(TruncatedStreamError):
            parse(GOLDEN[:length])


def test_every_flipped_bit_is_damage():
    for bit in range(8 * len(GOLDEN)):
        damaged = bytearray(GOLDEN)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptStreamError):
            parse(bytes(damaged))


def test_a_length_above_the_limit_is_damage_and_no_body_is_read():
    with pytest.raises(CorruptStreamError, match="section: length: more than"):
        parse(bytes.fromhex("01 8180808004"))


def test_a_body_above_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(sections, "MAX_SECTION_BYTES", 3)
    Section(Tag.ALPHA, b"abc")
    with pytest.raises(InputError, match="4 bytes"):
        Section(Tag.ALPHA, b"abcd")


@given(st.binary(max_size=40))
def test_every_accepted_section_is_written_the_same_way(data):
    reader = FieldReader(data)
    try:
        section, last = parse_section(reader)
    except StreamError:
        return
    assert build_section(section, last=last) == data[: reader.position]
