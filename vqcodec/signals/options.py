"""What a caller may choose when a sound or a picture is read."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from vqcodec.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadOptions:
    """Choices of a reader; the defaults are those of the command line.

    Attributes:
        salvage: read damaged files as far as they can be read, with a note.
        keep_profile: keep a colour profile; otherwise convert the pixels to sRGB.
        frame: which frame or page of a picture to read, from 0.
        keep_metadata: keep EXIF and XMP in `Picture.metadata`.
    """

    salvage: bool = False
    keep_profile: bool = True
    frame: int = 0
    keep_metadata: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.frame, Integral):
            raise UsageError(f"frame: {self.frame!r} is not a whole number")
        if self.frame < 0:
            raise UsageError(f"--frame {self.frame}: frames count from 0")


DEFAULT = ReadOptions()
