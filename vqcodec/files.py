"""Atomic writing of files, and the search for files in folders."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO

from vqcodec.errors import InputError, OutputError

# Error numbers that mean: hard links are not possible here.
_NO_LINKS = {
    errno.EPERM,
    errno.EACCES,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
    errno.EXDEV,
}
_MOST_SUFFIXES = 16  # are named in a message
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL


@contextmanager
def replacing(name: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """Give the path of an empty temporary file, which is renamed to `name` after the block.

    The temporary file lies in the same folder and has the same suffix. It is flushed to disk before
    it is renamed, so that a crash leaves the complete old file or the complete new one. If the
    block fails, the temporary file is removed. If `name` is a symbolic link, the link stays and
    its target is replaced.

    Args:
        name: of the file to write.
        overwrite: whether an existing file is replaced. The new file then has the permissions of
            the old one. If false, a file that appears while the block runs is kept.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be written.
    """
    final = final_path(name)
    with naming_failures(name):
        old_mode = _mode_to_replace(final, name, overwrite=overwrite)
        temporary = final.with_name(f".vqcodec-{os.urandom(8).hex()}{final.suffix}")
        try:
            # The temporary file must not be readable by more users than the old file.
            mode = _create(temporary, 0o666 if old_mode is None else old_mode | 0o600)
            yield temporary
            _flush(temporary, mode if old_mode is None else old_mode)
            if overwrite:
                temporary.replace(final)
            else:
                _move_to_free_name(temporary, final, name)
            _flush_folder(final.parent)
        finally:
            try:
                temporary.unlink(missing_ok=True)
            finally:  # a signal can raise an exception before the file is removed
                temporary.unlink(missing_ok=True)


@contextmanager
def writing(name: str | Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a file for writing, seeking and reading, as a block; see `replacing`.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be written.
    """
    with replacing(name, overwrite=overwrite) as temporary, temporary.open("r+b") as file:
        yield file


def write_text(name: str | Path, text: str, *, overwrite: bool) -> None:
    """Write text as a UTF-8 file; see `replacing`.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be written.
    """
    with writing(name, overwrite=overwrite) as file:
        file.write(text.encode())


@contextmanager
def naming_failures(name: str | Path) -> Iterator[None]:
    """Turn an OSError in the block into an OutputError that begins with the name.

    An OutputError without the name is given it.
    """
    try:
        yield
    except OutputError as error:
        if str(error).startswith(f"{name}:"):
            raise
        raise OutputError(f"{name}: {error}") from error
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror or error}") from error


def as_text(name: str) -> str:
    """Return the name of a file as valid Unicode; bytes that are no UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_file(path: str | Path) -> bool:
    """Return whether a file is there; False if the path cannot be examined, as a too long one."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def is_folder(path: str | Path) -> bool:
    """Return whether a folder is there; False for a path that cannot be examined."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def final_path(name: str | Path) -> Path:
    """Return the path with all symbolic links resolved."""
    return Path(os.path.realpath(name))


def is_hidden(inside: str) -> bool:
    """Return whether a path, within a folder or an archive, is hidden, or in a hidden folder."""
    return any(part.startswith(".") for part in PurePath(inside).parts)


def files_below(folder: str | Path) -> Iterator[str]:
    """Yield the paths of all files in a folder, at any depth, without hidden files and folders.

    Linked folders are not searched.
    """
    for parent, folders, files in os.walk(os.fspath(Path(folder))):
        folders[:] = [name for name in folders if not is_hidden(name)]
        paths = (os.path.join(parent, name) for name in files if not is_hidden(name))  # noqa: PTH118
        yield from (path.removeprefix(f".{os.sep}") for path in paths)


def is_dangling(path: str | Path) -> bool:
    """Return whether a path is a link to a missing file."""
    return os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114


def some_of(suffixes: Collection[str]) -> str:
    """Return suffixes for a message: sorted, or the first ones of many, in their order."""
    if len(suffixes) <= _MOST_SUFFIXES:
        return ", ".join(sorted(suffixes))
    return ", ".join([*islice(suffixes, _MOST_SUFFIXES), "…"])


def find_files(sources: Iterable[Path], suffixes: Collection[str]) -> list[Path]:
    """Return files, sorted: those that are named, and those in folders with one of the suffixes.

    Folders are searched recursively; hidden files and folders in them are left out. A link to a
    missing file is among the files, so that its reader names it.

    Raises:
        InputError: a source does not exist, or there is no such file.
    """
    found: set[Path] = set()
    sources = list(sources)
    for source in sources:
        if not is_file(source) and not is_folder(source):
            raise InputError(f"{source}: No such file or directory")
        if is_file(source):
            found.add(source)
            continue
        below = map(Path, files_below(source))
        wanted = (path for path in below if path.suffix.lower() in suffixes)
        found.update(path for path in wanted if is_file(path) or is_dangling(path))
    if not found:
        where = ", ".join(map(str, sources)) or "no folder"
        raise InputError(f"{where}: no file ending in {some_of(suffixes)}")
    return sorted(found)


def _mode_to_replace(final: Path, name: str | Path, *, overwrite: bool) -> int | None:
    """Return the permissions of the file to replace, or None if no file exists."""
    try:
        mode = final.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise OutputError(f"{name}: is a folder")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{name}: is not a file that can be replaced")
    if not overwrite:
        raise _exists(name)
    return stat.S_IMODE(mode) & 0o777


def _exists(name: str | Path) -> OutputError:
    return OutputError(f"{name}: exists, and is kept")


def _create(path: Path, mode: int) -> int:
    """Make a new, empty file and return its permissions: `mode` less the umask."""
    descriptor = os.open(path, _NEW_FILE, mode)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _flush(path: Path, mode: int) -> None:
    """Set a file's permissions (a library may have changed them) and flush it to disk."""
    with path.open("r+b") as file:
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
        os.fsync(file.fileno())


def _move_to_free_name(temporary: Path, final: Path, name: str | Path) -> None:
    """Rename a file, unless a file already has the new name; there is no race.

    Raises:
        OutputError: a file already has the new name.
    """
    try:
        try:
            os.link(temporary, final)  # unlike a rename, a link never replaces a file
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Without hard links: claim the name with an empty file, then replace that file.
            _create(final, 0o600)
            try:
                temporary.replace(final)
            except BaseException:
                final.unlink(missing_ok=True)
                raise
    except FileExistsError as error:
        raise _exists(name) from error


def _flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, if the system supports it."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    with suppress(OSError):  # some file systems cannot flush folders; the file itself is complete
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
