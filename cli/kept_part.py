"""The part of a file that `vqcodec sample --from` keeps: --keep and --mask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from vqcodec.errors import UsageError
from vqcodec.files import is_file

from .console import display_name
from .hints import refuse_stream
from .options import require_within
from .paths import STDIO, open_source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vqcodec.signals.files import Signal
    from vqcodec.signals.picture import Picture

_RECTANGLE = re.compile(r" *(\d{1,9}) *, *(\d{1,9}) *, *(\d{1,9}) *, *(\d{1,9}) *")
_WHITE = 128  # of 255; from here on a pixel of a mask counts as white


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A signal, and the arguments of `Model.complete` that say which part of it is kept."""

    name: str
    signal: Signal
    settings: dict[str, Any]

    @classmethod
    def parse(cls, *, source: str | None, keep: float | None, mask: str | None) -> Self | None:
        """Return the part that the options name; None without --from.

        Raises:
            UsageError: the options do not fit together, or one has a wrong value.
            InputError: a file cannot be read.
        """
        if source is None:
            for option, value in (("--keep", keep), ("--mask", mask)):
                if value is not None:
                    raise UsageError(f"{option} needs --from FILE")
            return None
        if keep is not None and mask is not None:
            raise UsageError("--keep and --mask: give only one of them")
        settings: dict[str, Any] = {}
        if keep is not None:
            settings["keep"] = require_within("--keep", keep, 0, 1)
        signal = _read(source)
        if mask is not None:
            settings["mask"] = _mask(mask, _picture(signal, "--mask"))
        return cls(name=source, signal=signal, settings=settings)

    @property
    def is_picture(self) -> bool:
        """Whether the signal is a picture."""
        from vqcodec.signals.picture import Picture

        return isinstance(self.signal, Picture)


def _read(name: str) -> Signal:
    """Return the sound or the picture in a file, its colours in sRGB."""
    from vqcodec.signals.files import read_signal
    from vqcodec.signals.options import ReadOptions

    with open_source(name) as file:
        refuse_stream(file, display_name(name))
        return read_signal(file, display_name(name), options=ReadOptions(keep_profile=False))


def _picture(signal: Signal, option: str) -> Picture:
    from vqcodec.signals.picture import Picture

    if not isinstance(signal, Picture):
        raise UsageError(f"{option} is for pictures; a sound has --keep")
    return signal


def _mask(text: str, picture: Picture) -> NDArray[np.bool_]:
    """Return the hole [H, W] in a picture that --mask names: a rectangle, or a file.

    Raises:
        UsageError: it is empty or outside the picture, or the file is no picture of this size.
        InputError: the file cannot be read.
    """
    import numpy as np

    hole: NDArray[np.bool_] = np.zeros((picture.height, picture.width), np.bool_)
    size = f"{picture.width} x {picture.height} pixels"
    match = _RECTANGLE.fullmatch(text)
    if match is None:
        if text in (STDIO, ""):
            raise UsageError(f"--mask {text}: give a rectangle or the name of a file")
        if "," in text and not is_file(text):
            raise UsageError(
                f"--mask {text}: no such file; a rectangle is four whole numbers of 0 or more, "
                "LEFT,TOP,WIDTH,HEIGHT"
            )
        drawn = _read(text)
        values = _picture(drawn, "--mask FILE").to_rgb()
        if values.shape[:2] != hole.shape:
            raise UsageError(
                f"--mask {text}: {values.shape[1]} x {values.shape[0]} pixels, needed {size}"
            )
        hole = values.mean(axis=2) >= _WHITE
    else:
        left, top, width, height = map(int, match.groups())
        hole[top : top + height, left : left + width] = True
    if not hole.any():
        raise UsageError(f"--mask {text}: covers no pixel of the picture, {size}")
    return hole
