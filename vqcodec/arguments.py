"""What the public functions take: a signal, a stream or a model, each in several forms."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, Union

from vqcodec import storage
from vqcodec.errors import InputError, UsageError
from vqcodec.urls import is_url, local_name

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from vqcodec.codec.model import Model
    from vqcodec.signals.files import LazySignal
    from vqcodec.signals.options import ReadOptions
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.sound import Sound

PathLike: TypeAlias = Union[str, "os.PathLike[str]"]
SignalLike: TypeAlias = Union["Picture", "Sound", "NDArray[Any]", "Image.Image", PathLike]


def name_of(path: object) -> str:
    """Return the text of a path or URL; that of a `file://` URL is its path.

    Raises:
        UsageError: it is neither, or no file can have this name.
    """
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str):
        raise UsageError(f"path: {kind_of(path)}, needed a str or a Path")
    if "\0" in name:
        raise UsageError(f"path: {name!r}: no file can have a null character in its name")
    return local_name(name)


def check_options(options: ReadOptions | None) -> None:
    """Check the type of options.

    Raises:
        UsageError: they are no `ReadOptions`.
    """
    from vqcodec.signals.options import ReadOptions

    if not isinstance(options, ReadOptions | None):
        raise UsageError(f"options: {kind_of(options)}, needed a vqcodec.ReadOptions")


@contextmanager
def signal_of(
    value: SignalLike, sample_rate: int | None, options: ReadOptions | None = None
) -> Iterator[LazySignal]:
    """Give the signal of an argument; a file stays open until the end of the block.

    Raises:
        InputError: a file cannot be read.
        UsageError: the argument has a wrong type or value.
    """
    import numpy as np

    from vqcodec.signals.arrays import picture_of_array, sound_of_array
    from vqcodec.signals.files import open_signal
    from vqcodec.signals.options import DEFAULT
    from vqcodec.signals.picture import Picture
    from vqcodec.signals.sound import Sound

    check_options(options)
    if isinstance(value, np.ndarray):
        if sample_rate is not None:
            yield sound_of_array(value, sample_rate)
        else:
            yield picture_of_array(value)
    elif sample_rate is not None:
        raise UsageError(f"sample_rate: is for arrays, and the signal is {kind_of(value)}")
    elif isinstance(value, str | os.PathLike):
        with open_signal_file(value) as file:
            yield open_signal(file, os.fspath(value), options=options or DEFAULT)
    elif isinstance(value, Picture | Sound):
        yield value
    elif _is_pillow_image(value):
        from vqcodec.signals.picture_files import picture_of_image

        yield picture_of_image(value)
    else:
        raise UsageError(
            f"signal: {kind_of(value)}, needed a Picture, a Sound, a NumPy array, a Pillow image "
            "or the path of a file"
        )


def _is_pillow_image(value: object) -> bool:
    """Return whether a value is a Pillow image; if Pillow is not loaded, no value is."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def open_signal_file(path: PathLike) -> BinaryIO:
    """Open a sound or a picture.

    Raises:
        InputError: the file cannot be opened, or holds a stream.
        UsageError: no file can have this name.
    """
    from vqcodec.bitstream.header import MAGIC

    name = name_of(path)
    try:
        file = storage.fetch(name) if is_url(name) else Path(name).open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: {error.strerror or error}") from error
    if file.read(len(MAGIC)) == MAGIC:
        file.close()
        raise InputError(f"{os.fspath(path)}: is a stream; vqcodec.decompress takes it")
    file.seek(0)
    return file


def bytes_of(stream: object) -> bytes:
    """Return the bytes of a stream, or of the file with this path or URL.

    Raises:
        InputError: the file cannot be read.
        UsageError: the argument is something else.
    """
    if isinstance(stream, bytes | bytearray | memoryview):
        return bytes(stream)
    if not isinstance(stream, str | os.PathLike):
        raise UsageError(f"stream: {kind_of(stream)}, needed bytes, or the path of a file")
    name = name_of(stream)
    if is_url(name):
        return storage.read(name)
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{os.fspath(stream)}: {error.strerror or error}") from error


def model_of(model: Model | PathLike) -> Model:
    """Return a model; a model given by name is cached until its file changes.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: its file is damaged.
        UsageError: the argument is something else.
    """
    from vqcodec.codec.model import Model
    from vqcodec.codec.zoo import find_model

    if isinstance(model, str | os.PathLike) and is_url(os.fspath(model)):
        return _load_url_once(os.fspath(model))
    if isinstance(model, str | os.PathLike):
        path = find_model(os.fspath(model)).path
        facts = path.stat()
        return _load_once(path, facts.st_mtime_ns, facts.st_size)
    if not isinstance(model, Model):
        raise UsageError(
            f"model: {kind_of(model)}, needed a Model, or its name, fingerprint or path"
        )
    return model


@lru_cache(maxsize=4)
def _load_once(path: Path, mtime_ns: int, size_bytes: int) -> Model:  # noqa: ARG001
    from vqcodec.codec.zoo import load_model

    return load_model(str(path))


@lru_cache(maxsize=4)
def _load_url_once(url: str) -> Model:
    from vqcodec.codec.zoo import load_model

    return load_model(url)


def kind_of(value: object) -> str:
    """Return the name of a value's type, with its article, for messages."""
    name = type(value).__qualname__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
