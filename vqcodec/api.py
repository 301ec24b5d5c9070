"""The public functions of `vqcodec`; each imports its modules when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, Union

from vqcodec import files, storage
from vqcodec.errors import InputError, UsageError
from vqcodec.urls import is_url, local_name

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from vqcodec.codec.model import Model
    from vqcodec.notes import Note
    from vqcodec.signals.files import LazySignal, Signal
    from vqcodec.signals.options import ReadOptions
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.sound import Sound

PathLike: TypeAlias = Union[str, "os.PathLike[str]"]
SignalLike: TypeAlias = Union["Picture", "Sound", "NDArray[Any]", "Image.Image", PathLike]
_DEFAULT_QUALITY = 5.0


def load(name: PathLike) -> Model:
    """Return the model with this name, fingerprint, file path or URL.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: the file is damaged or is not a model.
    """
    from vqcodec.codec.zoo import load_model

    return load_model(os.fspath(name))


def read(source: PathLike | BinaryIO, *, options: ReadOptions | None = None) -> Signal:
    """Return the picture or the sound in a file; its content decides which, then its name.

    Args:
        source: a path, a URL as in `s3://bucket/a.png`, or a binary file that is open for reading.
        options: what to do with damage, colour profiles, further frames and metadata.

    Raises:
        InputError: the file is missing, damaged, or neither a picture nor a sound.
        UsageError: the source is neither a path nor a file.
    """
    from vqcodec.signals.files import read_signal
    from vqcodec.signals.options import DEFAULT

    options = options or DEFAULT

    if isinstance(source, str | os.PathLike):
        with _open(source) as file:
            return read_signal(file, os.fspath(source), options=options)
    if not hasattr(source, "read"):
        raise UsageError(f"source: {_kind(source)}, needed a path or a binary file")
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
    from vqcodec.signals import picture_files, sound_files
    from vqcodec.signals.files import write_signal
    from vqcodec.signals.picture import Picture

    name = local_name(os.fspath(path))
    target = Path(name)
    with _signal_of(signal, sample_rate) as found:
        is_picture = isinstance(found, Picture)
        suffixes = picture_files.SUFFIXES if is_picture else sound_files.SUFFIXES
        if target.suffix.lower() not in suffixes:
            kind = "picture" if is_picture else "sound"
            raise UsageError(f"{target}: a {kind} is written as {', '.join(suffixes)}")
        with _writing(name) as file:
            write_signal(found, file, suffixes[target.suffix.lower()])


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
    from vqcodec.codec.zoo import choose_model
    from vqcodec.signals.files import notes_of
    from vqcodec.signals.measures import MeasuredSound
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.picture_colour import refuse_huge_profile

    with _signal_of(signal, sample_rate, options) as found:
        is_picture = isinstance(found, Picture)
        if psnr_db is not None and not is_picture:
            raise UsageError("psnr_db: is for pictures; a sound has quality or size_bytes")
        reasons: list[Note] = []
        if model is None:
            choice = choose_model(found)
            model, reasons = choice.name, [choice.note] if choice.note else []
        chosen = _model_of(model)
        measured: LazySignal
        if isinstance(found, Picture):
            measured = found
            if size_bytes is not None:
                refuse_huge_profile(found.icc_profile, size_bytes)
        else:
            mixed_down = chosen.mixes_down(found.num_channels, separate_channels=separate_channels)
            measured = MeasuredSound(found, band_hz=chosen.band_hz, mixed_down=mixed_down)
        stream = _stream_of(
            measured,
            chosen,
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


def _stream_of(
    signal: LazySignal,
    model: Model,
    *,
    quality: float | None,
    size_bytes: int | None,
    psnr_db: float | None,
    separate_channels: bool,
    progressive: bool,
    progress: Callable[[float], None] | None,
) -> bytes:
    """Return the stream that meets one of three goals, or has the default quality."""
    from vqcodec.codec.search import compress_to_psnr, compress_to_target
    from vqcodec.signals.picture import Picture

    if size_bytes is not None:
        return compress_to_target(
            model.parts,
            signal,
            size_bytes=size_bytes,
            separate_channels=separate_channels,
            progressive=progressive,
            progress=progress,
        )
    if psnr_db is not None:
        assert isinstance(signal, Picture)
        return compress_to_psnr(
            model.parts, signal, psnr_db=psnr_db, progressive=progressive, progress=progress
        )
    return model.compress(
        signal,
        quality=_DEFAULT_QUALITY if quality is None else quality,
        separate_channels=separate_channels,
        progressive=progressive,
        progress=progress,
    )


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

    data = _bytes_of(stream)
    fingerprint = parse_header(FieldReader(data)).fingerprint.hex()
    chosen = _model_of(fingerprint if model is None else model)
    if speaker is None:
        return chosen.decompress(data, level=level, salvage=salvage, progress=progress)
    from vqcodec.signals.picture import Picture

    with _signal_of(speaker, None) as recording:
        if isinstance(recording, Picture):
            raise UsageError("speaker: is a picture, needed a sound")
        return chosen.decompress(
            data, level=level, speaker=recording, salvage=salvage, progress=progress
        )


@contextmanager
def _signal_of(
    value: SignalLike, sample_rate: int | None, options: ReadOptions | None = None
) -> Iterator[LazySignal]:
    """Give the signal of an argument; a file stays open until the end of the block."""
    import numpy as np

    from vqcodec.signals.arrays import picture_of_array, sound_of_array
    from vqcodec.signals.files import open_signal
    from vqcodec.signals.options import DEFAULT
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.sound import Sound

    if isinstance(value, np.ndarray):
        if sample_rate is not None:
            yield sound_of_array(value, sample_rate)
        else:
            yield picture_of_array(value)
    elif sample_rate is not None:
        raise UsageError(f"sample_rate: is for arrays, and the signal is {_kind(value)}")
    elif isinstance(value, str | os.PathLike):
        with _open(value) as file:
            yield open_signal(file, os.fspath(value), options=options or DEFAULT)
    elif isinstance(value, Picture | Sound):
        yield value
    elif _is_pillow_image(value):
        from vqcodec.signals.picture_files import picture_of_image

        yield picture_of_image(value)
    else:
        raise UsageError(
            f"signal: {_kind(value)}, needed a Picture, a Sound, a NumPy array, a Pillow image "
            "or the path of a file"
        )


def _is_pillow_image(value: object) -> bool:
    """Return whether a value is a Pillow image; if Pillow is not loaded, no value is."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _open(path: PathLike) -> BinaryIO:
    """Open a sound or a picture.

    Raises:
        InputError: the file cannot be opened, or holds a stream.
    """
    from vqcodec.bitstream.header import MAGIC

    name = local_name(os.fspath(path))
    try:
        file = storage.fetch(name) if is_url(name) else Path(name).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: {error.strerror or error}") from error
    if file.read(len(MAGIC)) == MAGIC:
        file.close()
        raise InputError(f"{os.fspath(path)}: is a stream; vqcodec.decompress takes it")
    file.seek(0)
    return file


def _bytes_of(stream: object) -> bytes:
    if isinstance(stream, bytes | bytearray | memoryview):
        return bytes(stream)
    if not isinstance(stream, str | os.PathLike):
        raise UsageError(f"stream: {_kind(stream)}, needed bytes, or the path of a file")
    name = local_name(os.fspath(stream))
    if is_url(name):
        return storage.read(name)
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{os.fspath(stream)}: {error.strerror or error}") from error


def _model_of(model: Model | PathLike) -> Model:
    """Return a model; a model given by name is cached until its file changes."""
    from vqcodec.codec.model import Model
    from vqcodec.codec.zoo import find_model

    if isinstance(model, str | os.PathLike) and is_url(os.fspath(model)):
        return _load_url_once(os.fspath(model))
    if isinstance(model, str | os.PathLike):
        path = find_model(os.fspath(model)).path
        facts = path.stat()
        return _load_once(path, facts.st_mtime_ns, facts.st_size)
    if not isinstance(model, Model):
        raise UsageError(f"model: {_kind(model)}, needed a Model, or its name, fingerprint or path")
    return model


@lru_cache(maxsize=4)
def _load_once(path: Path, mtime_ns: int, size_bytes: int) -> Model:  # noqa: ARG001
    return load(path)


@lru_cache(maxsize=4)
def _load_url_once(url: str) -> Model:
    return load(url)


def _kind(value: object) -> str:
    """Return the name of a value's type, with its article, for messages."""
    name = type(value).__qualname__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
