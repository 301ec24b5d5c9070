"""The tables and the examples of docs/FORMAT.md agree with the code."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from vqcodec.bitstream import header, limits, sections
from vqcodec.bitstream.header import AudioFacts, Header, ImageFacts, Modality, build_header
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.entropy import frequencies
from vqcodec.entropy.frequencies import freqs_from_exponents, make_exp2_table
from vqcodec.entropy.range_coder import SymbolDecoder, SymbolEncoder
from vqcodec.priors import config as prior_config

sys.path.insert(0, str(Path(__file__).parent / "entropy"))

from reference_range_decoder import ReferenceRangeDecoder, scaled_starts

TEXT = (Path(__file__).parents[1] / "docs" / "FORMAT.md").read_text(encoding="utf-8")


def section_of(heading):
    """The text under a heading, up to the next one of any level."""
    return re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", TEXT, re.DOTALL | re.MULTILINE)[1]


def rows(heading):
    """The cells of all tables under a heading, without header rows."""
    tables = re.findall(r"^\|.*\n\|[-:| ]+\|\n((?:\|.*\n)*)", section_of(heading), re.MULTILINE)
    lines = "".join(tables).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def hexadecimal(cell):
    return bytes.fromhex(cell.strip("`"))


def test_the_title_has_the_version():
    assert TEXT.startswith(f"# The stream, version {header.VERSION}\n")
    assert rows("Version history")[-1][0] == str(header.VERSION)


def test_sample_rates_match():
    codes = {int(code): rate for code, rate in (row for row in rows("Sounds") if len(row) == 2)}
    assert codes.pop(header.SAMPLE_RATE_FOLLOWS) == "follows as a varint"
    assert {code: int(rate) for code, rate in codes.items()} == header.SAMPLE_RATES


def test_modalities_match():
    numbers = {name: int(number) for number, name in rows("Modalities")}
    assert numbers == {"picture": Modality.IMAGE, "sound": Modality.AUDIO}


def test_tags_match():
    tags = {name.upper().replace(" ", "_"): int(tag, 16) for tag, name, _ in rows("Sections")[4:]}
    assert tags == {tag.name: tag.value for tag in Tag}
    assert sections.OPTIONAL == 1 << 7


def test_limits_match():
    assert [int(limit) for _, limit in rows("Limits")] == [
        limits.MAX_IMAGE_SIDE,
        limits.MAX_IMAGE_PIXELS,
        limits.MAX_NUM_SAMPLES,
        limits.MAX_NUM_CHANNELS,
        limits.MIN_SAMPLE_RATE,
        limits.MAX_SAMPLE_RATE,
        limits.MAX_SECTION_BYTES,
        limits.MAX_NUM_SECTIONS,
    ]


def test_the_limits_of_priors_match():
    limits_of_priors = [int(row[1]) for row in rows("Integer networks") if len(row) == 2]
    assert limits_of_priors == [
        prior_config.MOST_WEIGHTS,
        prior_config.MOST_FEATURES,
        prior_config.MOST_OUTPUTS,
        prior_config.MOST_EARLIER,
    ]


def test_the_header_fields_add_up():
    sizes = [size for size, *_ in rows("Header")]
    assert sizes == ["3", "1", "1", "4", "1", "2 … 10", "2"]
    fixed = 3 + 1 + 1 + header.FINGERPRINT_BYTES + 1 + header.CRC_BYTES
    smallest = ImageFacts(width=1, height=1, grey=True)
    largest = AudioFacts(
        num_samples=limits.MAX_NUM_SAMPLES,
        sample_rate=limits.MAX_SAMPLE_RATE,
        num_channels=1,
        downmixed=False,
    )
    for facts, size in ((smallest, 2), (largest, 10)):
        assert len(build_header(Header(fingerprint=bytes(4), rate=0, facts=facts))) == fixed + size


@pytest.mark.parametrize("name", ["TOTAL", "MAX_ALPHABET"])
def test_the_numbers_of_the_frequencies_match(name):
    assert str(getattr(frequencies, name)) in section_of("Frequencies")


def test_the_exponent_table_has_the_documented_length():
    last = int(re.search(r"first zero, i = (\d+)", TEXT)[1])
    assert len(make_exp2_table()) == last + 1


def test_the_example_of_frequencies_is_right():
    numbers = re.search(
        r"z = ([\d, ]+), the weights are ([\d, and\n]+), and the frequencies ([\d, and]+);", TEXT
    )
    z, weights, freqs = ([int(n) for n in re.findall(r"\d+", group)] for group in numbers.groups())
    table = make_exp2_table()
    assert table.take(z, mode="clip").tolist() == weights
    assert freqs_from_exponents(np.array([z]), table)[0].tolist() == freqs


@pytest.fixture
def example():
    return bytes.fromhex(re.search(r"^ {4}(56 51 43 .*)$", TEXT, re.MULTILINE)[1])


def test_the_worked_example_is_written_and_read(example):
    stream = Stream(
        Header(
            fingerprint=b"\x3f\x9a\x12\xc0",
            rate=7,
            facts=ImageFacts(width=3, height=2, grey=True),
        ),
        (Section(Tag.SEGMENT, b"\xcb\xa0"),),
    )
    assert build_stream(stream) == example
    assert parse_stream(example) == stream


def test_the_fields_of_the_worked_example_are_its_bytes(example):
    fields = [row[0] for row in rows("Worked example") if len(row) == 3]
    assert b"".join(map(hexadecimal, fields)) == example


def test_the_symbols_of_the_worked_example_are_decoded_as_shown(example):
    row = [32768, 16384, 8192, 8192]
    for number in (*row, *scaled_starts(row)):
        assert str(number) in section_of("Worked example")
    (payload,) = parse_stream(example).segments
    reference = ReferenceRangeDecoder(payload)
    steps = [row for row in rows("Worked example") if len(row) == 4]
    for point, size, quantile, symbol in steps:
        assert (reference.point, reference.size) == (int(point, 16), int(size, 16))
        assert reference.point // (reference.size >> 24) == int(quantile)
        assert reference.decode(row) == int(symbol)

    symbols = np.array([int(step[-1]) for step in steps], np.int32)
    freqs = np.array([row] * len(symbols), np.uint32)
    encoder = SymbolEncoder()
    encoder.code(freqs, symbols)
    assert encoder.finish() == payload
    decoder = SymbolDecoder(payload)
    assert np.array_equal(decoder.code(freqs), symbols)
    decoder.finish()
