"""The true length of a FLAC file, from its last frame: the header may be wrong (RFC 9639)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from vqcodec.errors import InputError
from vqcodec.signals.sound_tags import FoundTags, parse_comments
from vqcodec.signals.tag_blocks import STARTS, find_tags, read_tags
from vqcodec.signals.views import Part, length_of, read_at

_STREAMINFO_BYTES = 34
_FIRST_TAIL = 1 << 16  # bytes
_LARGEST_TAIL = 1 << 24
_BLOCK_SIZES = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}}
_BLOCK_SIZES |= {n: 256 << (n - 8) for n in range(8, 16)}
_COMMENTS, _PICTURE = 4, 6  # kinds of metadata blocks
_HEADER_BYTES = 16  # at most
_FILE_START = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # with STREAMINFO, which comes first
_LONGEST_START = 8
_PIECE = 1 << 20


def _crc_table(bits: int, polynomial: int) -> list[int]:
    table = []
    for value in range(256):
        crc = value << (bits - 8)
        for _ in range(8):
            crc = crc << 1 ^ (polynomial if crc >> (bits - 1) else 0)
            crc &= (1 << bits) - 1
        table.append(crc)
    return table


_CRC8, _CRC16 = _crc_table(8, 0x07), _crc_table(16, 0x8005)


@dataclass(frozen=True, slots=True)
class FlacFacts:
    """The facts of a FLAC file.

    Attributes:
        parts: the file with a corrected header, for `FileView`.
        num_samples: number of samples in the frames.
        claimed: number of samples in the header; None if the header leaves it unknown.
        trailing: bytes after the last frame, without tags.
        is_cut: whether these bytes begin with a frame, which is not complete.
        bits: of a sample.
        md5: of all samples; None if it is not set, or if samples are missing.
        tags: its comments and pictures.
    """

    parts: list[Part]
    num_samples: int
    claimed: int | None
    trailing: int
    is_cut: bool
    bits: int
    md5: bytes | None
    tags: FoundTags


@dataclass(frozen=True, slots=True)
class _Frame:
    start: int  # in the file
    first: int  # number of its first sample
    size: int  # samples


def read_flac_facts(file: BinaryIO, start: int) -> FlacFacts:
    """Return the facts of a FLAC file whose marker "fLaC" is at `start`.

    Raises:
        InputError: it has no STREAMINFO, or it claims samples but has no complete frame.
    """
    length = length_of(file)
    info, audio, tags = _read_metadata(file, start)
    packed = int.from_bytes(info[10:18], "big")
    claimed = packed & ((1 << 36) - 1)
    bits = (packed >> 36 & 31) + 1
    nominal = int.from_bytes(info[2:4], "big")
    first = _first_frame(read_at(file, audio, _HEADER_BYTES), audio, nominal)
    stop, num_samples = audio, 0
    if first is not None:
        claimed_stop = first.first + claimed if claimed else None
        found = _last_frame(file, audio, length, nominal, claimed_stop)
        if found is not None:
            last, stop = found
            num_samples = last.first + last.size - first.first
    if num_samples <= 0 and (claimed or length > audio):
        raise InputError("cannot be read as a sound: no complete FLAC frame")
    patched = packed >> 36 << 36 | num_samples
    complete = num_samples == claimed
    md5 = info[18:34] if complete and any(info[18:34]) else None
    tags.merge_missing(read_tags(file, find_tags(file, stop, length)[0]))
    header = b"fLaC\x80\0\0\x22" + info[:10] + patched.to_bytes(8, "big") + info[18:34]
    return FlacFacts(
        parts=[header, (audio, stop)],
        num_samples=num_samples,
        claimed=claimed or None,
        trailing=_without_tags(file, stop, length),
        is_cut=_first_frame(read_at(file, stop, _HEADER_BYTES), stop, nominal) is not None,
        bits=bits,
        md5=md5,
        tags=tags,
    )


def find_flac_files(file: BinaryIO, start: int) -> list[int]:
    """Return where FLAC files begin that were joined to one, the first at `start`."""
    found, length, position = [start], length_of(file), start + 4
    while position < length:
        data = read_at(file, position, _PIECE + _LONGEST_START)
        found += [position + match.start() for match in _FILE_START.finditer(data)]
        position += max(1, len(data) - _LONGEST_START + 1)
    return list(dict.fromkeys(found))


def _read_metadata(file: BinaryIO, start: int) -> tuple[bytes, int, FoundTags]:
    """Return STREAMINFO, the position of the first frame, and the tags."""
    position, info, is_last = start + 4, b"", False
    tags = FoundTags()
    while not is_last:
        block = read_at(file, position, 4)
        if len(block) < 4:
            raise InputError("cannot be read as a sound: ends within its header")
        is_last, kind = bool(block[0] & 0x80), block[0] & 0x7F
        size = int.from_bytes(block[1:], "big")
        if kind == 0 and not info:
            info = read_at(file, position + 4, _STREAMINFO_BYTES)
        elif kind == _COMMENTS:
            tags.merge(parse_comments(read_at(file, position + 4, size)))
        elif kind == _PICTURE:
            tags.leave_out("picture")
        position += 4 + size
    if len(info) < _STREAMINFO_BYTES:
        raise InputError("cannot be read as a sound: no FLAC header")
    return info, position, tags


def _first_frame(data: bytes, start: int, nominal: int) -> _Frame | None:
    """Return the frame if its header begins `data`; `nominal` is the size of a fixed block."""
    if len(data) < 6 or data[0] != 0xFF or data[1] not in (0xF8, 0xF9) or data[3] & 1:
        return None
    code, rate = data[2] >> 4, data[2] & 15
    number, at = _coded_number(data, 4)
    if number is None or code == 0 or rate == 15 or data[3] >> 4 > 10:
        return None
    if code in (6, 7):
        extra = code - 5
        size = int.from_bytes(data[at : at + extra], "big") + 1
        at += extra
    else:
        size = _BLOCK_SIZES[code]
    at += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    crc = 0
    for byte in data[:at]:
        crc = _CRC8[crc ^ byte]
    if at >= len(data) or crc != data[at]:
        return None
    is_fixed = data[1] == 0xF8
    return _Frame(start, number * nominal if is_fixed else number, size)


def _coded_number(data: bytes, at: int) -> tuple[int | None, int]:
    """Return a number that is coded like UTF-8, up to 36 bits, and the position after it."""
    lead = data[at]
    if lead < 0x80:
        return lead, at + 1
    more = 8 - (lead ^ 0xFF).bit_length() - 1
    if not 1 <= more <= 6 or len(data) < at + 1 + more:
        return None, at
    number = lead & (0x3F >> more)
    for byte in data[at + 1 : at + 1 + more]:
        if byte & 0xC0 != 0x80:
            return None, at
        number = number << 6 | byte & 0x3F
    return number, at + 1 + more


def _last_frame(
    file: BinaryIO, audio: int, length: int, nominal: int, claimed_stop: int | None
) -> tuple[_Frame, int] | None:
    """Return the last complete frame, and the position after it.

    A frame does not store its length, and a CRC-16 matches by chance once in 65,536 bytes. A match
    counts only at the end of the data, before a tag, or at the claimed number of samples.
    """
    size = _FIRST_TAIL
    while True:
        base = max(audio, length - size)
        data = read_at(file, base, length - base)
        stop, end = len(data), len(data)
        while stop > 0 and (at := data.rfind(b"\xff", 0, stop)) >= 0:
            frame = _first_frame(data[at : at + _HEADER_BYTES], base + at, nominal)
            if frame is not None:
                frame_stop = _end_of_frame(data, at, end)
                if frame_stop is not None and (
                    frame_stop == end
                    or frame.first + frame.size == claimed_stop
                    or _is_tag(data[frame_stop:end])
                ):
                    return frame, base + frame_stop
                end = at  # incomplete or no frame: the frame before ends here
            stop = at
        if base == audio or size >= _LARGEST_TAIL:
            return None
        size *= 8


def _end_of_frame(data: bytes, at: int, limit: int) -> int | None:
    """Return the end of a frame: the last position where its CRC-16 is zero."""
    crc, end = 0, None
    for position in range(at, limit):
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ data[position]]
        if crc == 0 and position > at + _HEADER_BYTES // 2:
            end = position + 1
    return end


def _without_tags(file: BinaryIO, stop: int, length: int) -> int:
    """Return the number of bytes after the last frame, and after tags and zeros."""
    return length - find_tags(file, stop, length)[1]


def _is_tag(data: bytes) -> bool:
    return not data.strip(b"\0") or data.startswith(STARTS)
