"""Files <-> signals: which kind a file is, and which format a name asks for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, TypeAlias

from vqcodec.errors import InputError
from vqcodec.signals import picture_files as image
from vqcodec.signals import sound_files as audio
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip, Sound

Signal: TypeAlias = Picture | AudioClip
LazySignal: TypeAlias = Picture | Sound  # a sound need not be in memory


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
    if _holds_sound(source, label):
        return audio.read_clip(source, label)
    return image.read_picture(source, label)


def open_signal(file: BinaryIO, name: str) -> LazySignal:
    """Return the picture in a file, or the sound, which is read while the file stays open.

    Args:
        file: open for reading; has to seek.
        name: the file's name, for its suffix and for messages.

    Raises:
        InputError: the file is damaged, or neither a sound nor a picture.
    """
    if _holds_sound(file, name):
        return audio.AudioFile(file, name)
    return image.read_picture(file, name)


def write_signal(signal: LazySignal, file: BinaryIO, format: str) -> None:
    """Write a signal in one of the formats for its kind; the file has to seek for a sound.

    Raises:
        UsageError: the format is for the other kind, or cannot hold transparency.
        OutputError: the format cannot hold this signal, or the file cannot be written.
    """
    if isinstance(signal, Picture):
        image.write_picture(signal, file, format)
    else:
        audio.write_clip(signal, file, format)


def least_bytes(signal: LazySignal, format: str) -> int:
    """Return what a signal takes at least in a file of a format, as far as that is known before."""
    return 0 if isinstance(signal, Picture) else audio.least_bytes(signal, format)


def _holds_sound(file: BinaryIO, label: str) -> bool:
    """Return whether a file holds a sound, not a picture.

    Raises:
        InputError: neither its content nor its name says so.
    """
    suffix = Path(label).suffix.lower()
    if _begins_like_a_sound(file):
        return True
    if image.is_picture(file):
        return False
    if suffix not in audio.SUFFIXES and suffix not in image.SUFFIXES:
        raise InputError(
            f"{label}: neither a sound ({_names(audio.SUFFIXES)}, …) "
            f"nor a picture ({_names(image.SUFFIXES)}, …)"
        )
    return suffix in audio.SUFFIXES


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
