"""Pictures of a training: their sizes, and their pixels as crops are cut from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqcodec.config import check_positive, check_range
from vqcodec.errors import ConfigError
from vqcodec.signals.picture_files import read_picture
from vqcodec.signals.picture_opening import FORMATS
from vqcodec.signals.picture_pixels import DAMAGE
from vqcodec.training.sources import open_name

_ORIENTATION = 0x0112  # tag in EXIF; from 5 on, columns and rows are exchanged
# Pillow decodes these alone as `read_picture` does, and several threads at once.
_PLAIN_FORMATS, _PLAIN_MODES = ("JPEG", "PNG", "WEBP", "BMP", "PPM"), ("RGB", "L")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDataConfig:
    """The size and augmentation of training crops."""

    crop: int = 128  # pixels each way
    valid_fraction: float = 0.04
    group_separator: str = ""
    largest_reduction: float = 1.0  # half of the crops are reduced by a factor up to this
    halve_above_megapixels: float | None = None  # many large pictures have chroma at half size

    def __post_init__(self) -> None:
        check_range(self, "data", 16, 2048, "crop")
        check_range(self, "data", 1, 8, "largest_reduction")
        if self.crop % 16:
            raise ConfigError(f"data.crop: {self.crop} is not a multiple of 16")
        if self.halve_above_megapixels is not None:
            check_positive(self, "data", "halve_above_megapixels")


def size_of_picture(name: str | Path, config: ImageDataConfig) -> tuple[int, int]:
    """Return the height and width of what `load_picture` returns, from the file's header.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open_name(name) as file, Image.open(file, formats=FORMATS) as picture:
            width, height = picture.size
            if _orientation(picture) >= 5:
                width, height = height, width
    except (*DAMAGE, Image.DecompressionBombError):
        picture_of_file = _read_any(name)  # or the reason why not
        width, height = picture_of_file.size
    if width * height > _most_pixels(config):
        width, height = (width + 1) // 2, (height + 1) // 2
    width, height = _enlarged(width, height, config.crop)
    return height, width


def load_picture(name: str | Path, config: ImageDataConfig) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3] of a file, halved if large, enlarged if smaller than a crop.

    Raises:
        InputError: the file cannot be read.
    """
    picture = _read_plain(name, config) or _halved(_read_any(name), config)
    size = _enlarged(*picture.size, config.crop)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _most_pixels(config: ImageDataConfig) -> float:
    return 1e6 * (config.halve_above_megapixels or math.inf)


def _enlarged(width: int, height: int, crop: int) -> tuple[int, int]:
    if min(width, height) >= crop:
        return width, height
    factor = crop / min(width, height)
    return max(crop, round(width * factor)), max(crop, round(height * factor))


def _halved(picture: Image.Image, config: ImageDataConfig) -> Image.Image:
    large = picture.width * picture.height > _most_pixels(config)
    return picture.reduce(2) if large else picture


def _read_plain(name: str | Path, config: ImageDataConfig) -> Image.Image | None:
    """Return a picture of a common kind, halved if large; None if it needs `read_picture`.

    The decoder of JPEG halves it by itself, which takes half of the time.
    """
    try:
        with open_name(name) as file, Image.open(file, formats=_PLAIN_FORMATS) as picture:
            upright = _orientation(picture) == 1
            if picture.mode not in _PLAIN_MODES or "transparency" in picture.info or not upright:
                return None
            large = picture.width * picture.height > _most_pixels(config)
            half = (picture.width + 1) // 2, (picture.height + 1) // 2
            if large:
                picture.draft(None, (picture.width // 2, picture.height // 2))
            picture.load()
            decoded = picture.convert("RGB")
            return decoded.reduce(2) if large and decoded.size != half else decoded
    except (*DAMAGE, Image.DecompressionBombError):
        return None  # `read_picture` tells the reason


def _read_any(name: str | Path) -> Image.Image:
    with open_name(name) as file:
        return Image.fromarray(np.ascontiguousarray(read_picture(file, str(name)).to_rgb()))


def _orientation(picture: Image.Image) -> int:
    """Return the orientation in the header, 1 for an upright picture."""
    if "exif" not in picture.info and picture.format != "JPEG":
        return 1  # `getexif` would decode a PNG to look behind its pixels
    return int(picture.getexif().get(_ORIENTATION, 1) or 1)
