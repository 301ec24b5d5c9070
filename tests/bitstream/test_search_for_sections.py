"""The search for what is whole of a damaged stream."""

from time import process_time

import pytest

from vqcodec.bitstream import salvage
from vqcodec.bitstream.fields import build_varint
from vqcodec.bitstream.header import AudioFacts, Header, build_header
from vqcodec.bitstream.salvage import Gap, place_segments, salvage_sections
from vqcodec.bitstream.sections import Section, Tag, build_section

FACTS = AudioFacts(num_samples=10**6, sample_rate=16_000, num_channels=1, downmixed=False)
HEADER = build_header(Header(fingerprint=b"abcd", rate=1, facts=FACTS))
SMALL = build_section(Section(Tag.SEGMENT, b"\xf0"), last=False)


def with_costly_gaps(num_gaps, size):
    """A stream with gaps; in each one, 6 places look like sections of `size` bytes."""
    false = bytes([Tag.SEGMENT]) + build_varint(size)
    return HEADER + (b"\xff\xff\xff" + 6 * false + SMALL) * num_gaps + bytes(size + 100)


def test_all_gaps_together_may_cost_no_more_than_one(monkeypatch):
    data = with_costly_gaps(5, 10_000)
    assert sum(isinstance(piece, Section) for piece in salvage_sections(data).pieces) == 5
    monkeypatch.setattr(salvage, "_MOST_CHECKED", 100_000)  # more than a gap, less than two
    pieces = salvage_sections(data).pieces
    assert sum(isinstance(piece, Section) for piece in pieces) == 1
    assert isinstance(pieces[-1], Gap)
    assert pieces[-1].at_end
    sizes = [piece.num_bytes if isinstance(piece, Gap) else len(SMALL) for piece in pieces]
    assert sum(sizes) == len(data) - len(HEADER)


def test_false_sections_that_a_damaged_length_points_at_count_too(monkeypatch):
    # Each damaged section says that it ends where a long one begins, and a whole one lies between.
    damaged = bytes([Tag.ALPHA, len(SMALL)]) + SMALL + bytes(4)
    false = bytes([Tag.ALPHA]) + build_varint(10_000)
    data = HEADER + (damaged + false) * 30 + bytes(10_000)
    monkeypatch.setattr(salvage, "_MOST_CHECKED", 100_000)
    found = sum(isinstance(piece, Section) for piece in salvage_sections(data).pieces)
    assert 1 <= found <= 12


@pytest.mark.parametrize("kind", ["search", "places"])
def test_the_time_is_proportional_to_the_number_of_gaps(kind):
    def duration_s(num_gaps):
        data = HEADER + (SMALL + b"\xff\xff\xff") * num_gaps
        pieces = salvage_sections(data).pieces
        assert len(pieces) == 2 * num_gaps
        durations = []
        for _ in range(3):
            start = process_time()
            if kind == "search":
                salvage_sections(data)
            else:
                place_segments(pieces, 3 * num_gaps)
            durations.append(process_time() - start)
        return min(durations)

    assert duration_s(8 * 300) < 24 * duration_s(300)  # 8 times as long, not 64 times
