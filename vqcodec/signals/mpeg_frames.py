"""MPEG audio (MP3, MP2, MP1) -> the positions of all its frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

from vqcodec.signals.tag_blocks import STARTS, Range, is_ape_footer, tag_size
from vqcodec.signals.views import read_at

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_BIT_RATES = {  # kbit/s by (MPEG-1 or not, layer), numbers 1 … 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MONO = 3  # a channel mode
_WINDOW = 1 << 20  # bytes at a time
_LONGEST = 8192  # bytes in a frame and the headers that confirm it; a frame has at most 2881
_DECODER_DELAY = 529  # samples; all players assume it
_MOST_JUNK = 1 << 18  # bytes before the first frame
_CONFIRMED_BY = 2  # headers that must follow a frame after a gap
_TAG_START = re.compile(b"|".join(STARTS))
_FRAME_OR_TAG = re.compile(b"|".join((b"\xff", *STARTS)))


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """The properties that all frames of one stream share."""

    version: int  # as coded: 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5
    layer: int
    sample_rate: int
    num_channels: int

    @property
    def num_samples(self) -> int:
        """Samples of each channel in a frame."""
        if self.layer == 1:
            return 384
        return 1152 if self.layer == 2 or self.version == 3 else 576

    @property
    def tag_offset(self) -> int:
        """The position of "Xing" or "Info" in a frame."""
        if self.version == 3:
            return 21 if self.num_channels == 1 else 36
        return 13 if self.num_channels == 1 else 21


@dataclass(frozen=True, slots=True)
class LengthTag:
    """The length from a Xing, Info or VBRI frame, for the frames after it."""

    num_frames: int | None = None
    delay: int | None = None  # samples that the encoder put before the sound
    padding: int = 0  # samples that the encoder put after it


@dataclass(slots=True)
class MpegStream:
    """Frames of one format that form one sound."""

    format: FrameFormat
    tag: LengthTag | None
    ranges: list[tuple[int, int]] = field(default_factory=list)  # bytes that hold only frames
    num_frames: int = 0

    def add(self, start: int, stop: int) -> None:
        """Add one frame."""
        if self.ranges and self.ranges[-1][1] == start:
            self.ranges[-1] = (self.ranges[-1][0], stop)
        else:
            self.ranges.append((start, stop))
        self.num_frames += 1

    @property
    def sound(self) -> range:
        """The range of decoded samples, without the encoder's delay and padding."""
        total = self.num_frames * self.format.num_samples
        if self.tag is None or self.tag.delay is None:
            return range(total)
        first = self.tag.delay + _DECODER_DELAY
        stop = total
        if self.tag.num_frames in (None, self.num_frames):
            stop -= max(0, self.tag.padding - _DECODER_DELAY)
        return range(first, stop) if first < stop else range(total)


@dataclass(slots=True)
class MpegScan:
    """The content of a file of MPEG audio.

    Attributes:
        streams: in order; a length tag or another format begins a new stream.
        leading: bytes before the first frame that are neither frames, tags nor zeros.
        skipped: such bytes between frames.
        trailing: such bytes after the last frame.
        tags: the positions of ID3, APE and Lyrics3 tags.
        cut: whether the last frame is not complete.
    """

    streams: list[MpegStream] = field(default_factory=list)
    leading: int = 0
    skipped: int = 0
    trailing: int = 0
    cut: bool = False
    tags: list[Range] = field(default_factory=list)


def parse_frame_header(data: bytes, at: int = 0) -> tuple[FrameFormat, int] | None:
    """Return the format and the size in bytes of a frame; None if no frame begins there."""
    if len(data) < at + 4 or data[at] != 0xFF:
        return None
    return _frames().get(data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3] & 0xC0)


@cache
def _frames() -> dict[int, tuple[FrameFormat, int]]:
    """Return all valid frame headers: there are few, and a table is fast."""
    formats = {
        (version, layer, rate, channels): FrameFormat(version, layer, rate, channels)
        for version, rates in _RATES.items()
        for layer in (1, 2, 3)
        for rate in rates
        for channels in (1, 2)
    }
    table = {}
    for version, rates in _RATES.items():
        for layer in (1, 2, 3):
            for rate_number, rate in enumerate(rates):
                for bits_number, kbits in enumerate(_BIT_RATES[version == 3, layer], 1):
                    for padding in (0, 1):
                        size = _frame_size(version, layer, rate, kbits, padding)
                        for low in range(8):  # the protection bit, and the private bit
                            second = 0xE0 | version << 3 | (4 - layer) << 1 | low & 1
                            third = bits_number << 4 | rate_number << 2 | padding << 1 | low >> 2
                            for mode in range(4):
                                format = formats[version, layer, rate, 1 if mode == _MONO else 2]
                                table[second << 16 | third << 8 | mode << 6] = (format, size)
    return table


def _frame_size(version: int, layer: int, rate: int, kbits: int, padding: int) -> int:
    if layer == 1:
        return (12_000 * kbits // rate + padding) * 4
    slots = 144_000 if layer == 2 or version == 3 else 72_000
    return slots * kbits // rate + padding


class _Scanner:
    """Scans the bytes start … stop of a file once, in windows."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file, self._stop = file, stop
        self._data, self._base = b"", start  # of the window
        self.result = MpegScan()
        self._format: FrameFormat | None = None  # of the frame before
        self._gap = 0  # unknown bytes since the last frame
        self._latest = start  # position of the last frame

    def run(self, position: int) -> MpegScan:
        """Return all frames from a position to the end."""
        while position < self._stop and (self.result.streams or self._gap < _MOST_JUNK):
            position = self._step(position)
        self.result.trailing = self._gap if self.result.streams else 0
        return self.result

    def _step(self, position: int) -> int:
        """Process the frame or other bytes at a position, and return the position after them."""
        self._load(position)
        at = position - self._base
        found = parse_frame_header(self._data, at)
        if found is not None:
            format, size = found
            if position + size > self._stop:
                if format == self._format:
                    self.result.cut = True
                    return self._stop
            elif (format == self._format and not self._gap) or self._is_confirmed(at, found):
                self._take(position, format, size)
                return position + size
        return position + self._pass_over(at)

    def _load(self, position: int) -> None:
        """Load a frame and the headers that confirm it into the window."""
        missing = position + _LONGEST > self._base + len(self._data)
        if (missing and self._base + len(self._data) < self._stop) or position < self._base:
            size = min(_WINDOW, self._stop - position)
            self._data, self._base = read_at(self._file, position, size), position
            if len(self._data) < size:
                self._stop = position + len(self._data)

    def _is_confirmed(self, at: int, found: tuple[FrameFormat, int]) -> bool:
        """Return whether frames of the same format follow, or the end of the file."""
        format, size = found
        for _ in range(_CONFIRMED_BY):
            at += size
            if self._base + at >= self._stop or _TAG_START.match(self._data, at):
                return self._base + at <= self._stop
            following = parse_frame_header(self._data, at)
            if following is None or following[0] != format:
                return False
            size = following[1]
        return True

    def _take(self, position: int, format: FrameFormat, size: int) -> None:
        streams = self.result.streams
        if streams:
            self.result.skipped += self._gap
        else:
            self.result.leading = self._gap
        self._gap, self._latest = 0, position
        at = position - self._base
        tag = parse_length_tag(self._data[at : at + size], format)
        if tag is not None or format != self._format:
            streams.append(MpegStream(format, tag))
            self._format = format
        if tag is None:
            streams[-1].add(position, position + size)

    def _pass_over(self, at: int) -> int:
        """Return the number of bytes without a frame; bytes outside tags count as a gap."""
        size, start = tag_size(self._data, at), self._base + at
        if size and (self.result.streams or start + size < self._stop):
            items = 0
            if is_ape_footer(self._data, at):
                items = max(0, int.from_bytes(self._data[at + 12 : at + 16], "little") - size)
            self._add_tag(start - items, start, start + size)
            return size
        following = _FRAME_OR_TAG.search(self._data, at + 1)
        stop = following.start() if following else max(at + 1, len(self._data) - 8)
        self._gap += len(self._data[at:stop].strip(b"\0"))
        return stop - at

    def _add_tag(self, items: int, start: int, stop: int) -> None:
        """Add a tag whose items begin before it; tags do not overlap, so that each is read once."""
        tags = self.result.tags
        if items < self._latest:  # a footer with a wrong size
            items = start
        self._gap = max(0, self._gap - (start - items))
        while tags and tags[-1][0] >= items:  # what looks like a tag within the items
            tags.pop()
        tags.append((max(items, tags[-1][1] if tags else 0), stop))


def parse_length_tag(frame: bytes, format: FrameFormat) -> LengthTag | None:
    """Return the length tag in a frame; None for a frame of sound."""
    if frame[36:40] == b"VBRI":
        return LengthTag(int.from_bytes(frame[50:54], "big") or None)
    at = format.tag_offset
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    at += 8
    num_frames = int.from_bytes(frame[at : at + 4], "big") if flags & 1 else None
    at += 4 * bool(flags & 1) + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    if len(frame) < at + 24 or not frame[at : at + 4].isalnum():
        return LengthTag(num_frames)
    both = int.from_bytes(frame[at + 21 : at + 24], "big")
    return LengthTag(num_frames, delay=both >> 12, padding=both & 0xFFF)


def scan_frames(file: BinaryIO, start: int, stop: int) -> MpegScan:
    """Return the frames between two positions; there may be none.

    Every header is read and nothing is decoded: an hour takes half a second.
    """
    scan = _Scanner(file, start, stop).run(start)
    scan.streams = [stream for stream in scan.streams if stream.num_frames]
    return scan


def frames_of(data: BinaryIO) -> Iterator[bytes]:
    """Yield the frames of a file that holds nothing but frames."""
    while (found := parse_frame_header(header := data.read(4))) is not None:
        yield header + data.read(found[1] - 4)
