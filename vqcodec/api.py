"""The public functions of `vqcodec`; each imports its modules when it is called."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vqcodec import files, storage
from vqcodec.arguments import (
    PathLike,
    SignalLike,
    bytes_of,
    check_options,
    kind_of,
    model_of,
    name_of,
    open_signal_file,
    signal_of,
)
from vqcodec.errors import UsageError
from vqcodec.urls import is_url

if TYPE_CHECKING:
    from vqcodec.codec.model import Model
    from vqcodec.notes import Note
    from vqcodec.signals.files import Signal
    from vqcodec.signals.options import ReadOptions


def load(name: PathLike) -> Model:
    """Return the model with this name, fingerprint, file path or URL.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: the file is damaged or is not a model.
        UsageError: the name has a wrong type.
    """
    from vqcodec.codec.zoo import load_model

    return load_model(name_of(name))


def read(source: PathLike | BinaryIO, *, options: ReadOptions | None = None) -> Signal:
    """Return the picture or the sound in a file; its content decides which, then its name.

    Args:
        source: a path, a URL as in `s3://bucket/a.png`, or a binary file that is open for reading,
            which is read from its position to its end.
        options: what to do with damage, colour profiles, further frames and metadata.

    Raises:
        InputError: the file is missing, damaged, or neither a picture nor a sound.
        UsageError: the source is neither a path nor a binary file.
    """
    from vqcodec.signals.files import read_signal
    from vqcodec.signals.options import DEFAULT

    check_options(options)
    options = options or DEFAULT
    if isinstance(source, str | os.PathLike):
        with open_signal_file(source) as file:
            return read_signal(file, os.fspath(source), options=options)
    if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
        raise UsageError(f"source: {kind_of(source)}, needed a path or a binary file")
    return read_signal(source, options=options)


def write(path: PathLike, signal: SignalLike, *, sample_rate: int | None = None) -> None:
    """Write a picture or a sound to a file; the suffix of its name decides the format.

    The file appears when it is complete, and replaces an existing file.

    Args:
        path: of the file, or its URL.
        signal: a picture or a sound, in any form that `compress` takes.
        sample_rate: of an array of samples, in Hz.

    Raises:
        UsageError: no format for the signal has this suffix, or `signal` has a wrong type.
        OutputError: the format cannot hold the signal, or the file cannot be written.
    """
    from vqcodec.signals.files import write_signal
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.suffixes import PICTURE_FORMATS, SOUND_FORMATS

    name = name_of(path)
    target = Path(name)
    with signal_of(signal, sample_rate) as found:
        is_picture = isinstance(found, Picture)
        formats = PICTURE_FORMATS if is_picture else SOUND_FORMATS
        if target.suffix.lower() not in formats:
            kind = "picture" if is_picture else "sound"
            raise UsageError(f"{target}: a {kind} is written as {', '.join(formats)}")
        with _writing(name) as file:
            write_signal(found, file, formats[target.suffix.lower()])


def _writing(name: str) -> AbstractContextManager[BinaryIO]:
    """Return what opens a path or a URL for writing, to replace what is there."""
    if is_url(name):
        return storage.writing(name, overwrite=True)
    return files.writing(name, overwrite=True)


def compress(
    signal: SignalLike,
    *,
    model: Model | PathLike | None = None,
    quality: float | None = None,
    size_bytes: int | None = None,
    psnr_db: float | None = None,
    sample_rate: int | None = None,
    separate_channels: bool = False,
    progressive: bool = False,
    options: ReadOptions | None = None,
    on_note: Callable[[Note], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """Return the stream of a picture or a sound.

    Args:
        signal: a `Picture`; a `Sound`; the path of a file; a Pillow image; or a NumPy array. A
            picture is an array [H, W], [H, W, 3] or [H, W, 4] of uint8, uint16 or floats 0 … 1. A
            sound is an array [T] or [C, T] of floats -1 … 1, int16 or int32.
        model: a model, or its name, fingerprint or file. Default: `image` for pictures;
            `speech` for voices; `audio` for other sounds, if it is installed.
        quality: 1 … 10; higher is better and larger. Default: 5.
        size_bytes: the largest allowed stream size, instead of a quality.
        psnr_db: the PSNR that a picture must reach, instead of a quality.
        sample_rate: of an array of samples, in Hz; makes an array a sound.
        separate_channels: code every channel of a sound instead of the mean of the channels.
        progressive: code a picture in levels, coarsest first; see `decompress`.
        options: how a file is read, as `read` takes them.
        on_note: is told of everything that was left out or changed, when the stream is done.
        progress: is called with the share done, 0 … 1.

    Raises:
        UsageError: an argument has a wrong type or value.
        InputError: a file cannot be read, or the signal is larger than the format holds.
        MissingModelError: no such model is installed.
        ModelFileError: the model's file is damaged.
    """
    goals = {"quality": quality, "size_bytes": size_bytes, "psnr_db": psnr_db}
    given = [name for name, value in goals.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: give only one of them")
    from vqcodec.codec.search import compress_to_goal
    from vqcodec.codec.zoo import choose_model
    from vqcodec.signals.files import notes_of
    from vqcodec.signals.icc_profiles import refuse_huge_profile
    from vqcodec.signals.picture import Picture

    with signal_of(signal, sample_rate, options) as found:
        is_picture = isinstance(found, Picture)
        if psnr_db is not None and not is_picture:
            raise UsageError("psnr_db: is for pictures; a sound has quality or size_bytes")
        reasons: list[Note] = []
        if model is None:
            choice = choose_model(found)
            model, reasons = choice.name, [choice.note] if choice.note else []
        chosen = model_of(model)
        if isinstance(found, Picture) and size_bytes is not None:
            refuse_huge_profile(found.icc_profile, size_bytes)
        measured = chosen.measured(found, separate_channels=separate_channels)
        stream = compress_to_goal(
            chosen.parts,
            measured,
            quality=quality,
            size_bytes=size_bytes,
            psnr_db=psnr_db,
            separate_channels=separate_channels,
            progressive=progressive,
            progress=progress,
        )
        if on_note is not None:
            for note in (*reasons, *notes_of(measured)):
                on_note(note)
        return stream


def decompress(
    stream: bytes | bytearray | memoryview | PathLike,
    *,
    model: Model | PathLike | None = None,
    level: int | None = None,
    speaker: SignalLike | None = None,
    salvage: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Signal:
    """Return the picture or the sound of a stream.

    `Model.open` decodes a sound block by block, or only a part of it.

    Args:
        stream: the bytes that `compress` returned, or the path or URL of a file that holds them.
        model: a model, or its name, fingerprint or file. Default: the installed model
            that the stream names.
        level: the last level of a picture to decode; a lower level gives a coarser picture. A
            progressive stream may end after that level.
        speaker: a recording of the target voice, or its path, for models with voices.
        salvage: restore what is whole of a damaged stream; the signal's notes say what is missing.
        progress: is called with the share done, 0 … 1.

    Raises:
        StreamError: the stream is damaged, or of a newer version.
        MissingModelError: the model that the stream names is not installed.
        UsageError: an argument has a type or a value that it cannot have; or the sound is too long
            to be held in memory.
        InputError: a file cannot be read.
    """
    from vqcodec.bitstream.fields import FieldReader
    from vqcodec.bitstream.header import parse_header
    from vqcodec.bitstream.salvage import salvage_header

    data = bytes_of(stream)
    if model is None:
        header = salvage_header(data)[0] if salvage else parse_header(FieldReader(data))
        model = header.fingerprint.hex()
    chosen = model_of(model)
    if speaker is None:
        return chosen.decompress(data, level=level, salvage=salvage, progress=progress)
    from vqcodec.signals.picture import Picture

    with signal_of(speaker, None) as recording:
        if isinstance(recording, Picture):
            raise UsageError("speaker: is a picture, needed a sound")
        return chosen.decompress(
            data, level=level, speaker=recording, salvage=salvage, progress=progress
        )
