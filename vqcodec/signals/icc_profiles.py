"""ICC profiles of pictures: built, applied, and checked."""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode

LARGEST_GAMMA = 10.0
_LARGE_PROFILE = 4096  # bytes
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # the same profile every time

PROFILE_FAILURES = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


def build_profile(chromaticities: tuple[float, ...], gamma: float | None) -> bytes | None:
    """Return an ICC profile (version 4) for RGB; None if the chromaticities are invalid.

    Args:
        chromaticities: x and y of white, red, green and blue.
        gamma: the exponent from values to light; None is sRGB's curve.
    """
    try:
        matrix = rgb_to_xyz(chromaticities)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    white = matrix.sum(axis=1)
    if not np.isfinite(matrix).all() or not (white > 0).all():
        return None
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adapted = np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix
    if np.abs(adapted).max() > 100:
        return None
    if gamma is None:
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        curve = b"para" + bytes(4) + b"\0\3\0\0" + b"".join(map(_fixed, numbers))
    else:
        curve = b"para" + bytes(4) + b"\0\0\0\0" + _fixed(min(gamma, LARGEST_GAMMA))
    text = "from the picture's colour description".encode("utf-16-be")
    words = b"mluc" + bytes(4) + (1).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"enUS"
    words += len(text).to_bytes(4, "big") + (28).to_bytes(4, "big") + text
    tags = {b"desc": words, b"cprt": words, b"wtpt": _xyz(_D50)}
    tags |= {name: _xyz(adapted[:, n]) for n, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _assembled(tags)


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    """Return a profile; tags with the same content share it."""
    table, body, places = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        table += name + places[content].to_bytes(4, "big") + len(content).to_bytes(4, "big")
    size = (start + len(body)).to_bytes(4, "big")
    head = size + bytes(4) + b"\x04\x20\0\0mntrRGB XYZ " + _DATE + b"acsp" + bytes(28)
    head += _xyz(_D50)[8:]
    head += bytes(128 - len(head))
    return head + len(tags).to_bytes(4, "big") + table + body


def _fixed(value: float) -> bytes:
    """Return a number in fixed point: 16 bits before and 16 after the point."""
    return round(value * 65536).to_bytes(4, "big", signed=True)


def _xyz(values: tuple[float, ...] | NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(float(value)) for value in values)


def rgb_to_xyz(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the matrix [3, 3] from linear RGB to XYZ with Y = 1 for white."""
    xy = np.array(chromaticities, np.float64).reshape(4, 2)
    xyz = np.column_stack([xy, 1 - xy.sum(axis=1)]) / xy[:, 1:]
    colours = xyz[1:].T
    return np.asarray(colours * np.linalg.solve(colours, xyz[0]), np.float64)


def is_usable(icc_profile: bytes) -> bool:
    """Return whether a colour library can open a profile: a damaged one would be no use later."""
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    except PROFILE_FAILURES:
        return False
    return True


def apply_profile(image: Image.Image, icc_profile: bytes, mode: str) -> Image.Image:
    """Return a picture converted from a profile to sRGB, of mode "RGB" or "L".

    Raises:
        PROFILE_FAILURES: the profile is damaged, or is for other channels.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    target = ImageCms.createProfile("sRGB")
    if mode == "L":  # sRGB has no grey profile: use RGB with equal channels
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        assert converted is not None
        return converted.getchannel(1)
    converted = ImageCms.profileToProfile(image, source, target, outputMode=mode)
    assert converted is not None
    return converted


def note_on_profile(icc_profile: bytes | None) -> list[Note]:
    """Return a note if a profile makes a stream much larger."""
    if icc_profile is None or len(icc_profile) <= _LARGE_PROFILE:
        return []
    text = (
        f"its colour profile takes {len(icc_profile)} bytes of the stream; --no-icc leaves it out"
    )
    return [Note(NoteCode.PROFILE_LARGE, text)]


def refuse_huge_profile(icc_profile: bytes | None, limit_bytes: int) -> None:
    """Check that a profile alone does not exceed a limit, for a clear message.

    Raises:
        InputError: it exceeds the limit.
    """
    if icc_profile is not None and len(icc_profile) > limit_bytes:
        raise InputError(
            f"its colour profile alone takes {len(icc_profile)} bytes, more than the "
            f"{limit_bytes} that are allowed; --no-icc leaves it out"
        )
