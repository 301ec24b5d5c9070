"""Facts of a picture file that Pillow does not report: checksums, cut ends, colour, depth."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from vqcodec.signals.views import length_of, read_at

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # not stuffing, not a restart
_MOST_COLOUR_BYTES = 1 << 16  # in which AVIF and HEIC have their "colr" box
_PIECE = 1 << 20
_GIF_HEADER_BYTES = 13
_MOST_PNM_HEADER = 4096
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(
    rb"P(?:(?P<kind>4)|(?P<kind2>[56]))" + _GAP + rb"(?P<width>\d{1,9})" + _GAP
    + rb"(?P<height>\d{1,9})(?(kind)|" + _GAP + rb"(?P<most>\d{1,5}))\s"
)  # fmt: skip
_PLAIN_PNM = re.compile(
    rb"P[23]" + _GAP + rb"\d{1,9}" + _GAP + rb"\d{1,9}" + _GAP + rb"(?P<most>\d{1,5})\s"
)
_BOXES = {
    b"meta",
    b"mdat",
    b"moov",
    b"free",
    b"skip",
    b"uuid",
    b"jp2c",
    b"xml ",
    b"moof",
    b"mfra",
}  # may come last
_CODESTREAM = b"\xff\x4f\xff\x51"  # how the data of a JPEG 2000 picture begin
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MOST_PACKED = 1032  # bytes that one byte of zlib data can expand to


@dataclass(frozen=True, slots=True)
class Cicp:
    """Coding-independent code points of colour (ITU-T H.273)."""

    primaries: int
    transfer: int
    full_range: bool = True  # otherwise 16 … 235 of 255 are black and white


@dataclass(slots=True)
class PictureStructure:
    """The facts of a file besides its pixels.

    Attributes:
        damage: its description; None if the file is intact.
        trailing: bytes after the picture that are not all zero.
        cicp: colour as code points.
        gamma: of a PNG: the exponent from light to values, as 1 / 2.2.
        chromaticities: of a PNG: x and y of white, red, green and blue.
        is_srgb: whether a PNG says that it is sRGB.
        depth: bits of a channel, of a PNG, an AVIF, a PPM, a JPEG 2000 or an SGI picture.
        is_png: whether the file is a PNG.
        raw_bytes: of a PNG's pixels.
        has_profile: whether a PNG has a colour profile, though it may be damaged.
        ends_early: whether a GIF ends before its end mark, perhaps after a whole frame.
    """

    damage: str | None = None
    trailing: int = 0
    cicp: Cicp | None = None
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    is_srgb: bool = False
    depth: int | None = None
    is_png: bool = False
    raw_bytes: int = 0
    has_profile: bool = False
    ends_early: bool = False


def read_structure(file: BinaryIO) -> PictureStructure:
    """Return the facts of a PNG, JPEG, GIF, WebP, PNM, AVIF or HEIC; the position is moved."""
    start = read_at(file, 0, 16)
    if start.startswith(_PNG):
        return _read_png(file)
    if start.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(file)
    if start.startswith(b"GIF8"):
        return _read_gif(file)
    structure = PictureStructure()
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        size = 8 + int.from_bytes(start[4:8], "little")
        structure.trailing = trailing_bytes(file, size + size % 2, length_of(file))
    elif start[:1] == b"P":
        _read_pnm(structure, file)
    elif start[:2] == b"BM":
        structure.trailing = trailing_bytes(file, _end_of_bmp(file), length_of(file))
    elif start[:2] == b"\x01\xda":  # SGI: the third byte but one says how many bytes a channel has
        structure.depth = 8 * start[3]
    if start[4:8] in (b"ftyp", b"jP  "):
        data = read_at(file, 0, _MOST_COLOUR_BYTES)
        structure.cicp, structure.depth = _read_colour_box(data), _read_depth(data)
        structure.trailing = trailing_bytes(file, end_of_boxes(file), length_of(file))
    elif start.startswith(_CODESTREAM):
        structure.depth = _read_depth(read_at(file, 0, _MOST_COLOUR_BYTES))
    return structure


def _read_png(file: BinaryIO) -> PictureStructure:
    """Check every chunk of a PNG: Pillow does not verify the checksums of pixels."""
    structure = PictureStructure()
    position, length, packed = len(_PNG), length_of(file), 0
    while position + 12 <= length:
        head = read_at(file, position, 8)
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        stop = position + 12 + size
        if stop > length:
            break
        crc, content = zlib.crc32(name), b""
        for at in range(position + 8, stop - 4, _PIECE):
            piece = read_at(file, at, min(_PIECE, stop - 4 - at))
            content = content or piece
            crc = zlib.crc32(piece, crc)
        if crc != int.from_bytes(read_at(file, stop - 4, 4), "big"):
            word = name.decode("ascii", "replace")
            structure.damage = (
                f"the checksum of its {word if word.isalpha() else '?'} chunk is wrong"
            )
            return structure
        _take_png_chunk(structure, name, content)
        position = stop
        packed += size * (name == b"IDAT")
        if name == b"IEND":
            if packed * _MOST_PACKED + _MOST_PACKED < structure.raw_bytes:
                structure.damage = f"{packed} bytes cannot hold the pixels that it claims"
            structure.trailing = trailing_bytes(file, position, length)
            return structure
    structure.damage = "it ends before its last chunk"
    return structure


def _take_png_chunk(structure: PictureStructure, name: bytes, content: bytes) -> None:
    if name == b"IHDR" and len(content) == 13:
        structure.depth, structure.is_png = content[8], True
        width, height = struct.unpack(">II", content[:8])
        bits = content[8] * _PNG_CHANNELS.get(content[9], 1)
        structure.raw_bytes = (width * bits + 7) // 8 * height
    elif name == b"gAMA" and len(content) == 4:
        structure.gamma = int.from_bytes(content, "big") / 100_000 or None
    elif name == b"cHRM" and len(content) == 32:
        values = struct.unpack(">8I", content)
        structure.chromaticities = tuple(value / 100_000 for value in values)
    elif name == b"iCCP":
        structure.has_profile = True
    elif name == b"sRGB":
        structure.is_srgb = True
    elif name == b"cICP" and len(content) == 4:
        structure.cicp = Cicp(content[0], content[1], bool(content[3]))


def _read_jpeg(file: BinaryIO) -> PictureStructure:
    """Read all markers up to the end of the picture: Pillow fills missing pixels silently."""
    structure = PictureStructure()
    position, length = 2, length_of(file)
    data, base = b"", 0  # a buffer, so that each marker does not need a read
    while position < length:
        if not base <= position <= base + len(data) - 4:
            data, base = read_at(file, position, _PIECE), position
        match = _JPEG_MARKER.search(data, position - base)
        if match is None or match.end() + 2 > len(data) < length - base:
            # The buffer may end within a marker or its size.
            position = base + (match.start() if match else max(position - base + 1, len(data) - 1))
            data, base = read_at(file, position, _PIECE), position
            if match is None and len(data) < 2:
                break
            continue
        position = base + match.end()
        marker = match[0][1]
        if marker == 0xD9:
            structure.trailing = trailing_bytes(file, position, length)
            return structure
        if marker not in (0x01, 0xD8):  # these two have no content
            size = data[match.end() : match.end() + 2]
            position += max(2, int.from_bytes(size, "big"))
    structure.damage = "it ends before its end mark"
    return structure


def _read_gif(file: BinaryIO) -> PictureStructure:
    """Read all blocks up to the end mark: Pillow does not miss it."""
    structure, length = PictureStructure(), length_of(file)
    head = read_at(file, 0, _GIF_HEADER_BYTES)
    position = _GIF_HEADER_BYTES + _gif_table_bytes(head[10:11])
    while position < length:
        kind = read_at(file, position, 1)
        if kind == b";":
            structure.trailing = trailing_bytes(file, position + 1, length)
            return structure
        if kind == b",":
            position += 11 + _gif_table_bytes(read_at(file, position + 9, 1))
        elif kind == b"!":
            position += 2
        else:
            break
        while size := int.from_bytes(read_at(file, position, 1), "big"):
            position += 1 + size
        position += 1
    structure.ends_early = True
    return structure


def _gif_table_bytes(flags: bytes) -> int:
    """Return the size of the table of colours that a flag byte announces."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _read_pnm(structure: PictureStructure, file: BinaryIO) -> None:
    """Take the depth of a PBM, PGM or PPM, and the end of the first binary one."""
    start = read_at(file, 0, _MOST_PNM_HEADER)
    plain = _PLAIN_PNM.match(start)
    if plain is not None and int(plain["most"]) > 255:
        structure.depth = 16
    match = _PNM.match(start)
    if match is None:
        return
    if not match["kind"] and int(match["most"]) > 255:
        structure.depth = 16
    structure.trailing = trailing_bytes(file, _end_of_pnm(match), length_of(file))


def _end_of_bmp(file: BinaryIO) -> int:
    """Return the end of a BMP: its header's size, unless that is impossible."""
    size, length = int.from_bytes(read_at(file, 2, 4), "little"), length_of(file)
    offset = int.from_bytes(read_at(file, 10, 4), "little")
    return size if offset < size <= length else length


def end_of_boxes(file: BinaryIO) -> int:
    """Return the end of a picture in boxes (ISO/IEC 14496-12): before the next file, or other data.

    A second file that was appended begins with the same kind of box as the first.
    """
    length = length_of(file)
    first, position = read_at(file, 4, 4), 0
    while position < length:
        head = read_at(file, position, 16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        is_box = len(head) >= 8 and all(0x20 <= byte < 0x7F for byte in name)
        if not is_box or (position and name == first):
            return position
        if size == 0 or position + size > length:
            return length if name in _BOXES or not position else position
        if size < 8:
            return position
        position += size
    return length


def _end_of_pnm(match: re.Match[bytes]) -> int:
    """Return the end of the first binary PBM, PGM or PPM of a file, which can hold several."""
    width, height = int(match["width"]), int(match["height"])
    if match["kind"]:
        return match.end() + (width + 7) // 8 * height
    size = (1 if match["kind2"] == b"5" else 3) * (1 if int(match["most"]) < 256 else 2)
    return match.end() + width * height * size


def _read_colour_box(data: bytes) -> Cicp | None:
    """Return the code points of the first "colr" box that has code points."""
    at = data.find(b"colrnclx")
    if at < 0 or len(data) < at + 12:
        return None
    return Cicp(*struct.unpack(">HH", data[at + 8 : at + 12]))


def _read_depth(data: bytes) -> int | None:
    """Return the bits of a channel by AV1's configuration or the size marker of JPEG 2000."""
    at = data.find(_CODESTREAM)
    if at >= 0 and len(data) > at + 42:
        return (data[at + 42] & 0x7F) + 1
    at = data.find(b"av1C")
    if at < 0 or len(data) < at + 7:
        return None
    flags = data[at + 6]
    return (12 if flags & 0x20 else 10) if flags & 0x40 else 8


def trailing_bytes(file: BinaryIO, position: int, length: int) -> int:
    """Return the number of bytes from a position on; 0 if they are zeros and line breaks."""
    rest = read_at(file, position, min(max(0, length - position), _PIECE))
    return length - position if rest.strip(b"\0\r\n") else 0
