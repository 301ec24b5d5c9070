"""Picture files opened by Pillow's decoders of an allow-list, without warnings."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from vqcodec.cores import lock_for_forks
from vqcodec.errors import InputError
from vqcodec.signals import extra_formats
from vqcodec.signals.picture_pixels import DAMAGE
from vqcodec.signals.views import read_at

# Formats of pixels that Pillow decodes by itself. Others start programs (PostScript), need Windows
# (WMF), or have no magic number.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "DIB", "PPM", "JPEG2000"),
    *("ICO", "ICNS", "PCX", "QOI", "SGI", "DDS", "PSD"),
)
_BY_SUFFIX = {".tga": "TGA", ".icb": "TGA", ".vda": "TGA", ".vst": "TGA"}  # no magic number

logging.getLogger("PIL").addHandler(logging.NullHandler())  # otherwise its errors go to stderr
_LOCK = lock_for_forks()  # Pillow's settings are global


@contextmanager
def pillow_settings(*, salvage: bool) -> Iterator[None]:
    """Let Pillow open pictures of any size, and damaged ones with `salvage`, without warnings.

    The size is checked against the limits of streams instead, before pixels are read.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, salvage
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard the stderr output of C libraries: libtiff reports damage there, too."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def is_picture(source: Path | BinaryIO, name: str = "") -> bool:
    """Return whether the content begins like a picture; the position of a file is kept."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return is_picture(file, source.name)
    start = source.tell()
    try:
        with pillow_settings(salvage=False), open_picture(source, name):
            return True
    except UnidentifiedImageError:
        return False
    except (InputError, *DAMAGE):
        return True  # known, but damaged or too large: reading it raises the error
    finally:
        source.seek(start)


def open_picture(file: BinaryIO, name: str) -> Image.Image:
    """Open a file with one of the formats that are allowed; see `pillow_settings`.

    Raises:
        InputError: the format needs a package that is not installed.
        UnidentifiedImageError: it is not a picture of a known kind.
    """
    formats = list(FORMATS)
    start = read_at(file, 0, 16)
    file.seek(0)
    if extra_formats.is_heif(start):
        if not extra_formats.allow_heif():
            raise InputError(extra_formats.heif_hint())
        formats = ["HEIF"]
    elif Path(name).suffix.lower() in _BY_SUFFIX:
        formats.append(_BY_SUFFIX[Path(name).suffix.lower()])
    return Image.open(file, formats=formats)
