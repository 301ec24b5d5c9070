"""Picture files -> Picture: the frame, its damage, and everything that is left out."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from vqcodec.bitstream.header import ImageFacts
from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.icc_profiles import is_usable, note_on_profile
from vqcodec.signals.options import DEFAULT, ReadOptions
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_colour import (
    cmyk_to_srgb,
    describe_colour,
    without_profile,
)
from vqcodec.signals.picture_opening import open_picture, pillow_settings, quiet_stderr
from vqcodec.signals.picture_pixels import DAMAGE, depth_of, pixels_of, take_metadata, upright
from vqcodec.signals.picture_structure import PictureStructure, read_structure

_KNOWN_ENDS = ("PNG", "JPEG", "GIF", "WEBP", "PPM", "BMP", "AVIF", "HEIF", "JPEG2000")

_KIND_OF_PAGE, _OTHER_PAGES, _DNG_VERSION = 254, 330, 50706  # tags of TIFF


def read_picture(
    source: Path | BinaryIO, name: str | None = None, *, options: ReadOptions = DEFAULT
) -> Picture:
    """Return a picture of a file, turned upright; docs/INPUTS.md lists what is kept.

    Grey pictures have one channel and keep 16 bits; everything else becomes 8-bit RGB. Integers of
    32 bits count as 16-bit grey, floats as grey from 0 to 1. Colour under transparent pixels is
    kept. `Picture.notes` lists everything that is left out or converted.

    Args:
        source: a path, or a file that can seek.
        name: of the file, for messages.
        options: the frame, and the handling of damage, profile and metadata.

    Raises:
        InputError: the file is missing, damaged, too large, or not a picture.
    """
    label = name or str(source if isinstance(source, Path) else "picture")
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                return _Reading(file, label, options).read()
        source.seek(0)
        return _Reading(source, label, options).read()
    except UnidentifiedImageError as error:
        raise InputError(f"{label}: not a picture of a known kind") from error
    except InputError as error:
        raise InputError(f"{label}: {error}") from error
    except DAMAGE as error:
        raise InputError(f"{label}: cannot be read as a picture: {_reason_of(error)}") from error


def picture_of_image(image: Image.Image) -> Picture:
    """Return a Pillow image as a picture, upright, as if it were read from a file.

    Raises:
        InputError: the format does not support this size, or Pillow cannot load it.
    """
    try:
        ImageFacts(width=image.width, height=image.height, grey=False)
        image.load()
        return _to_picture(image, PictureStructure(), DEFAULT, [])
    except InputError as error:
        raise InputError(f"image: {error}") from error
    except DAMAGE as error:
        raise InputError(f"image: Pillow cannot load it: {error}") from error


def _reason_of(error: BaseException) -> str:
    """Return what Pillow says of a file, if it says it for people."""
    if not isinstance(error, OSError | SyntaxError | EOFError):
        return "damaged"
    return getattr(error, "strerror", None) or _first_line(str(error)) or "damaged"


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip()


@dataclass(slots=True)
class _Reading:
    """Reads one file as a Picture."""

    file: BinaryIO
    name: str
    options: ReadOptions

    def read(self) -> Picture:
        """Return the picture."""
        start = self.file.tell()
        try:
            with pillow_settings(salvage=False):
                return self._read(salvage=False, notes=[])
        except (InputError, *DAMAGE) as error:
            if not self.options.salvage or isinstance(error, UnidentifiedImageError):
                raise
            self.file.seek(start)
            reason = _first_line(str(error)) or "damaged"
            text = f"{reason}; the readable part is kept, and the rest is blank"
            with pillow_settings(salvage=True):
                return self._read(salvage=True, notes=[Note(NoteCode.DAMAGED, text)])

    def _read(self, *, salvage: bool, notes: list[Note]) -> Picture:
        with open_picture(self.file, self.name) as image:
            ImageFacts(width=image.width, height=image.height, grey=False)  # raises InputError
            position = self.file.tell()  # from here Pillow continues
            structure = read_structure(self.file)
            self.file.seek(position)
            if structure.damage is not None and not salvage:
                raise InputError(f"damaged: {structure.damage}")
            _refuse_preview(image)
            if image.format in ("JPEG", "MPO") and not salvage:
                self._check_jpeg(notes)
                self.file.seek(position)
            self._choose_frame(image, notes, salvage=salvage)
            ImageFacts(width=image.width, height=image.height, grey=False)
            with quiet_stderr() if image.format == "TIFF" else nullcontext():
                image.load()
            if structure.ends_early:
                text = "ends early: its end mark is missing"
                notes.append(Note(NoteCode.ENDS_EARLY, text))
            if structure.trailing and image.format in _KNOWN_ENDS:
                text = f"{structure.trailing} bytes after the picture are left out"
                notes.append(Note(NoteCode.TRAILING_BYTES, text))
            return _to_picture(image, structure, self.options, notes)

    def _check_jpeg(self, notes: list[Note]) -> None:
        """Check the coded data of a JPEG: Pillow does not say that they are damaged.

        Raises:
            InputError: they are damaged.
        """
        from vqcodec.signals.jpeg_damage import find_damage  # another library, for JPEG alone

        self.file.seek(0)
        damage, num_unused = find_damage(self.file.read())
        if damage is not None:
            raise InputError(f"damaged: {damage}")
        if num_unused:
            text = f"{num_unused} bytes before its end mark belong to no pixel: it may be damaged"
            notes.append(Note(NoteCode.DAMAGED, text))

    def _choose_frame(self, image: Image.Image, notes: list[Note], *, salvage: bool) -> None:
        """Go to the chosen frame, and add a note on the other frames."""
        try:
            count = int(getattr(image, "n_frames", 1))
        except DAMAGE:
            if not salvage:
                raise
            count = self.options.frame + 1
        if self.options.frame >= count:
            raise InputError(f"--frame {self.options.frame}: it has frames 0 … {count - 1}")
        if count > 1:
            image.seek(self.options.frame)
            is_paged = image.format in ("TIFF", "MPO", "PSD", "ICO", "ICNS", "HEIF")
            code = NoteCode.PAGES_LEFT_OUT if is_paged else NoteCode.FRAMES_LEFT_OUT
            if image.format == "PSD":
                return  # its layers are in the picture
            if image.format == "MPO":  # previews and gain maps, as phones write them
                code = NoteCode.METADATA_DROPPED
            word = "pages or pictures" if is_paged else "frames"
            text = (
                f"{count - 1} further {word} are left out; "
                f"'compress --frame N' chooses one of 0 … {count - 1}, this is {self.options.frame}"
            )
            notes.append(Note(code, text))


def _refuse_preview(image: Image.Image) -> None:
    """Check that the first page of a TIFF is no preview of a larger picture, as in raw photos.

    Raises:
        InputError: it is a preview.
    """
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    if tags is None:
        return
    is_reduced = bool(int(tags.get(_KIND_OF_PAGE) or 0) & 1)
    if _DNG_VERSION in tags or (is_reduced and _OTHER_PAGES in tags):
        raise InputError(
            "a raw photo of a camera, of which only a preview could be read; "
            "save it as TIFF or PNG in the program that you develop photos with"
        )


def _to_picture(
    image: Image.Image, structure: PictureStructure, options: ReadOptions, notes: list[Note]
) -> Picture:
    """Return a picture of the loaded pixels, with all notes."""
    metadata = take_metadata(image, options, notes)
    icc_profile = image.info.get("icc_profile") or None
    image = upright(image)
    if image.mode in ("LAB", "HSV"):
        text = f"{image.mode} values are converted to RGB"
        notes.append(Note(NoteCode.COLOUR_CONVERTED, text))
    if image.mode == "CMYK":
        image, note = cmyk_to_srgb(image, icc_profile)
        icc_profile = None
        notes.append(note)
    pixels, alpha = pixels_of(image)
    if depth_of(image, structure) > 8 and pixels.dtype == np.uint8:
        text = "its channels of more than 8 bits become 8: only grey without opacity keeps them"
        notes.append(Note(NoteCode.DEPTH_REDUCED, text))
    space = b"GRAY" if pixels.shape[2] == 1 else b"RGB "
    if icc_profile and icc_profile[16:20] != space:
        text = f"its colour profile of {len(icc_profile)} bytes is for other channels: left out"
        notes.append(Note(NoteCode.COLOUR_DROPPED, text))
        icc_profile = None
    elif structure.has_profile and not icc_profile:
        text = "its colour profile is damaged: left out"
        notes.append(Note(NoteCode.COLOUR_DROPPED, text))
    elif icc_profile and not is_usable(icc_profile):
        text = f"its colour profile of {len(icc_profile)} bytes is damaged: left out"
        notes.append(Note(NoteCode.COLOUR_DROPPED, text))
        icc_profile = None
    coloured = describe_colour(pixels, icc_profile, structure)
    notes += coloured.notes
    if coloured.icc_profile is not None and not options.keep_profile:
        coloured = without_profile(coloured.pixels, coloured.icc_profile)
        notes += coloured.notes
    notes += note_on_profile(coloured.icc_profile)
    return Picture(
        coloured.pixels, alpha, coloured.icc_profile, metadata=metadata, notes=tuple(notes)
    )
