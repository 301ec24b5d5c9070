"""Colour descriptions without a profile, HDR and CMYK -> sRGB, or a new profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqcodec.notes import Note, NoteCode
from vqcodec.signals.icc_profiles import (
    LARGEST_GAMMA,
    PROFILE_FAILURES,
    apply_profile,
    build_profile,
    rgb_to_xyz,
)
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
_GAMMA_RANGE = (0.1, LARGEST_GAMMA)
_STRIP = 1 << 20  # pixels that are converted at a time


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
    exponent = min(gamma, LARGEST_GAMMA)
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


def _to_srgb(chromaticities: tuple[float, ...]) -> Floats:
    matrix = np.linalg.inv(rgb_to_xyz(_SRGB)) @ rgb_to_xyz(chromaticities)
    return np.asarray(matrix, np.float32)


def cmyk_to_srgb(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, Note]:
    """Return a CMYK picture as sRGB: by its profile, or without one by the plain formula."""
    if icc_profile and icc_profile[16:20] == b"CMYK":
        try:
            return apply_profile(image, icc_profile, "RGB"), Note(
                NoteCode.COLOUR_CONVERTED, "CMYK is converted to sRGB by its profile"
            )
        except PROFILE_FAILURES:
            pass  # a damaged profile counts as none
    text = "CMYK without a usable profile is converted to RGB by the plain formula"
    return image.convert("RGB"), Note(NoteCode.COLOUR_CONVERTED, text)


def without_profile(pixels: Pixels, icc_profile: bytes) -> Coloured:
    """Return pixels converted to sRGB, so that they need no profile.

    16-bit greys are not converted: the profile is dropped.
    """
    mode = "L" if pixels.shape[2] == 1 else "RGB"
    if pixels.dtype == np.uint8:
        image = Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels)
        try:
            converted = np.array(apply_profile(image, icc_profile, mode))
        except PROFILE_FAILURES:
            pass
        else:
            text = f"its colour profile of {len(icc_profile)} bytes is applied and left out"
            note = Note(NoteCode.COLOUR_CONVERTED, text)
            return Coloured(converted.reshape(pixels.shape), None, [note])
    text = f"its colour profile of {len(icc_profile)} bytes is left out"
    return Coloured(pixels, None, [Note(NoteCode.COLOUR_DROPPED, text)])
