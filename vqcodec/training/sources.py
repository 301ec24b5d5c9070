"""The files of a training by their names: in folders, in lists, and in tar archives.

A name is a path, or the path of an archive and the name of a member in it, as
"shards/000.tar/cat.jpg". Archives are read in place, member by member in any order, so that the
excerpts of a step do not depend on the order of files (WebDataset shards are such archives).
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO

from vqcodec.errors import InputError
from vqcodec.signals.views import FileView, read_at

ARCHIVE = ".tar"
LIST = "@"  # "@NAME" is a file that names one source in each line
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")  # without random access
_BUFFER_BYTES = 1 << 16
_MOST_LIST_BYTES = 1 << 30

Members = Mapping[str, tuple[int, int]]  # start and stop in the archive, by the name of a member


def find_names(sources: Iterable[str | Path], suffixes: Collection[str]) -> list[str]:
    """Return the names of all files with one of the suffixes, sorted, each once.

    Args:
        sources: files, folders (searched recursively), tar archives (also inside folders), and
            lists ("@NAME").
        suffixes: in lower case.

    Raises:
        InputError: a source does not exist or cannot be read, or no file has such a suffix.
    """
    named = [os.fspath(source) for source in sources]
    found: set[str] = set()
    for source in _without_lists(named):
        found.update(_names_in(source, suffixes))
    if not found:
        where = ", ".join(named) or "no folder"
        raise InputError(f"{where}: no file ending in {', '.join(sorted(suffixes))}")
    return in_order(found)


def in_order(names: Iterable[str]) -> list[str]:
    """Return names sorted folder by folder: the files of a folder stay together."""
    return sorted(names, key=lambda name: PurePath(name).parts)


@contextmanager
def open_name(name: str | Path) -> Iterator[BinaryIO]:
    """Open a file or a member of an archive for reading and seeking, as a block.

    Raises:
        InputError: it cannot be opened.
    """
    path, inside = _split(os.fspath(name))
    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115 - ten thousand paths a minute; closed below
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error
    with file:
        if inside is None:
            yield file
            return
        place = _members(path).get(inside)
        if place is None:
            raise InputError(f"{path}: has no member {inside}")
        yield io.BufferedReader(FileView(file, [place]), _BUFFER_BYTES)


def _without_lists(sources: Iterable[str]) -> Iterator[str]:
    """Yield all sources, with the lines of lists in place of their names."""
    for source in sources:
        if not source.startswith(LIST) or os.path.lexists(source):
            yield source
            continue
        path = source.removeprefix(LIST)
        try:
            if Path(path).stat().st_size > _MOST_LIST_BYTES:
                raise InputError(f"{path}: too large for a list of files")
            lines = Path(path).read_bytes().splitlines()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        names = [os.fsdecode(line) for line in lines if line]
        if any("\0" in name for name in names):
            raise InputError(f"{path}: not a list of files")
        yield from names


def _names_in(source: str, suffixes: Collection[str]) -> Iterator[str]:
    """Yield the names of a file, a folder or an archive that have one of the suffixes."""
    try:
        is_folder = stat.S_ISDIR(os.stat(source).st_mode)  # noqa: PTH116 - much faster
    except OSError as error:
        raise InputError(f"{source}: no such file or folder") from error
    paths = map(str, Path(source).rglob("*")) if is_folder else [source]
    for path in paths:
        suffix = PurePosixPath(path).suffix.lower()
        if suffix == ARCHIVE:
            if Path(path).is_file():
                members = _members(path)
                yield from (f"{path}/{name}" for name in members if _suffix(name) in suffixes)
        elif suffix in suffixes:
            if Path(path).is_file():
                yield path
        elif not is_folder and path.lower().endswith(_COMPRESSED):
            raise InputError(
                f"{path}: unpack it to .tar first, so that it can be read in any order"
            )


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _split(name: str) -> tuple[str, str | None]:
    """Return the path of a file, and the name of a member if the file is an archive."""
    start = 0
    while (place := name.find(f"{ARCHIVE}/", start)) >= 0:
        start = place + len(ARCHIVE)
        if Path(name[:start]).is_file():
            return name[:start], name[start + 1 :]
    return name, None


def _members(path: str) -> Members:
    """Return where the files of an archive are.

    Raises:
        InputError: it is damaged, or not an archive without compression.
    """
    try:
        facts = os.stat(path)  # noqa: PTH116
        return _read_members(path, facts.st_size, facts.st_mtime_ns)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a tar archive: {error}") from error


@cache
def _read_members(path: str, size: int, _changed: int) -> Members:
    """Read the headers of an archive of `size` bytes, once; its contents are not read."""
    members: dict[str, tuple[int, int]] = {}
    with tarfile.open(path, "r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # would grow to all headers
            if not member.isreg() or member.sparse is not None:
                continue
            start, stop = member.offset_data, member.offset_data + member.size
            if stop > size:
                raise InputError(f"{path}: damaged: ends within {member.name}")
            members[member.name.removeprefix("./")] = (start, stop)
        end = archive.offset
    with Path(path).open("rb") as file:
        if read_at(file, end, tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise InputError(f"{path}: damaged: byte {end} is neither a member nor the end")
    return members
