"""Files <-> signals: which kind a file is.

The readers of sounds and pictures are imported where they are needed: a command starts faster.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from vqcodec.errors import InputError
from vqcodec.notes import Note
from vqcodec.signals.options import DEFAULT, ReadOptions
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip, Sound
from vqcodec.signals.suffixes import PICTURE_FORMATS, SOUND_FORMATS
from vqcodec.signals.views import FileView, length_of

Signal: TypeAlias = Picture | AudioClip
LazySignal: TypeAlias = Picture | Sound  # a sound need not be in memory
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # how the most common ones begin


def read_signal(
    source: Path | BinaryIO, name: str | None = None, *, options: ReadOptions = DEFAULT
) -> Signal:
    """Return the sound or the picture in a file: its content decides, then its name.

    Args:
        source: a path, or a file open for reading.
        name: the file's name, for its suffix and for messages.
        options: how to read.

    Raises:
        InputError: the file is missing, damaged, or neither a sound nor a picture.
    """
    label = name or str(source if isinstance(source, Path) else "input")
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                return read_signal(file, label, options=options)
        with _seekable(source) as file:
            signal = open_signal(file, label, options=options)
            return signal if isinstance(signal, Picture) else AudioClip.of_sound(signal)
    except OSError as error:
        raise InputError(f"{label}: {error.strerror or error}") from error
    except MemoryError as error:
        raise InputError(f"{label}: a sound larger than the memory") from error


@contextmanager
def _seekable(source: BinaryIO) -> Iterator[BinaryIO]:
    """Give a file that can seek: the source, or a copy on disk of what is left of it."""
    if getattr(source, "seekable", lambda: False)():
        yield source
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.seek(0)
        yield copy


def open_signal(file: BinaryIO, name: str, *, options: ReadOptions = DEFAULT) -> LazySignal:
    """Return the picture in a file, or the sound, which is read while the file stays open.

    Its `notes` say what was left out or changed; those of a sound are complete once it is read.

    Args:
        file: open for reading; has to seek. It is read from its position to its end.
        name: the file's name, for its suffix and for messages.
        options: how to read.

    Raises:
        InputError: the file is damaged, neither a sound nor a picture, or has no such frame.
    """
    start = file.tell()
    if start:  # its readers go back to the start of what they see
        file = cast(BinaryIO, FileView(file, [(start, length_of(file))]))
    signal = _open(file, name, options)
    if options.frame and not isinstance(signal, Picture):
        raise InputError(f"{name}: is a sound, and has no frame {options.frame}")
    return signal


def _open(file: BinaryIO, name: str, options: ReadOptions) -> LazySignal:
    suffix = Path(name).suffix.lower()
    start = file.tell()
    magic = file.read(max(map(len, _PICTURES)))
    file.seek(start)
    if not magic:
        raise InputError(f"{name}: is empty")
    if magic.startswith(_PICTURES):
        from vqcodec.signals import picture_files as image

        return image.read_picture(file, name, options=options)

    from vqcodec.signals import sound_files as audio
    from vqcodec.signals.libsndfile import NotASoundError
    from vqcodec.signals.sound_formats import begins_like_sound

    if begins_like_sound(file):
        return audio.AudioFile(file, name, options)

    from vqcodec.signals import picture_files as image

    if image.is_picture(file, name):
        return image.read_picture(file, name, options=options)
    try:
        return audio.AudioFile(file, name, options)
    except NotASoundError as error:
        if suffix in SOUND_FORMATS:
            raise
        if suffix in PICTURE_FORMATS:
            return image.read_picture(file, name, options=options)  # says what is wrong
        raise InputError(
            f"{name}: neither a sound ({', '.join(SOUND_FORMATS)}, …) "
            f"nor a picture ({', '.join(PICTURE_FORMATS)}, …)"
        ) from error


def notes_of(signal: LazySignal) -> tuple[Note, ...]:
    """Return what the reader of a signal left out or changed; a sound has to be read before."""
    return tuple(getattr(signal, "notes", ()))


def check_file(path: Path, *, options: ReadOptions = DEFAULT) -> None:
    """Read a file to its end, in constant memory.

    Raises:
        InputError: it is missing, damaged, or neither a sound nor a picture.
    """
    try:
        with path.open("rb") as file:
            signal = open_signal(file, str(path), options=options)
            for _ in () if isinstance(signal, Picture) else signal.blocks():
                pass
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def write_signal(signal: LazySignal, file: BinaryIO, format: str) -> None:
    """Write a signal in one of the formats for its kind; the file has to seek for a sound.

    Raises:
        UsageError: the format is for the other kind, or cannot hold transparency.
        OutputError: the format cannot hold this signal, or the file cannot be written.
    """
    if isinstance(signal, Picture):
        from vqcodec.signals import picture_files as image

        image.write_picture(signal, file, format)
    else:
        from vqcodec.signals import sound_files as audio

        audio.write_clip(signal, file, format)


def notes_on_writing(signal: LazySignal, format: str) -> list[Note]:
    """Return what a format cannot hold of a signal that can be written in it."""
    if isinstance(signal, Picture):
        from vqcodec.signals import picture_files as image

        return image.notes_on_writing(signal, format)
    from vqcodec.signals import sound_files as audio

    return audio.notes_on_writing(signal, format)


def least_bytes(signal: LazySignal, format: str) -> int:
    """Return what a signal takes at least in a file of a format, as far as that is known before."""
    if isinstance(signal, Picture):
        return 0
    from vqcodec.signals import sound_files as audio

    return audio.least_bytes(signal, format)
