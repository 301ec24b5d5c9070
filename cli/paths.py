"""Files on the command line: "-", URLs, formats, checks of targets, and atomic writing."""

from __future__ import annotations

import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

from vqcodec import storage
from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.files import final_path, is_folder, naming_failures, writing
from vqcodec.urls import is_url, local_name

from .console import write_stdout

STDIO = "-"
STREAM_SUFFIX = ".vqc"
_COPIED = 1 << 20  # bytes per copied block
_MOST_OTHER = 1 << 26  # bytes that are read of a file of another kind


def read_source(name: str, magic: bytes = b"") -> bytes:
    """Return the bytes of a file or a URL, or of stdin for "-".

    Of a file or of stdin that does not begin with `magic`, only the first 64 MiB are read.

    Raises:
        InputError: the file cannot be read.
        UsageError: stdin is a terminal, or the URL's store cannot be used.
    """
    name = local_name(name)
    if is_url(name):
        return storage.read(name)
    try:
        if name != STDIO:
            with Path(name).open("rb") as file:
                return _read(file, magic)
        _refuse_terminal()
        return _read(sys.stdin.buffer, magic)
    except OSError as error:
        raise _unreadable(name, error) from error


def _read(file: BinaryIO, magic: bytes) -> bytes:
    start = file.read(len(magic))
    return start + (file.read() if start == magic else file.read(_MOST_OTHER))


def _unreadable(name: str, error: OSError) -> InputError:
    """Return the error for an input that cannot be opened or read."""
    hint = ""
    if isinstance(error, FileNotFoundError) and name.startswith("-"):
        hint = "; all that follows -- is the name of a file, so options go before it"
    return InputError(f"{name}: {error.strerror}{hint}")


def _refuse_terminal() -> None:
    if sys.stdin is None:
        raise UsageError("stdin: is closed; pipe a file into it, or name one")
    if sys.stdin.isatty():
        raise UsageError("stdin: is a terminal; pipe a file into it, or give a file name")


def open_source(name: str) -> BinaryIO:
    """Return a file open for reading with seeks.

    For "-", a pipe or a URL, it is a temporary file with all that can be read.

    Raises:
        InputError: the file cannot be opened.
        UsageError: stdin is a terminal, or the URL's store cannot be used.
    """
    name = local_name(name)
    if is_url(name):
        return storage.fetch(name)
    try:
        if name == STDIO:
            _refuse_terminal()
            return _spooled(sys.stdin.buffer)
        file = Path(name).open("rb")  # noqa: SIM115 - the caller closes it
        if file.seekable():
            return file
        with file:
            return _spooled(file)
    except OSError as error:
        raise _unreadable(name, error) from error


def _spooled(file: BinaryIO) -> BinaryIO:
    """Return a temporary file with what can be read from a pipe."""
    spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(file, spool, _COPIED)
    spool.seek(0)
    return spool


def choose_format(modality: str, named: str | None, file_format: str | None) -> tuple[str, str]:
    """Return the suffix of an output, and its format for `write_signal`.

    Args:
        modality: "image" or "audio".
        named: the output path, if the user has given one.
        file_format: the value of --format, which overrides the suffix of `named`; or None.

    Raises:
        UsageError: the modality has no such format.
    """
    from vqcodec.signals.suffixes import PICTURE_FORMATS, SOUND_FORMATS

    formats = SOUND_FORMATS if modality == "audio" else PICTURE_FORMATS
    if file_format is not None:
        suffix = f".{file_format.lower().removeprefix('.')}"
    else:
        suffix = Path(named).suffix.lower() if named else next(iter(formats))
    if suffix not in formats:
        kind = "a sound" if modality == "audio" else "a picture"
        wanted = f"--format {file_format}" if file_format is not None else named
        raise UsageError(f"{wanted}: {kind} is written as {', '.join(formats)}")
    return suffix, formats[suffix]


class Kind(Enum):
    """The kind of file at a path."""

    NOTHING = auto()
    FILE = auto()
    FOLDER = auto()
    SPECIAL = auto()  # a pipe or a device: written to, never replaced


def kind_of(name: str) -> Kind:
    """Return the kind of file at a path or a URL.

    Raises:
        OutputError: the path cannot be examined.
        UsageError: the URL's store cannot be used.
    """
    if is_url(name):
        return Kind[storage.kind_of(name).name]
    try:
        mode = Path(name).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Kind.NOTHING
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.FILE if stat.S_ISREG(mode) else Kind.SPECIAL


def check_target(name: str, *, force: bool) -> None:
    """Check a target before the work begins.

    Raises:
        UsageError: the target is a terminal, or its store is not written to.
        OutputError: the target is a folder, its folder does not exist, or the target exists and
            `force` is false.
    """
    if name == STDIO:
        if sys.stdout is None:
            raise OutputError("stdout: is closed; use -o")
        if sys.stdout.isatty():
            raise UsageError("stdout: is a terminal; use -o, or a pipe")
        return
    if is_url(name):
        storage.check_writable(name)
    kind = kind_of(name)
    if kind is Kind.FOLDER:
        raise OutputError(f"{name}: is a folder")
    if kind is Kind.FILE and not force:
        raise OutputError(f"{name}: exists; -f overwrites it")
    if is_url(name):
        return
    if kind is Kind.NOTHING and (name.endswith("/") or not is_folder(final_path(name).parent)):
        folder = shlex.quote(name if name.endswith("/") else _missing_parent(name))
        raise OutputError(f"{name}: no such folder; make it with: mkdir -p {folder}")


def require_apart(targets: Iterable[str], inputs: Iterable[str | None]) -> None:
    """Check that targets replace none of the files that a command reads.

    Raises:
        UsageError: it does.
    """
    kept = {identity(name) for name in inputs if name is not None and name != STDIO}
    for target in targets:
        if target != STDIO and identity(target) in kept:
            raise UsageError(f"{target}: is an input, and inputs are kept")


def identity(name: str) -> str:
    """Return what two names of one file have in common."""
    return name if is_url(name) else str(final_path(name))


def _missing_parent(name: str) -> str:
    """Return the folder that a target needs; of a link, the one that it points into."""
    parent = Path(name).parent
    if not is_folder(parent):
        return str(parent)
    needed, here = final_path(name).parent, final_path(".")
    return str(needed.relative_to(here) if needed.is_relative_to(here) else needed)


@contextmanager
def open_target(name: str, *, force: bool, keep_equal: bool = False) -> Iterator[BinaryIO]:
    """Open a target for writing, seeking and reading; the file appears after the block.

    If the block fails, nothing is written.

    Args:
        name: a path, a URL, or "-".
        force: whether an existing file is replaced.
        keep_equal: whether an existing file with the same content is left in its place: an
            interrupted run may have written it.

    Raises:
        UsageError: as `check_target`.
        OutputError: as `check_target`, or writing fails.
    """
    check_target(name, force=force or keep_equal)
    if keep_equal and not force and kind_of(name) is Kind.FILE:
        with tempfile.TemporaryFile() as spool:
            yield spool
            if not _has_content(name, spool):
                check_target(name, force=False)
        return
    if is_url(name):
        with storage.writing(name, overwrite=force) as file:
            yield file
        return
    if name == STDIO or kind_of(name) is Kind.SPECIAL:
        with (
            naming_failures("stdout" if name == STDIO else name),
            tempfile.TemporaryFile() as spool,
        ):
            yield spool
            spool.seek(0)
            _send(name, spool)
    else:
        with writing(name, overwrite=force) as file:
            yield file


def _has_content(name: str, file: BinaryIO) -> bool:
    """Return whether a file or a URL equals an open file."""
    if is_url(name):
        return storage.has_content(name, file)
    file.seek(0)
    with naming_failures(name), Path(name).open("rb") as found:
        return storage.same_content(found, file)


def _send(name: str, spool: BinaryIO) -> None:
    """Copy a spooled result to stdout, or to a named pipe or device."""
    parts = iter(lambda: spool.read(_COPIED), b"")
    if name == STDIO:
        for part in parts:
            write_stdout(part)
        return
    with Path(name).open("wb") as device:
        if device.isatty():
            raise UsageError(f"{name}: is a terminal; use a file, or a pipe")
        device.writelines(parts)


def check_space(name: str, num_bytes: int) -> None:
    """Check that the disk of a target has enough free space, before it is filled.

    Raises:
        OutputError: fewer than `num_bytes` bytes are free.
    """
    spooled = name == STDIO or is_url(name) or kind_of(name) is Kind.SPECIAL
    folder = tempfile.gettempdir() if spooled else final_path(name).parent
    with naming_failures(name):
        free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise OutputError(f"{name}: needs {num_bytes} bytes, but only {free} are free")
