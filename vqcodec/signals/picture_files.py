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
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_pixels import DAMAGE
from vqcodec.signals.picture_reading import (
    is_picture,
    picture_of_image,
    pillow_settings,
    read_picture,
)

__all__ = [
    "SUFFIXES",
    "decode_alpha",
    "encode_alpha",
    "is_picture",
    "picture_of_image",
    "read_picture",
    "write_picture",
]

# What can be written, by file name. Reading goes by content: see `picture_reading`.
SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
}
# A decoded picture has been through one lossy codec: a second one should not show.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "PNG": {"compress_level": 2},  # a third of the time of the default, for 2 % more bytes
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
_WITH_ALPHA = {"PNG", "WEBP", "AVIF", "TIFF"}
_WITH_16_BITS = {"PNG", "TIFF", "PPM"}
_WITH_METADATA = {"PNG", "JPEG", "WEBP", "AVIF", "TIFF"}
_ALWAYS_RGB = {"WEBP", "AVIF"}  # no grey, so a profile of greys would be wrong there


def write_picture(
    picture: Picture, file: BinaryIO, format: str, options: Mapping[str, Any] | None = None
) -> None:
    """Write a picture in one of the formats of `SUFFIXES`, with its profile where there is room.

    16 bits are kept for grey without transparency in PNG, TIFF and PGM, and rounded to 8 elsewhere.

    Args:
        picture: what to write.
        file: open for writing; need not seek.
        format: Pillow's name of the format.
        options: Pillow's options for it; without, lossless or as good as.

    Raises:
        UsageError: the format is unknown, or cannot hold transparency and the picture has some.
        OutputError: the format cannot hold this picture, or the file cannot be written.
    """
    if format not in SUFFIXES.values():
        raise UsageError(f"{format}: pictures are written as {', '.join(_format_names())}")
    if picture.alpha is not None and format not in _WITH_ALPHA:
        names = ", ".join(sorted(_WITH_ALPHA))
        raise UsageError(f"{format} cannot hold this picture's transparency: choose {names}")
    options = dict(_OPTIONS.get(format, {}) if options is None else options)
    if picture.icc_profile and not (picture.grey and format in _ALWAYS_RGB):
        options["icc_profile"] = picture.icc_profile
    if format in _WITH_METADATA:
        options |= {name: data for name, data in picture.metadata.items() if name == "exif"}
        if "xmp" in picture.metadata and format != "AVIF":
            options["xmp"] = picture.metadata["xmp"]
    buffer = io.BytesIO()  # so that `file` need not seek
    try:
        _to_image(picture, format).save(buffer, format, **options)
        file.write(buffer.getbuffer())
    except KeyError as error:
        raise UsageError(f"{format}: the installed Pillow cannot write it; update it") from error
    except (OSError, ValueError, OverflowError, RuntimeError, struct.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"the picture cannot be written as {format}: {reason}") from error


def encode_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """Return alpha [H, W] as a PNG of 8-bit greys."""
    file = io.BytesIO()
    Image.fromarray(alpha).save(file, "PNG", optimize=True)
    return file.getvalue()


def decode_alpha(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Return alpha [height, width] out of a PNG of 8-bit greys.

    Raises:
        CorruptStreamError: it is damaged, or not such a PNG of just this size.
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
    return sorted(set(SUFFIXES.values()))


def _to_image(picture: Picture, format: str) -> Image.Image:
    if picture.grey and picture.alpha is None and format in _WITH_16_BITS:
        return Image.fromarray(picture.pixels[:, :, 0])
    channels = picture.to_8_bits()
    if picture.alpha is not None:
        channels = np.concatenate([channels, picture.alpha[:, :, None]], axis=2)
    return Image.fromarray(channels[:, :, 0] if channels.shape[2] == 1 else channels)
