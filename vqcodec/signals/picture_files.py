"""Picture files <-> Picture, by Pillow; transparency <-> a lossless PNG."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from vqcodec.bitstream.header import ImageFacts
from vqcodec.errors import CorruptStreamError, InputError, OutputError, UsageError
from vqcodec.signals.picture import Picture

# What can be written, by file name. Reading goes by content and takes whatever Pillow knows.
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
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
_WITH_ALPHA = {"PNG", "WEBP", "AVIF", "TIFF"}
_WITH_16_BITS = {"PNG", "TIFF", "PPM"}
_ALWAYS_RGB = {"WEBP", "AVIF"}  # no grey, so a profile of greys would be wrong there

# What Pillow's readers raise on damaged files, besides its own errors.
_DAMAGE = (
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
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(source: Path | BinaryIO, name: str | None = None) -> Picture:
    """Return the (first) picture of a file, turned upright.

    Grey pictures have one channel and keep 16 bits; everything else becomes 8-bit RGB, CMYK by
    the plain formula. Integers of 32 bits count as 16-bit grey, floats as grey from 0 to 1. Colour
    under transparent pixels is kept. A profile that is not for grey or RGB is dropped.

    Args:
        source: a path, or a file that can seek.
        name: what messages call the file.

    Raises:
        InputError: the file is missing, damaged, too large, or not a picture.
    """
    label = name or str(source if isinstance(source, Path) else "picture")
    try:
        with warnings.catch_warnings():
            # Only a warning below 2 x MAX_IMAGE_PIXELS, an error above; oddities in metadata.
            warnings.simplefilter("ignore")
            with Image.open(source) as image:
                ImageFacts(width=image.width, height=image.height, grey=False)  # raises InputError
                image.load()
                return _to_picture(_upright(image), image.info.get("icc_profile"))
    except UnidentifiedImageError as error:
        raise InputError(f"{label}: not a picture of a known kind") from error
    except InputError as error:
        raise InputError(f"{label}: {error}") from error
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or str(error) or "damaged"
        raise InputError(f"{label}: cannot be read as a picture: {reason}") from error


def picture_of_image(image: Image.Image) -> Picture:
    """Return a Pillow image as a picture, upright, just as if it were read from a file.

    Raises:
        InputError: the format holds no picture of this size, or Pillow cannot load it.
    """
    try:
        ImageFacts(width=image.width, height=image.height, grey=False)
        image.load()
        return _to_picture(_upright(image), image.info.get("icc_profile"))
    except InputError as error:
        raise InputError(f"image: {error}") from error
    except _DAMAGE as error:
        raise InputError(f"image: Pillow cannot load it: {error}") from error


def is_picture(source: Path | BinaryIO) -> bool:
    """Return whether the content begins like a picture; a file is left where it was."""
    start = None if isinstance(source, Path) else source.tell()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source):
                return True
    except UnidentifiedImageError:
        return False
    except _DAMAGE:
        return True  # known, but damaged or too large: reading it says what is wrong
    finally:
        if start is not None and not isinstance(source, Path):
            source.seek(start)


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                if image.mode != "L" or image.size != (width, height):
                    raise CorruptStreamError(
                        f"alpha: {image.mode} of {image.width} x {image.height}, "
                        f"not L of {width} x {height}"
                    )
                return np.array(image)
    except _DAMAGE as error:
        raise CorruptStreamError("alpha: damaged, or not a PNG") from error


def _format_names() -> list[str]:
    return sorted(set(SUFFIXES.values()))


def _upright(image: Image.Image) -> Image.Image:
    """Return the picture as EXIF says it is to be seen."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        return image  # unreadable EXIF says nothing against the pixels
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_picture(image: Image.Image, icc_profile: bytes | None) -> Picture:
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
    if icc_profile and icc_profile[16:20] != (b"GRAY" if pixels.shape[2] == 1 else b"RGB "):
        icc_profile = None
    return Picture(pixels, alpha, icc_profile or None)


def _deep_greys(image: Image.Image) -> NDArray[np.uint16]:
    """Return greys [H, W] of more than 8 bits as 16."""
    values = np.asarray(image)
    if image.mode == "F":
        values = np.rint(values * 65535.0)
    if not (values.min() >= 0 and values.max() <= 65535):  # also where any is not a number
        limits = "0 … 1" if image.mode == "F" else "0 … 65535"
        raise InputError(f"has values outside {limits}, which stand for no grey")
    return values.astype(np.uint16)


def _to_image(picture: Picture, format: str) -> Image.Image:
    if picture.grey and picture.alpha is None and format in _WITH_16_BITS:
        return Image.fromarray(picture.pixels[:, :, 0])
    channels = picture.to_8_bits()
    if picture.alpha is not None:
        channels = np.concatenate([channels, picture.alpha[:, :, None]], axis=2)
    return Image.fromarray(channels[:, :, 0] if channels.shape[2] == 1 else channels)
