"""The files of a training by their names: in folders, lists, tar archives, and at URLs.

A name is a path or a URL, or that of an archive and the name of a member in it, as
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

from vqcodec import storage
from vqcodec.errors import InputError
from vqcodec.files import files_below, is_dangling, is_file, is_folder, is_hidden, some_of
from vqcodec.notes import printable
from vqcodec.signals.views import FileView, length_of, read_at
from vqcodec.stderr import tell
from vqcodec.urls import is_url, local_name

ARCHIVE = ".tar"
LIST = "@"  # "@NAME" is a file that names one source in each line
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")  # without random access
MOST_NAMED = 3  # files of another kind, on stderr
_BUFFER_BYTES = 1 << 16
_MOST_LIST_BYTES = 1 << 30

Members = Mapping[str, tuple[int, int]]  # start and stop in the archive, by the name of a member


def find_names(sources: Iterable[str | Path], suffixes: Collection[str]) -> list[str]:
    """Return the names of all files with one of the suffixes, sorted, each once.

    Hidden files and folders in a folder or an archive are left out. A named file with another
    suffix is left out, too, and named on stderr.

    Args:
        sources: files, folders (searched recursively), tar archives (also inside folders), URLs
            of them, and lists ("@NAME").
        suffixes: in lower case.

    Raises:
        InputError: a source does not exist or cannot be read, or no file has such a suffix.
        UsageError: a URL has an unknown scheme, or its package is not installed.
    """
    named = [os.fspath(source) for source in sources]
    found: set[str] = set()
    others: list[str] = []  # named files of another kind
    for source in _without_lists(named):
        names = list(_names_in(source, suffixes))
        found.update(names)
        if not names and not is_url(source) and not is_folder(source):
            others += [source] if _suffix(source) not in (ARCHIVE, *suffixes) else []
    if not found:
        where = ", ".join(named) or "no folder"
        endings = some_of(suffixes)
        if len(others) == len(named) > 0:
            raise InputError(f"{where}: unsupported suffix, needed one of {endings}")
        raise InputError(f"{where}: no file ending in {endings}")
    if others:
        more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        text = f"vqcodec: left out, as of another kind: {', '.join(others[:MOST_NAMED])}{more}"
        tell(printable(text))
    return in_order(found)


def in_order(names: Iterable[str]) -> list[str]:
    """Return names sorted folder by folder: the files of a folder stay together."""
    return sorted(names, key=lambda name: PurePath(name).parts)


@contextmanager
def open_name(name: str | Path) -> Iterator[BinaryIO]:
    """Open a file or a member of an archive for reading and seeking, as a block.

    At a URL, the file or the member is read into memory first.

    Raises:
        InputError: it cannot be opened.
    """
    path, inside = _split(os.fspath(name))
    if is_url(path):
        content = storage.read(path) if inside is None else _read_member(path, inside)
        yield io.BytesIO(content)
        return
    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115 - ten thousand paths a minute; closed below
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error
    with file:
        if inside is None:
            yield file
            return
        yield io.BufferedReader(FileView(file, [_place_of(path, inside)]), _BUFFER_BYTES)


def _place_of(path: str, inside: str) -> tuple[int, int]:
    place = _members(path).get(inside)
    if place is None:
        raise InputError(f"{path}: has no member {inside}")
    return place


def _read_member(url: str, inside: str) -> bytes:
    start, stop = _place_of(url, inside)
    return storage.read_range(url, start, stop) if stop > start else b""


def _without_lists(sources: Iterable[str]) -> Iterator[str]:
    """Yield all sources, with the lines of lists in place of their names."""
    for source in sources:
        if not source.startswith(LIST) or os.path.lexists(source):
            yield source
            continue
        path = source.removeprefix(LIST)
        if is_url(path):
            yield from _lines(path, storage.read(path))
            continue
        try:
            if Path(path).stat().st_size > _MOST_LIST_BYTES:
                raise InputError(f"{path}: too large for a list of files")
            content = Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        yield from _lines(path, content)


def _lines(path: str, content: bytes) -> Iterator[str]:
    """Yield the lines of a list that are not empty."""
    if b"\0" in content:
        raise InputError(f"{path}: not a list of files")
    yield from (os.fsdecode(line) for line in content.splitlines() if line)


def _names_in(source: str, suffixes: Collection[str]) -> Iterator[str]:
    """Yield the names of a file, a folder or an archive that have one of the suffixes."""
    if is_url(source):
        found = storage.search(source)
        urls = [source] if found is None else [file.url for file in found[1]]
        for url in urls:
            yield from _names_of(url, suffixes)
        return
    source = local_name(source)
    try:
        in_folder = stat.S_ISDIR(os.stat(source).st_mode)  # noqa: PTH116 - much faster
    except OSError as error:
        raise InputError(f"{source}: No such file or directory") from error
    paths = files_below(source) if in_folder else [source]
    for path in paths:
        is_wanted = _suffix(path) in (ARCHIVE, *suffixes)
        if is_wanted and (is_file(path) or is_dangling(path)):
            yield from _names_of(path, suffixes)
        elif is_wanted and not in_folder:  # a named pipe, a device
            raise InputError(f"{path}: not a regular file, so it cannot be read in any order")
        elif not in_folder and path.lower().endswith(_COMPRESSED):
            raise InputError(
                f"{path}: unpack it to .tar first, so that it can be read in any order"
            )


def _names_of(path: str, suffixes: Collection[str]) -> Iterator[str]:
    """Yield the name of a file if it has one of the suffixes, or those in an archive."""
    if _suffix(path) == ARCHIVE:
        yield from (
            f"{path}/{name}"
            for name in _members(path)
            if _suffix(name) in suffixes and not is_hidden(name)
        )
    elif _suffix(path) in suffixes:
        yield path


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _split(name: str) -> tuple[str, str | None]:
    """Return the path of a file, and the name of a member if the file is an archive."""
    start = 0
    while (place := name.find(f"{ARCHIVE}/", start)) >= 0:
        start = place + len(ARCHIVE)
        if is_url(name) or is_file(name[:start]):
            return name[:start], name[start + 1 :]
    return name, None


def _members(path: str) -> Members:
    """Return where the files of an archive are.

    Raises:
        InputError: it is damaged, or not an archive without compression.
    """
    try:
        if is_url(path):
            return _members_at_url(path)
        facts = os.stat(path)  # noqa: PTH116
        return _members_of_file(path, facts.st_size, facts.st_mtime_ns)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a tar archive: {error}") from error


@cache
def _members_at_url(url: str) -> Members:
    with storage.opened(url) as file:
        return _read_members(url, file)


@cache
def _members_of_file(path: str, _size: int, _changed: int) -> Members:
    with Path(path).open("rb") as file:
        return _read_members(path, file)


def _read_members(path: str, file: BinaryIO) -> Members:
    """Read the headers of an archive; its contents are not read."""
    members: dict[str, tuple[int, int]] = {}
    size = length_of(file)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # would grow to all headers
            if not member.isreg() or member.sparse is not None:
                continue
            start, stop = member.offset_data, member.offset_data + member.size
            if stop > size:
                raise InputError(f"{path}: damaged: ends within {member.name}")
            members[member.name.removeprefix("./")] = (start, stop)
        end = archive.offset
    if read_at(file, end, tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise InputError(f"{path}: damaged: byte {end} is neither a member nor the end")
    return members
