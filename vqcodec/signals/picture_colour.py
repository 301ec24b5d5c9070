"""Colour descriptions without a profile, HDR and CMYK -> sRGB, or a new ICC profile."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.picture_structure import Cicp, PictureStructure

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue: x and y
_PRIMARIES = {  # by their number in H.273
    1: _SRGB,
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_LIKE_SRGB = {1, 2, 6, 13, 14, 15}  # transfers that screens show as sRGB; 2 is unspecified
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}  # transfers that are a power function
_PQ, _HLG = 16, 18
_REFERENCE_WHITE = 203.0  # cd/m² (ITU-R BT.2408)
_NEAR = 0.005  # tolerance of equal chromaticities
_NEAR_GAMMA = 0.05  # tolerance around 2.2, by which most writers mean sRGB
_LARGEST_GAMMA = 10.0
_GAMMA_RANGE = (0.1, _LARGEST_GAMMA)
_LARGE_PROFILE = 4096  # bytes
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # the same profile every time
_STRIP = 1 << 20  # pixels that are converted at a time

PROFILE_FAILURES = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class Coloured:
    """Pixels described by a profile, or by sRGB."""

    pixels: Pixels
    icc_profile: bytes | None
    notes: list[Note]


def describe_colour(pixels: Pixels, icc_profile: bytes | None, file: PictureStructure) -> Coloured:
    """Return pixels described by a profile or by sRGB, with the precedence of PNG.

    Code points take precedence over a profile, a profile over "sRGB", and "sRGB" over gamma.

    Args:
        pixels: [H, W, 1 or 3] as stored in the file.
        icc_profile: from the file.
        file: its other colour descriptions.
    """
    if file.cicp is not None and not file.cicp.full_range:
        full = replace(file, cicp=replace(file.cicp, full_range=True))
        coloured = describe_colour(_mapped(pixels, _full_range), icc_profile, full)
        note = Note(NoteCode.COLOUR_CONVERTED, "its narrow range of values is widened to the full")
        return Coloured(coloured.pixels, coloured.icc_profile, [note, *coloured.notes])
    if file.cicp is not None and file.cicp.transfer in (_PQ, _HLG):
        return _tone_mapped(pixels, file.cicp)
    if file.cicp is not None and (file.is_png or not icc_profile):
        return _of_code_points(pixels, icc_profile, file.cicp)
    if icc_profile or file.is_srgb:
        return Coloured(pixels, icc_profile, [])
    return _of_gamma(pixels, file)


def _of_gamma(pixels: Pixels, file: PictureStructure) -> Coloured:
    """Return pixels described by a gamma and chromaticities of a PNG."""
    if file.gamma and not _GAMMA_RANGE[0] <= 1 / file.gamma <= _GAMMA_RANGE[1]:
        text = f"its gamma of 1/{1 / file.gamma:.4g} makes no sense and is left out"
        return Coloured(pixels, None, [Note(NoteCode.COLOUR_DROPPED, text)])
    chromaticities = file.chromaticities or _SRGB
    gamma = 1 / file.gamma if file.gamma else None
    if pixels.shape[2] == 3 and not np.allclose(chromaticities, _SRGB, atol=_NEAR):
        profile = build_profile(chromaticities, gamma)
        text = "its colour description makes no sense and is taken as sRGB"
        notes = [] if profile else [Note(NoteCode.COLOUR_DROPPED, text)]
        return Coloured(pixels, profile, notes)
    if gamma is None or abs(gamma - 2.2) < _NEAR_GAMMA:
        return Coloured(pixels, None, [])
    exponent = min(gamma, _LARGEST_GAMMA)
    text = f"its gamma of 1/{gamma:.4g} is converted to sRGB"
    converted = _mapped(pixels, lambda values: _srgb_values(values**exponent))
    return Coloured(converted, None, [Note(NoteCode.COLOUR_CONVERTED, text)])


def _full_range(values: Floats) -> Floats:
    """Return values 0 … 1 of a range of 16 … 235 (ITU-R BT.709)."""
    return np.asarray((values * 255 - 16) / 219, np.float32)


def _of_code_points(pixels: Pixels, icc_profile: bytes | None, cicp: Cicp) -> Coloured:
    chromaticities = _PRIMARIES.get(cicp.primaries if cicp.primaries != 2 else 1)
    gamma = _GAMMAS.get(cicp.transfer)
    if chromaticities is None or (gamma is None and cicp.transfer not in _LIKE_SRGB):
        text = f"its colours ({cicp.primaries}/{cicp.transfer} of H.273) are taken as sRGB"
        note = Note(NoteCode.COLOUR_DROPPED, text)
        return Coloured(pixels, icc_profile, [] if icc_profile else [note])
    if pixels.shape[2] == 1 or (chromaticities == _SRGB and gamma is None):
        return Coloured(pixels, None, [])
    return Coloured(pixels, build_profile(chromaticities, gamma), [])


def _tone_mapped(pixels: Pixels, cicp: Cicp) -> Coloured:
    """Return high dynamic range as sRGB: white stays, brighter values are compressed."""
    to_light = _light_of_pq if cicp.transfer == _PQ else _light_of_hlg
    matrix = _to_srgb(_PRIMARIES.get(cicp.primaries, _PRIMARIES[9]))

    def convert(values: Floats) -> Floats:
        light = to_light(values)
        if light.shape[-1] == 3:
            light = np.maximum(light @ matrix.T, 0)
        brightest = light.max(axis=-1, keepdims=True)
        light *= _compressed(brightest) / np.maximum(brightest, 1e-6)
        return _srgb_values(light)

    name = "PQ" if cicp.transfer == _PQ else "HLG"
    text = f"high dynamic range ({name}) is tone-mapped to sRGB; values above white are compressed"
    note = Note(NoteCode.COLOUR_CONVERTED, text)
    return Coloured(_mapped(pixels, convert), None, [note])


def _compressed(light: Floats) -> Floats:
    """Return brightness within 0 … 1: unchanged up to 0.8, then compressed (extended Reinhard)."""
    knee, most = np.float32(0.8), np.float32(10_000 / _REFERENCE_WHITE)
    room = 1 - knee
    over, limit = (light - knee) / room, (most - knee) / room
    bent = over * (1 + over / limit**2) / (1 + over)
    return np.where(light > knee, knee + room * bent, light)


def _light_of_pq(values: Floats) -> Floats:
    """Return light in units of reference white (SMPTE ST 2084)."""
    root = values ** (1 / 78.84375)
    light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
        1 / 0.1593017578125
    )
    return np.asarray(light * (10_000 / _REFERENCE_WHITE), np.float32)


def _light_of_hlg(values: Floats) -> Floats:
    """Return light in units of reference white (ITU-R BT.2100, a screen of 1000 cd/m²)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    return np.asarray(scene**1.2 * (1000 / _REFERENCE_WHITE), np.float32)


def _srgb_values(light: Floats) -> Floats:
    light = light.clip(0, 1)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(values, np.float32)


def _mapped(pixels: Pixels, convert: Callable[[Floats], Floats]) -> Pixels:
    """Return pixels whose values 0 … 1 are converted, a strip at a time."""
    largest = np.float32(np.iinfo(pixels.dtype).max)
    result = np.empty_like(pixels)
    rows = max(1, _STRIP // pixels.shape[1])
    for start in range(0, len(pixels), rows):
        values = convert(pixels[start : start + rows].astype(np.float32) / largest)
        result[start : start + rows] = np.rint(values.clip(0, 1) * largest)
    return result


def _rgb_to_xyz(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the matrix [3, 3] from linear RGB to XYZ with Y = 1 for white."""
    xy = np.array(chromaticities, np.float64).reshape(4, 2)
    xyz = np.column_stack([xy, 1 - xy.sum(axis=1)]) / xy[:, 1:]
    colours = xyz[1:].T
    return np.asarray(colours * np.linalg.solve(colours, xyz[0]), np.float64)


def _to_srgb(chromaticities: tuple[float, ...]) -> Floats:
    matrix = np.linalg.inv(_rgb_to_xyz(_SRGB)) @ _rgb_to_xyz(chromaticities)
    return np.asarray(matrix, np.float32)


def build_profile(chromaticities: tuple[float, ...], gamma: float | None) -> bytes | None:
    """Return an ICC profile (version 4) for RGB; None if the chromaticities are invalid.

    Args:
        chromaticities: x and y of white, red, green and blue.
        gamma: the exponent from values to light; None is sRGB's curve.
    """
    try:
        matrix = _rgb_to_xyz(chromaticities)
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
        curve = b"para" + bytes(4) + b"\0\0\0\0" + _fixed(min(gamma, _LARGEST_GAMMA))
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


def cmyk_to_srgb(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, Note]:
    """Return a CMYK picture as sRGB: by its profile, or without one by the plain formula."""
    if icc_profile and icc_profile[16:20] == b"CMYK":
        try:
            return _by_profile(image, icc_profile, "RGB"), Note(
                NoteCode.COLOUR_CONVERTED, "CMYK is converted to sRGB by its profile"
            )
        except PROFILE_FAILURES:
            pass  # a damaged profile counts as none
    text = "CMYK without a usable profile is converted to RGB by the plain formula"
    return image.convert("RGB"), Note(NoteCode.COLOUR_CONVERTED, text)


def is_usable(icc_profile: bytes) -> bool:
    """Return whether a colour library can open a profile: a damaged one would be no use later."""
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    except PROFILE_FAILURES:
        return False
    return True


def without_profile(pixels: Pixels, icc_profile: bytes) -> Coloured:
    """Return pixels converted to sRGB, so that they need no profile.

    16-bit greys are not converted: the profile is dropped.
    """
    mode = "L" if pixels.shape[2] == 1 else "RGB"
    if pixels.dtype == np.uint8:
        image = Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels)
        try:
            converted = np.array(_by_profile(image, icc_profile, mode))
        except PROFILE_FAILURES:
            pass
        else:
            text = f"its colour profile of {len(icc_profile)} bytes is applied and left out"
            note = Note(NoteCode.COLOUR_CONVERTED, text)
            return Coloured(converted.reshape(pixels.shape), None, [note])
    text = f"its colour profile of {len(icc_profile)} bytes is left out"
    return Coloured(pixels, None, [Note(NoteCode.COLOUR_DROPPED, text)])


def _by_profile(image: Image.Image, icc_profile: bytes, mode: str) -> Image.Image:
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
