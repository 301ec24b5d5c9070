import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcodec.bitstream.fields import FieldReader, build_varint
from vqcodec.errors import CorruptStreamError, TruncatedStreamError

MOST = 2**36


@pytest.mark.parametrize(
    ("value", "hexadecimal"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2**36, "808080808002"),
    ],
)
def test_a_varint_is_written_lowest_group_first(value, hexadecimal):
    assert build_varint(value).hex() == hexadecimal


@given(st.integers(0, MOST))
def test_a_parsed_varint_equals_the_original(value):
    reader = FieldReader(build_varint(value) + b"rest")
    assert reader.parse_varint("length", MOST) == value
    assert reader.parse_bytes("rest", 4) == b"rest"
    assert reader.at_end


@given(st.binary(max_size=12), st.integers(0, MOST))
def test_every_accepted_varint_is_written_the_same_way(data, most):
    reader = FieldReader(data)
    try:
        value = reader.parse_varint("length", most)
    except CorruptStreamError:
        return
    assert 0 <= value <= most
    assert build_varint(value) == data[: reader.position]


@pytest.mark.parametrize("data", ["8000", "ff00", "80808000"])
def test_a_varint_with_needless_bytes_is_damage(data):
    with pytest.raises(CorruptStreamError, match="few bytes"):
        FieldReader(bytes.fromhex(data)).parse_varint("length", MOST)


def test_a_varint_above_its_limit_is_damage():
    assert FieldReader(build_varint(300)).parse_varint("length", 300) == 300
    with pytest.raises(CorruptStreamError, match="length: more than 300"):
        FieldReader(build_varint(301)).parse_varint("length", 300)


def test_an_endless_varint_is_refused_early():
    reader = FieldReader(b"\x80" * 1_000_000)
    with pytest.raises(CorruptStreamError, match="more bytes than a number"):
        reader.parse_varint("length", MOST)
    assert reader.position < 10


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff\xff"])
def test_a_cut_varint_is_truncated(data):
    with pytest.raises(TruncatedStreamError):
        FieldReader(data).parse_varint("length", MOST)


def test_missing_bytes_are_truncation():
    reader = FieldReader(b"abc")
    with pytest.raises(TruncatedStreamError, match="body: cut off, only 3 of 4 bytes remain"):
        reader.parse_bytes("body", 4)
    assert reader.parse_bytes("body", 3) == b"abc"
    assert reader.parse_bytes("nothing", 0) == b""


def test_an_integer_is_read_lowest_byte_first():
    assert FieldReader(b"\x01\x02\x03").parse_integer("number", 3) == 0x030201
