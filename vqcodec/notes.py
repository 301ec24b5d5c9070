"""Notes: warnings about changed or ignored parts of an input, returned beside the result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from vqcodec.errors import InputError


class NoteCode(StrEnum):
    """Short, stable names of notes, shown by `--json`."""

    ENDS_EARLY = "ends-early"  # fewer samples than the header says, or no end mark
    WRONG_LENGTH = "wrong-length"  # more samples than the header says; all are read
    TRAILING_BYTES = "trailing-bytes"  # bytes after the sound or picture are ignored
    STREAM_LEFT_OUT = "stream-left-out"  # a further stream cannot be joined to the first
    DAMAGED = "damaged"  # damaged parts are missing or silent
    CLIPPED = "clipped"  # samples beyond full scale
    MIXED_DOWN = "mixed-down"  # different channels become one
    CANCELS = "cancels"  # the mono mix is far quieter than its channels
    ABOVE_BAND = "above-band"  # energy above the model's bandwidth
    FRAMES_LEFT_OUT = "frames-left-out"  # later frames of an animation are ignored
    PAGES_LEFT_OUT = "pages-left-out"  # later pages or pictures of a file are ignored
    DEPTH_REDUCED = "depth-reduced"  # colours of more than 8 bits
    COLOUR_CONVERTED = "colour-converted"  # pixel values were converted to sRGB
    COLOUR_DROPPED = "colour-dropped"  # colour metadata that is neither kept nor applied
    PROFILE_LARGE = "profile-large"  # a colour profile that makes the stream large
    OPACITY_DROPPED = "opacity-dropped"  # indices hold colours alone
    METADATA_DROPPED = "metadata-dropped"  # EXIF and the like
    LARGER = "larger"  # the result is larger than the input
    MISNAMED = "misnamed"  # the suffix of the output says something else
    NOT_SPEECH = "not-speech"  # a sound that the model for speech does not code well
    NO_VOICE = "no-voice"  # the recording of a speaker in which nothing is voiced
    MODEL_CHOSEN = "model-chosen"  # which model codes the input, and why


# Intended losses. Every phone photo has such a note, so only `--json` shows it.
QUIET_CODES = frozenset({NoteCode.METADATA_DROPPED})
# Nothing is lost, so `--strict` does not refuse them.
HARMLESS_CODES = frozenset({NoteCode.MODEL_CHOSEN, NoteCode.NO_VOICE})


@dataclass(frozen=True, slots=True)
class Note:
    """One fact that a user should know about an input.

    Attributes:
        code: the kind of note.
        text: one sentence without the file's name, without a full stop.
    """

    code: NoteCode
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def quiet(self) -> bool:
        """Whether the note is shown by `--json` only, not on stderr."""
        return self.code in QUIET_CODES


def printable(text: str) -> str:
    """Return one line for a terminal: control characters, also line breaks, become escapes."""
    if text.isprintable():
        return text
    shown = (
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return "".join(shown)


def printable_lines(text: str) -> str:
    """Return lines for a terminal: `printable`, but line breaks and tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def refuse_notes(notes: Iterable[Note], name: str) -> None:
    """Raise an error if there are notes, for `--strict`; quiet and harmless notes are ignored.

    Args:
        notes: from the reader.
        name: of the file, for the message.

    Raises:
        InputError: a note is not quiet; the message lists all such notes.
    """
    ignored = QUIET_CODES | HARMLESS_CODES
    reasons = [note.text for note in notes if note.code not in ignored]
    if reasons:
        raise InputError(f"{name}: refused by --strict: {'; '.join(reasons)}")
