"""A picture in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vqcodec.errors import UsageError
from vqcodec.notes import Note

if TYPE_CHECKING:
    from PIL import Image

_BYTES, _WORDS = np.dtype(np.uint8), np.dtype(np.uint16)


@dataclass(frozen=True, eq=False, slots=True)
class Picture:
    """The pixels of a picture, upright, with its transparency, profile and metadata.

    Attributes:
        pixels: [H, W, C] of 8 or 16 bits; C is 1 (grey) or 3 (RGB), H and W are at least 1.
        alpha: [H, W], 0 is transparent; None if everything is opaque.
        icc_profile: the colour profile of the pixels; None means sRGB.
        metadata: blocks by name, "exif" and "xmp", if its reader kept them.
        notes: on parts that its reader left out or changed.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    alpha: NDArray[np.uint8] | None = None
    icc_profile: bytes | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        """Raise a UsageError if a value has a wrong type or shape."""
        if not isinstance(self.pixels, np.ndarray):
            raise UsageError(f"pixels: {type(self.pixels).__qualname__}, needed an array")
        shape, kind = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or kind not in (_BYTES, _WORDS):
            raise UsageError(
                f"pixels: {kind} of shape {shape}, needed uint8 or uint16 of [H, W, 1] or "
                "[H, W, 3]; vqcodec.compress takes arrays of other types"
            )
        alpha = self.alpha
        if alpha is not None and (alpha.shape != shape[:2] or alpha.dtype != _BYTES):
            raise UsageError(f"alpha: {alpha.dtype} of shape {alpha.shape}, needed uint8 of [H, W]")

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def grey(self) -> bool:
        """Whether there is one channel."""
        return bool(self.pixels.shape[2] == 1)

    def to_8_bits(self) -> NDArray[np.uint8]:
        """Return the pixels [H, W, C], 16-bit values rounded to 8."""
        if self.pixels.dtype == np.uint8:
            return self.pixels.astype(np.uint8, copy=False)
        return ((self.pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)

    def to_rgb(self) -> NDArray[np.uint8]:
        """Return 8-bit RGB values [H, W, 3]; grey fills all three."""
        return np.broadcast_to(self.to_8_bits(), (self.height, self.width, 3))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the values of all channels, for `numpy.asarray(picture)`.

        They are [H, W], [H, W, 3] or, with opacity as the last channel, [H, W, 2] or [H, W, 4].
        """
        values: NDArray[Any] = self.pixels
        if self.alpha is not None:
            alpha = self.alpha.astype(values.dtype) * (257 if values.dtype == np.uint16 else 1)
            values = np.concatenate([values, alpha[:, :, None].astype(values.dtype)], axis=2)
        elif self.grey:
            values = values[:, :, 0]
        return np.array(values, dtype, copy=copy)

    def to_pil(self) -> Image.Image:
        """Return a Pillow image with its profile; it keeps 16 bits only if grey and opaque."""
        from PIL import Image  # here: reading a header should not load Pillow

        values = np.asarray(self if self.grey and self.alpha is None else self._in_8_bits())
        image = Image.fromarray(values)
        if self.icc_profile is not None:
            image.info["icc_profile"] = self.icc_profile
        return image

    def _in_8_bits(self) -> Picture:
        return Picture(self.to_8_bits(), self.alpha, self.icc_profile)


def psnr(reference: Picture, decoded: Picture) -> float:
    """Return the peak signal-to-noise ratio in dB, over all channels of the 8-bit RGB values."""
    difference = reference.to_rgb().astype(np.int32) - decoded.to_rgb()
    noise = float(np.mean(np.square(difference), dtype=np.float64))
    return 10 * math.log10(255**2 / noise) if noise else math.inf
