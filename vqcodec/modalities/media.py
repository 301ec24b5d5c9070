"""Files <-> signals: which kind a file is, and which format a name asks for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, TypeAlias

from vqcodec.errors import InputError, UsageError
from vqcodec.modalities.audio import media as audio
from vqcodec.modalities.audio.signal import AudioClip
from vqcodec.modalities.image import media as image
from vqcodec.modalities.image.signal import Picture

Signal: TypeAlias = Picture | AudioClip


def read_signal(source: Path | BinaryIO, name: str | None = None) -> Signal:
    """Return the sound or the picture in a file: its content decides, then its name.

    Args:
        source: a path, or a file open for reading.
        name: the file's name, for its suffix and for messages.

    Raises:
        InputError: the file is missing, damaged, or neither a sound nor a picture.
    """
    label = name or str(source if isinstance(source, Path) else "input")
    if isinstance(source, Path):
        try:
            with source.open("rb") as file:
                return read_signal(file, label)
        except OSError as error:
            raise InputError(f"{label}: {error.strerror or error}") from error
    if not source.seekable():
        source = io.BytesIO(source.read())
    suffix = Path(label).suffix.lower()
    if _begins_like_a_sound(source):
        return audio.read_clip(source, label)
    if image.is_picture(source):
        return image.read_picture(source, label)
    if suffix in audio.SUFFIXES:
        return audio.read_clip(source, label)
    if suffix in image.SUFFIXES:
        return image.read_picture(source, label)
    raise InputError(
        f"{label}: neither a sound ({_names(audio.SUFFIXES)}, …) "
        f"nor a picture ({_names(image.SUFFIXES)}, …)"
    )


def write_signal(signal: Signal, file: BinaryIO, format: str) -> None:
    """Write a signal in one of the formats for its kind.

    Raises:
        UsageError: the format is for the other kind, or cannot hold transparency.
        OutputError: the format cannot hold this signal, or the file cannot be written.
    """
    if isinstance(signal, Picture):
        image.write_picture(signal, file, format)
    else:
        audio.write_clip(signal, file, format)


def default_suffix(signal: Signal) -> str:
    """Return the suffix of a file that holds the signal without loss."""
    return ".png" if isinstance(signal, Picture) else ".wav"


def format_of(path: Path, signal: Signal) -> str:
    """Return the format that a file name asks for.

    Raises:
        UsageError: the suffix is of no format in which such a signal is written.
    """
    kind, suffixes = (
        ("picture", image.SUFFIXES) if isinstance(signal, Picture) else ("sound", audio.SUFFIXES)
    )
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise UsageError(f"{path}: a {kind} is written as {_names(suffixes)}")
    return suffixes[suffix]


def _begins_like_a_sound(file: BinaryIO) -> bool:
    """Return whether the content begins like a sound; the file is left where it was."""
    position = file.tell()
    start = file.read(12)
    file.seek(position)
    family, kind = start[:4], start[8:12]
    if family in (b"RIFF", b"RIFX", b"FORM"):
        return kind in (b"WAVE", b"AIFF", b"AIFC")
    is_mpeg = len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0  # frame sync
    return is_mpeg or family in (b"fLaC", b"OggS", b".snd", b"caff", b"RF64") or start[:3] == b"ID3"


def _names(suffixes: dict[str, str]) -> str:
    return ", ".join(suffixes)
