"""Picture formats to compare with."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from vqcodec.errors import MissingCodecError, UsageError
from vqcodec.evaluation.baseline import Baseline
from vqcodec.signals.files import Signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import read_picture, write_picture


class PillowCodec(Baseline):
    """A picture format that Pillow writes; quality is 0 … 100."""

    modality = "image"
    qualities = (5, 15, 30, 50, 70, 85)

    def __init__(self, format: str, options: Mapping[str, Any]) -> None:
        self.name = format.lower()
        self._format = format
        self._options = options

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the bytes of the file."""
        picture = Picture(_picture(self.name, signal).to_8_bits())
        file = io.BytesIO()
        write_picture(picture, file, self._format, {**self._options, "quality": round(quality)})
        return file.getvalue()

    def decompress(self, stream: bytes) -> Picture:
        """Return the picture."""
        return read_picture(io.BytesIO(stream))


class JpegXlCodec(Baseline):
    """JPEG XL by libjxl at effort 7; quality is 0 … 100."""

    name = "jxl"
    modality = "image"
    qualities = (10, 20, 35, 50, 70, 85)

    def __init__(self) -> None:
        _imagecodecs()

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the bytes of the file."""
        pixels = _picture(self.name, signal).to_8_bits()
        return bytes(_imagecodecs().jpegxl_encode(pixels, level=quality, effort=7))

    def decompress(self, stream: bytes) -> Picture:
        """Return the picture."""
        pixels = np.asarray(_imagecodecs().jpegxl_decode(stream))
        return Picture(pixels.reshape(*pixels.shape[:2], -1))


def jpeg() -> Baseline:
    """Return JPEG."""
    return PillowCodec("JPEG", {"subsampling": "4:2:0", "optimize": True})


def webp() -> Baseline:
    """Return WebP."""
    return PillowCodec("WEBP", {"method": 6})


def avif() -> Baseline:
    """Return AVIF."""
    return PillowCodec("AVIF", {"subsampling": "4:4:4", "speed": 4})


def _imagecodecs() -> Any:
    """Return the module. It is not an attribute, because a module cannot be pickled."""
    try:
        return import_module("imagecodecs")
    except ImportError as error:
        raise MissingCodecError(
            "jxl: needs imagecodecs; install it with: pip install imagecodecs"
        ) from error


def _picture(name: str, signal: Signal) -> Picture:
    if not isinstance(signal, Picture):
        raise UsageError(f"{name}: codes pictures, not sounds")
    return signal
