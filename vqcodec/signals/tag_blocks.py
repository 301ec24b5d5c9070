"""Blocks of tags before and after the sound in a file: ID3, APE and Lyrics3."""

from __future__ import annotations

import re
from typing import BinaryIO

from vqcodec.signals.sound_tags import FoundTags, parse_ape, parse_id3, parse_id3_v1
from vqcodec.signals.views import read_at

_WINDOW = 1 << 16  # the most bytes at a time
_MOST_TAG_BYTES = 1 << 22  # of a tag that is parsed
_ID3_V1_BYTES, _ENHANCED_BYTES = 128, 227
_HAS_FOOTER = 0x10  # of ID3v2.4: 10 more bytes after the tag
_APE_BYTES = 32  # of a header or footer
_IS_APE_HEADER = 0x20  # otherwise the footer, after the items
_LYRICS = b"LYRICSBEGIN"
_LYRICS_WORD = re.compile(rb"LYRICS(?:BEGIN|200|END)")  # a text may not contain any of them
STARTS = (b"ID3", b"TAG", b"APETAGEX", _LYRICS)

Range = tuple[int, int]  # start and stop in a file


def tag_size(data: bytes, at: int = 0) -> int:
    """Return the size of the tag at a position of `data`; 0 if there is none."""
    if data.startswith(b"ID3", at) and len(data) >= at + 10 and max(data[at + 6 : at + 10]) < 0x80:
        size = data[at + 6] << 21 | data[at + 7] << 14 | data[at + 8] << 7 | data[at + 9]
        return size + (20 if data[at + 5] & _HAS_FOOTER else 10)
    if data.startswith(b"TAG+", at):
        return _ENHANCED_BYTES
    if data.startswith(b"TAG", at):
        return _ID3_V1_BYTES
    if data.startswith(b"APETAGEX", at) and len(data) >= at + _APE_BYTES:
        items = int.from_bytes(data[at + 12 : at + 16], "little")
        return _APE_BYTES + (items if data[at + 23] & _IS_APE_HEADER else 0)
    if data.startswith(_LYRICS, at):
        end = _LYRICS_WORD.search(data, at + len(_LYRICS))
        return end.end() - at if end is not None and end[0] != _LYRICS else 0
    return 0


def is_ape_footer(data: bytes, at: int) -> bool:
    """Return whether an APE footer is at a position: its items come before it."""
    return tag_size(data, at) == _APE_BYTES and data.startswith(b"APETAGEX", at)


def find_tags(file: BinaryIO, position: int, stop: int) -> tuple[list[Range], int]:
    """Return the tags from a position on, and the position after them and after zeros."""
    found: list[Range] = []
    wanted = _APE_BYTES  # more only for what is longer, so that many small tags are read once
    while position < stop:
        data = read_at(file, position, min(wanted, stop - position))
        zeros = len(data) - len(data.lstrip(b"\0"))
        size = 0 if zeros else min(tag_size(data), stop - position)
        if size:
            found.append((position, position + size))
        elif not zeros and not (data.startswith(_LYRICS) and len(data) == wanted < _WINDOW):
            break
        is_longer = zeros == len(data) or not (zeros or size)
        wanted = min(2 * wanted, _WINDOW) if is_longer else _APE_BYTES
        position += zeros + size
    return found, position


def read_tags(file: BinaryIO, ranges: list[Range]) -> FoundTags:
    """Return what the tags at some ranges of a file hold."""
    found, short = FoundTags(), FoundTags()
    for start, stop in ranges:
        data = read_at(file, start, min(stop - start, _MOST_TAG_BYTES))
        if data.startswith(b"ID3"):
            found.merge(parse_id3(data))
        elif data.startswith(b"TAG"):
            short.merge(parse_id3_v1(data))
        elif data.startswith(_LYRICS):
            found.leave_out("lyrics")
        else:
            found.merge(parse_ape(data))
    found.merge_missing(short)
    return found
