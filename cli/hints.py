"""Mistaken command lines, and what to write instead."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from vqcodec.errors import CorruptStreamError, InputError, VqcodecError

from .console import display_name
from .paths import STDIO, read_source


def refuse_stream(file: BinaryIO, name: str) -> None:
    """Check that a file to be compressed is not a stream; it is left at its start.

    Raises:
        InputError: it is one.
    """
    if _begins_like_a_stream(file):
        raise InputError(f"{name}: is a stream already; 'vqcodec decompress' restores it")


def is_stream(name: str) -> bool:
    """Return whether there is a file of this name that begins like a stream."""
    try:
        if not Path(name).is_file():  # a pipe is read once
            return False
        with Path(name).open("rb") as file:
            return _begins_like_a_stream(file)
    except OSError:
        return False


def _begins_like_a_stream(file: BinaryIO) -> bool:
    """Return whether a file at its start does; it is left there."""
    from vqcodec.bitstream.header import MAGIC

    start = file.read(len(MAGIC))
    file.seek(0)
    return start == MAGIC


def read_stream(source: str) -> bytes:
    """Return the bytes of a file with a stream, or of stdin for "-".

    Raises:
        InputError: it cannot be read.
        CorruptStreamError: it is a sound or a picture. Other files are returned as they are.
        UsageError: stdin is a terminal.
    """
    from vqcodec.bitstream.header import MAGIC

    stream = read_source(source)
    if stream and not stream.startswith(MAGIC):
        kind = _kind_of_signal(stream, source)
        if kind is not None:
            raise CorruptStreamError(
                f"{display_name(source)}: is {kind}, not a stream; 'vqcodec compress' makes one"
            )
    return stream


def _kind_of_signal(data: bytes, name: str) -> str | None:
    """Return what a message calls the signal in a file; None if there is none."""
    from vqcodec.signals.files import open_signal
    from vqcodec.signals.picture import Picture

    try:
        signal = open_signal(io.BytesIO(data), name)
    except VqcodecError:
        return None
    return "a picture" if isinstance(signal, Picture) else "a sound"


def hint_at_dashes(arguments: Sequence[str]) -> str | None:
    """Return what to write for a file whose name begins like an option; None if there is none."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for name in before:
        if name.startswith("-") and name != STDIO and Path(name).is_file():
            return f"a file name that begins with - goes after --, as in: -- {shlex.quote(name)}"
    return None
