"""Hints for common mistakes on the command line."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from vqcodec import storage
from vqcodec.errors import CorruptStreamError, InputError, VqcodecError
from vqcodec.files import is_file
from vqcodec.urls import is_url

from .console import display_name
from .paths import STDIO, read_source


def refuse_stream(file: BinaryIO, name: str) -> None:
    """Check that a file to compress is not a stream; the file position returns to 0.

    Raises:
        InputError: the file is a stream.
    """
    if _begins_like_a_stream(file):
        raise InputError(f"{name}: is a stream already; 'vqcodec decompress' restores it")


def is_stream(name: str) -> bool:
    """Return whether a file of this name exists and begins like a stream."""
    if is_url(name):
        with suppress(VqcodecError):
            return _begins_like_a_stream(io.BytesIO(storage.read_start(name, 64)))
        return False
    try:
        if not is_file(name):  # a pipe is read once
            return False
        with Path(name).open("rb") as file:
            return _begins_like_a_stream(file)
    except OSError:
        return False


def _begins_like_a_stream(file: BinaryIO) -> bool:
    """Return whether a file begins with a stream's magic bytes; its position returns to 0."""
    from vqcodec.bitstream.header import MAGIC

    start = file.read(len(MAGIC))
    file.seek(0)
    return start == MAGIC


def read_stream(source: str) -> bytes:
    """Return the bytes of a stream's file, or of stdin for "-".

    Only sounds and pictures are refused here; other files are returned unchecked.

    Raises:
        InputError: the file cannot be read.
        CorruptStreamError: the file is a sound or a picture.
        UsageError: stdin is a terminal.
    """
    from vqcodec.bitstream.header import MAGIC

    stream = read_source(source, MAGIC)
    if not stream:
        raise CorruptStreamError(f"{display_name(source)}: is empty")
    if not stream.startswith(MAGIC):
        kind = _kind_of_signal(stream, source)
        if kind is not None:
            raise CorruptStreamError(
                f"{display_name(source)}: is {kind}, not a stream; 'vqcodec compress' makes one"
            )
    return stream


def _kind_of_signal(data: bytes, name: str) -> str | None:
    """Return "a picture" or "a sound" for a file's contents; None for other contents."""
    from vqcodec.signals.files import open_signal
    from vqcodec.signals.picture import Picture

    try:
        signal = open_signal(io.BytesIO(data), name)
    except VqcodecError:
        return None
    return "a picture" if isinstance(signal, Picture) else "a sound"


def hint_at_dashes(arguments: Sequence[str]) -> str | None:
    """Return a hint if an argument is a file whose name begins with "-"; None otherwise."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for name in before:
        if name.startswith("-") and name != STDIO and is_file(name):
            return f"a file name that begins with - goes after --, as in: -- {shlex.quote(name)}"
    return None
