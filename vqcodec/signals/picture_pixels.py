"""An open Pillow image -> its pixels, upright, and its metadata."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.picture_structure import PictureStructure

# What Pillow's readers raise on damaged files, besides its own errors.
DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    AssertionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_TURNED_BY = ExifTags.Base.Orientation
_METADATA = {"exif": "EXIF", "xmp": "XMP", "photoshop": "IPTC", "comment": "a comment"}


def upright(image: Image.Image) -> Image.Image:
    """Return the picture as EXIF says it is to be seen; it may be the same image, turned."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except DAMAGE:  # unreadable EXIF says nothing against the pixels
        return image
    return image


def pixels_of(
    image: Image.Image,
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8] | None]:
    """Return pixels [H, W, 1 or 3] and opacity [H, W], None where everything is opaque."""
    alpha = None
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        pixels = _deep_greys(image)[:, :, None]
        key = image.info.get("transparency")  # PNG may declare one grey transparent
        if isinstance(key, int):
            alpha = np.where(pixels[:, :, 0] == key, 0, 255).astype(np.uint8)
    else:
        mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        if image.has_transparency_data:
            channels = np.array(image.convert(mode + "A"))
            pixels, alpha = channels[:, :, :-1], channels[:, :, -1]
        else:
            pixels = np.array(image.convert(mode)).reshape(image.height, image.width, -1)
    if alpha is not None and alpha.min() == 255:
        alpha = None
    return pixels, alpha


def _deep_greys(image: Image.Image) -> NDArray[np.uint16]:
    """Return greys [H, W] of more than 8 bits as 16."""
    values = np.asarray(image)
    if image.mode == "F":
        values = np.rint(values * 65535.0)
    if not (values.min() >= 0 and values.max() <= 65535):  # also where any is not a number
        limits = "0 … 1" if image.mode == "F" else "0 … 65535"
        raise InputError(f"has values outside {limits}, which stand for no grey")
    return values.astype(np.uint16)


def depth_of(image: Image.Image, structure: PictureStructure) -> int:
    """Return the bits of a channel, as far as the file says."""
    if structure.depth is not None:
        return structure.depth
    if isinstance(image.info.get("bit_depth"), int):  # as pillow-heif says it
        return int(image.info["bit_depth"])
    tags = getattr(image, "tag_v2", None)
    depth = tags.get(258) if image.format == "TIFF" and tags is not None else None
    if isinstance(depth, tuple) and depth:
        depth = depth[0]
    return depth if isinstance(depth, int) else 8


def take_metadata(image: Image.Image, options: ReadOptions, notes: list[Note]) -> dict[str, bytes]:
    """Return what is to be kept, and note what is dropped: quietly, most photos have some."""
    found: dict[str, bytes] = {}
    words = []
    for key, word in _METADATA.items():
        value = _exif_without_turn(image) if key == "exif" else image.info.get(key)
        if value and options.keep_metadata and key in ("exif", "xmp"):
            found[key] = value if isinstance(value, bytes) else str(value).encode()
        elif value and (key, image.format) != ("comment", "JPEG2000"):  # names an encoder
            words.append(word)
    if "EXIF" in words and _has_location(image):
        words[words.index("EXIF")] = "EXIF with the location"
    if image.format == "PNG" and getattr(image, "text", None):
        words.append("text")
    if words:
        text = f"metadata is left out: {', '.join(words)}"
        notes.append(Note(NoteCode.METADATA_DROPPED, text))
    return found


def _exif_without_turn(image: Image.Image) -> bytes | None:
    """Return EXIF without the orientation, which is applied; None where nothing else is there."""
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
        exif.pop(_TURNED_BY, None)
        return exif.tobytes() if len(exif) else None
    except DAMAGE:
        return None


def _has_location(image: Image.Image) -> bool:
    try:
        return bool(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
    except DAMAGE:
        return False
