"""Notes: what a reader changed or left out, told beside the result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from vqcodec.errors import InputError


class NoteCode(StrEnum):
    """Short stable names of notes, as `--json` shows them."""

    ENDS_EARLY = "ends-early"  # fewer samples than the header says, or no end mark
    WRONG_LENGTH = "wrong-length"  # the header says less than there is; all is read
    TRAILING_BYTES = "trailing-bytes"  # bytes after the sound or picture are left out
    STREAM_LEFT_OUT = "stream-left-out"  # a further stream cannot be joined to the first
    DAMAGED = "damaged"  # damaged parts are missing or silent
    CLIPPED = "clipped"  # samples beyond full scale
    CANCELS = "cancels"  # a mix-down far quieter than its channels
    ABOVE_BAND = "above-band"  # energy above what the model codes
    FRAMES_LEFT_OUT = "frames-left-out"  # further frames of an animation
    PAGES_LEFT_OUT = "pages-left-out"  # further pages or pictures of a file
    DEPTH_REDUCED = "depth-reduced"  # colours of more than 8 bits
    COLOUR_CONVERTED = "colour-converted"  # pixel values were converted to sRGB
    COLOUR_DROPPED = "colour-dropped"  # a description of colour that is neither kept nor applied
    PROFILE_LARGE = "profile-large"  # a colour profile that makes the stream large
    METADATA_DROPPED = "metadata-dropped"  # EXIF and the like
    LARGER = "larger"  # the result is larger than the input
    MISNAMED = "misnamed"  # the suffix of the output says something else


# Notes on what is lost by intent, so that every photo of a phone has one: for `--json` alone.
QUIET_CODES = frozenset({NoteCode.METADATA_DROPPED})


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a user should know of an input.

    Attributes:
        code: which thing.
        text: one sentence without the file's name, without a full stop.
    """

    code: NoteCode
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def quiet(self) -> bool:
        """Whether the note belongs in `--json` but not on stderr."""
        return self.code in QUIET_CODES


def refuse_notes(notes: Iterable[Note], name: str) -> None:
    """Turn notes into an error, for `--strict`; quiet notes are no reason.

    Args:
        notes: what the reader said.
        name: what the message calls the file.

    Raises:
        InputError: there is a note that is not quiet; the message has all of them.
    """
    reasons = [note.text for note in notes if not note.quiet]
    if reasons:
        raise InputError(f"{name}: refused by --strict: {'; '.join(reasons)}")
