"""Picture files <-> Picture, by Pillow; transparency <-> a lossless PNG."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqcodec.errors import CorruptStreamError, OutputError, UsageError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_opening import is_picture, pillow_settings
from vqcodec.signals.picture_pixels import DAMAGE
from vqcodec.signals.picture_reading import picture_of_image, read_picture
from vqcodec.signals.suffixes import PICTURE_FORMATS

__all__ = [
    "decode_alpha",
    "encode_alpha",
    "is_picture",
    "notes_on_writing",
    "picture_of_image",
    "read_picture",
    "write_picture",
]

# A decoded picture has passed one lossy codec: the loss of a second should be invisible.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "PNG": {"compress_level": 2},  # a third of the time of the default, for 2 % more bytes
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
_WITH_ALPHA = {"PNG", "WEBP", "AVIF", "TIFF"}
_WITH_16_BITS = {"PNG", "TIFF", "PPM"}
_METADATA = {  # that formats hold
    **dict.fromkeys(("PNG", "JPEG", "WEBP", "TIFF"), ("exif", "xmp")),
    "AVIF": ("exif",),
}
_ALWAYS_RGB = {"WEBP", "AVIF"}  # no grey, so a profile of greys would be wrong there
_WITHOUT_PROFILE = {"BMP", "PPM"}


def write_picture(
    picture: Picture, file: BinaryIO, format: str, options: Mapping[str, Any] | None = None
) -> None:
    """Write a picture in one of `PICTURE_FORMATS`, with its profile if there is room.

    16 bits are kept for grey without transparency in PNG, TIFF and PGM, and rounded to 8 elsewhere.

    Args:
        picture: what to write.
        file: open for writing; need not seek.
        format: Pillow's name of the format.
        options: Pillow's options for it; by default, lossless or nearly so.

    Raises:
        UsageError: the format is unknown, or cannot hold transparency and the picture has some.
        OutputError: the format cannot hold this picture, or the file cannot be written.
    """
    if format not in PICTURE_FORMATS.values():
        raise UsageError(f"{format}: pictures are written as {', '.join(_format_names())}")
    if picture.alpha is not None and format not in _WITH_ALPHA:
        names = ", ".join(sorted(_WITH_ALPHA))
        raise UsageError(f"{format} cannot hold this picture's transparency: choose {names}")
    options = dict(_OPTIONS.get(format, {}) if options is None else options)
    if picture.icc_profile and _holds_profile(picture, format):
        options["icc_profile"] = picture.icc_profile
    options |= {
        name: data for name, data in picture.metadata.items() if name in _METADATA.get(format, ())
    }
    buffer = io.BytesIO()  # so that `file` need not seek
    try:
        _to_image(picture, format).save(buffer, format, **options)
        file.write(buffer.getbuffer())
    except KeyError as error:
        raise UsageError(f"{format}: the installed Pillow cannot write it; update it") from error
    except (OSError, ValueError, OverflowError, RuntimeError, struct.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"the picture cannot be written as {format}: {reason}") from error


def notes_on_writing(picture: Picture, format: str) -> list[Note]:
    """Return what a format cannot hold of a picture that can be written in it."""
    notes = []
    if picture.icc_profile and not _holds_profile(picture, format):
        text = f"{format} cannot hold its colour profile of {len(picture.icc_profile)} bytes"
        notes.append(Note(NoteCode.COLOUR_DROPPED, text))
    lost = [name for name in picture.metadata if name not in _METADATA.get(format, ())]
    if lost:
        text = f"{format} cannot hold its metadata: {', '.join(map(str.upper, lost))}"
        notes.append(Note(NoteCode.METADATA_DROPPED, text))
    return notes


def _holds_profile(picture: Picture, format: str) -> bool:
    return format not in _WITHOUT_PROFILE and not (picture.grey and format in _ALWAYS_RGB)


def encode_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """Return alpha [H, W] as a PNG of 8-bit greys."""
    file = io.BytesIO()
    Image.fromarray(alpha).save(file, "PNG", optimize=True)
    return file.getvalue()


def decode_alpha(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Return alpha [height, width] from a PNG of 8-bit greys.

    Raises:
        CorruptStreamError: it is damaged, or not such a PNG of this size.
    """
    try:
        with (
            pillow_settings(salvage=False),
            Image.open(io.BytesIO(data), formats=["PNG"]) as image,
        ):
            if image.mode != "L" or image.size != (width, height):
                raise CorruptStreamError(
                    f"alpha: {image.mode} of {image.width} x {image.height}, "
                    f"not L of {width} x {height}"
                )
            return np.array(image)
    except DAMAGE as error:
        raise CorruptStreamError("alpha: damaged, or not a PNG") from error


def _format_names() -> list[str]:
    return sorted(set(PICTURE_FORMATS.values()))


def _to_image(picture: Picture, format: str) -> Image.Image:
    if picture.grey and picture.alpha is None and format in _WITH_16_BITS:
        return Image.fromarray(picture.pixels[:, :, 0])
    channels = picture.to_8_bits()
    if picture.alpha is not None:
        channels = np.concatenate([channels, picture.alpha[:, :, None]], axis=2)
    return Image.fromarray(channels[:, :, 0] if channels.shape[2] == 1 else channels)
