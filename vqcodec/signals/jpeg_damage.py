"""Damage in the coded data of a JPEG, which libjpeg warns of and Pillow passes over."""

from __future__ import annotations

import re

import simplejpeg

_SMALLEST = 8  # all coded data are read, but only one pixel of 8 x 8 is computed
_UNUSED_BEFORE_END = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_REASONS = {
    "premature end": "its data end before its last pixel",
    "bad huffman code": "its data have a code that does not exist",
    "extraneous bytes": "its data have bytes that belong to no pixel",
    "instead of rst": "its data have a restart mark at a wrong place",
}


def find_damage(data: bytes) -> tuple[str | None, int]:
    """Return what is wrong with a JPEG, None if nothing is, and the bytes unused before its end.

    Some cameras leave unused bytes before the end mark. After damage there are often such bytes,
    too. What libjpeg cannot read at all is not reported here: Pillow refuses it.
    """
    try:
        simplejpeg.decode_jpeg(
            data,
            "GRAY",
            fastdct=True,
            fastupsample=True,
            min_height=1,
            min_width=1,
            min_factor=_SMALLEST,
            strict=True,
        )
    except ValueError as error:
        message = str(error)
        unused = _UNUSED_BEFORE_END.search(message)
        if unused:
            return None, int(unused[1])
        if not message.startswith(("Corrupt JPEG data", "Premature end of JPEG")):
            return None, 0
        found = (reason for key, reason in _REASONS.items() if key in message.lower())
        return next(found, "its data are not those of a JPEG"), 0
    return None, 0
