"""Files that are made to be slow are read in time and memory in proportion to their size."""

import io
import time
import tracemalloc

import pytest
from input_files import mp3_frames, mp3_without_tag

from vqcodec.bitstream.limits import MAX_NUM_TAGS
from vqcodec.bitstream.tags import build_tags, parse_tags
from vqcodec.errors import CorruptStreamError, UsageError
from vqcodec.notes import NoteCode
from vqcodec.signals import chunk_lengths, mpeg_sound
from vqcodec.signals.chunk_lengths import read_chunked_sound
from vqcodec.signals.mpeg_frames import FrameFormat, MpegScan, MpegStream, scan_frames
from vqcodec.signals.sound_tags import FoundTags, build_id3, joined, parse_id3
from vqcodec.signals.tag_blocks import find_tags, read_tags, tag_size


class CountingFile(io.BytesIO):
    """Counts the bytes that are read."""

    num_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.num_read += len(data)
        return data


def ape_footer(claimed):
    size = claimed.to_bytes(4, "little")
    return b"APETAGEX" + (1000).to_bytes(4, "little") + size + bytes(16)


def test_lyrics_without_an_end_are_searched_once():
    frames = b"".join(mp3_frames(mp3_without_tag())[:5])
    data = frames + b"LYRICSBEGIN" * 50_000
    start = time.process_time()
    scan = scan_frames(io.BytesIO(data), 0, len(data))
    assert time.process_time() - start < 5  # a search of all that follows each takes a minute
    assert scan.trailing == 11 * 50_000


@pytest.mark.parametrize("end", [b"LYRICSEND", b"LYRICS200"])
def test_lyrics_end_at_the_first_mark_and_before_the_next_ones(end):
    lyrics = b"LYRICSBEGIN words " + end
    assert tag_size(b"xy" + lyrics + b"LYRICS200", 2) == len(lyrics)
    assert tag_size(b"LYRICSBEGIN" + lyrics) == 0
    long = b"LYRICSBEGIN" + b"la " * 10_000 + end
    data = lyrics + long + bytes(70_000) + lyrics + b"LYRICSBEGIN and no end"
    found, stop = find_tags(io.BytesIO(data), 0, len(data))
    at = len(lyrics) + len(long)
    last = at + 70_000
    expected = [(0, len(lyrics)), (len(lyrics), at), (last, last + len(lyrics))]
    assert (found, stop) == (expected, last + len(lyrics))


@pytest.mark.parametrize(
    "tag", [b"TAG".ljust(128, b"x"), ape_footer(32), b"LYRICSBEGINLYRICSEND", b"\0ID3\4" + bytes(6)]
)
def test_many_small_tags_are_read_once(tag):
    file = CountingFile(tag * 2000)
    found, stop = find_tags(file, 0, len(tag) * 2000)
    assert (len(found), stop) == (2000, len(tag) * 2000)
    assert file.num_read < 10 * stop


def test_ape_footers_that_claim_what_came_before_are_read_once():
    frames = b"".join(mp3_frames(mp3_without_tag())[:5])
    data = frames + b"".join(ape_footer(32 + 32 * n) for n in range(3000))
    scan = scan_frames(io.BytesIO(data), 0, len(data))
    file = CountingFile(data)
    read_tags(file, scan.tags)
    assert file.num_read <= len(data)
    assert all(one[1] <= other[0] for one, other in zip(scan.tags, scan.tags[1:], strict=False))


def test_an_ape_footer_with_a_wrong_size_takes_no_frames():
    frames = b"".join(mp3_frames(mp3_without_tag())[:5])
    data = b"TAG".ljust(128, b"x") + frames + ape_footer(1 << 31)
    scan = scan_frames(io.BytesIO(data), 0, len(data))
    assert scan.tags == [(0, 128), (len(data) - 32, len(data))]
    assert scan.streams[0].num_frames == 5


def caf_with_packets(table):
    def box(name, content):
        return name + len(content).to_bytes(8, "big") + content

    desc = bytes(8) + b"alac" + bytes(20)
    boxes = (box(b"desc", desc), box(b"pakt", bytes(24) + table), box(b"data", bytes(8)))
    return b"caff\0\1\0\0" + b"".join(boxes)


def test_a_large_table_of_packets_takes_little_more_memory_than_its_size():
    data = caf_with_packets(b"\1" * 500_000)
    tracemalloc.start()
    try:
        assert read_chunked_sound(io.BytesIO(data), 0) is not None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(data)


@pytest.mark.parametrize(
    ("table", "is_valid"),
    [
        (b"\1", True),
        (b"\x81\x82\x83\x84\1\x7f", True),
        (b"\1\0\xff anything", True),
        (b"\x80\0", True),
        (b"\0", True),
        (b"\xff", False),
        (b"\1\xff\xff", False),
        (b"\xff" * 5 + b"\1", False),
        (b"\1" + b"\xff" * 5 + b"\0", False),
    ],
)
def test_sizes_of_packets_have_at_most_five_bytes_and_end_at_a_zero(table, is_valid):
    assert bool(chunk_lengths._SIZES.fullmatch(table)) == is_valid


def test_many_equal_tags_are_compared_with_none_of_the_others():
    class Value(str):
        num_compared = 0

        def __eq__(self, other):
            Value.num_compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

        def strip(self, *_):
            return self

    found = FoundTags()
    for _ in range(3):
        for number in range(500):
            found.add("ARTIST", Value(number))
    assert len(found.values) == 500
    assert Value.num_compared < 5000


def test_names_of_what_is_left_out_are_kept_for_a_note_only():
    frame = b"\3" + b"\0".join(b"%d" % number for number in range(50_000))
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    found = parse_id3(b"ID3\4\0\0" + bytes(4) + b"TPE1" + size + b"\0\0" + frame)
    assert len(found.values) == 1000
    assert found.others == ["artist"]
    found.merge(FoundTags(others=[f"x{n}" for n in range(100)]))
    assert len(found.others) == 20


def test_several_values_are_joined_in_order():
    assert joined([("A", "1"), ("B", "2"), ("A", "3"), ("A", "")]) == {"A": "1; 3; ", "B": "2"}


def test_many_tags_are_put_together_once():
    tags = [("COMMENT", f"{number:0200}") for number in range(20_000)]
    start = time.process_time()
    assert len(build_id3(tags)) == 10 + 20_000 * (10 + 5 + 200)
    assert len(joined(tags)["COMMENT"]) == 20_000 * 202 - 2
    assert time.process_time() - start < 3  # copying what is there for each takes a minute


def test_many_streams_of_another_format_are_each_noted_once():
    formats = [FrameFormat(3, 3, rate, 2) for rate in (44_100, 48_000)]
    streams = [MpegStream(formats[number % 2], None) for number in range(12_000)]
    read = streams[::2]
    start = time.process_time()
    notes = mpeg_sound._notes_of(MpegScan(streams), read)
    assert time.process_time() - start < 1  # comparing each with all takes 10 s
    assert [note.code for note in notes] == [NoteCode.STREAM_LEFT_OUT] * 6000


def test_a_stream_has_a_bounded_number_of_tags():
    most = [("A", "")] * MAX_NUM_TAGS
    body = build_tags(most)
    assert len(parse_tags(body)) == MAX_NUM_TAGS
    with pytest.raises(UsageError, match="65537 tags"):
        build_tags([*most, ("A", "")])
    with pytest.raises(CorruptStreamError, match="65536"):
        parse_tags(body + b"\2A=")
