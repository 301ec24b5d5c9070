"""Pages of Ogg (RFC 3533): parsed, and written with other positions."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

HEADER_BYTES = 27
FIRST, LAST = 2, 4  # flags of a page
NO_GRANULE = (1 << 64) - 1  # no packet ends on the page
MOST_SAMPLES = 5760  # of a packet: 120 ms of Opus at 48 kHz; Vorbis has at most 4096
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """The header of a page, and where the page is."""

    start: int
    stop: int
    flags: int
    granule: int
    serial: int
    sequence: int
    num_packets: int  # that end on the page


def parse_page(data: bytes, start: int) -> Page | None:
    """Return the page with this header, which begins at `start` in its file; None if it is none."""
    if len(data) < HEADER_BYTES or not data.startswith(b"OggS\0"):
        return None
    lengths = data[HEADER_BYTES : HEADER_BYTES + data[26]]
    if len(lengths) < data[26]:
        return None
    return Page(
        start=start,
        stop=start + HEADER_BYTES + len(lengths) + sum(lengths),
        flags=data[5],
        granule=int.from_bytes(data[6:14], "little"),
        serial=int.from_bytes(data[14:18], "little"),
        sequence=int.from_bytes(data[18:22], "little"),
        num_packets=sum(length < 255 for length in lengths),
    )


def with_granule(page: bytearray, granule: int) -> bytes:
    """Return a page with another position, and a valid checksum."""
    page[6:14] = granule.to_bytes(8, "little")
    page[22:26] = bytes(4)
    page[22:26] = page_checksum(bytes(page)).to_bytes(4, "little")
    return bytes(page)


def page_checksum(page: bytes) -> int:
    """Return the CRC-32 of a page whose checksum is zeroed: zlib's with all bits in reverse."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def opus_samples(page: bytes) -> int:
    """Return how many samples at 48 kHz the packets on a page hold (RFC 6716, section 3.1)."""
    lengths = page[HEADER_BYTES : HEADER_BYTES + page[26]]
    position, start, total = HEADER_BYTES + len(lengths), None, 0
    for length in lengths:
        start = position if start is None else start
        position += length
        if length < 255:
            total += _opus_packet_samples(page[start:position])
            start = None
    return total


def _opus_packet_samples(packet: bytes) -> int:
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    count = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[code]
    return min(frame * count, MOST_SAMPLES)
