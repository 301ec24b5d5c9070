"""Files in object stores and on servers: reading, atomic writing and listing."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.files import naming_failures
from vqcodec.url_schemes import Writing, known_scheme, naming_store_failures, open_store
from vqcodec.urls import folder_of_pattern, has_magic, parent_of, scheme_of

_COPIED = 1 << 20  # bytes per compared block
_READ_AHEAD = 1 << 16  # bytes; files that are opened are searched, not read as a whole


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that was found in a store, and its size if the store told it."""

    url: str
    size_bytes: int | None


class EntryKind(Enum):
    """What there is at a URL."""

    NOTHING = auto()
    FILE = auto()
    FOLDER = auto()


def read(url: str) -> bytes:
    """Return the contents of a file.

    Raises:
        InputError: it cannot be read.
        UsageError: the URL has an unknown scheme, or its package is not installed.
    """
    store, place = open_store(url)
    with naming_store_failures(url, InputError):
        return bytes(store.cat_file(place))


def read_start(url: str, size_bytes: int) -> bytes:
    """Return the first bytes of a file; raises as `read`."""
    store, place = open_store(url)
    with naming_store_failures(url, InputError):
        return bytes(store.cat_file(place, start=0, end=size_bytes))


def read_range(url: str, start: int, stop: int) -> bytes:
    """Return the bytes start … stop - 1 of a file; raises as `read`."""
    store, place = open_store(url)
    with naming_store_failures(url, InputError):
        return bytes(store.cat_file(place, start=start, end=stop))


@contextmanager
def opened(url: str) -> Iterator[BinaryIO]:
    """Open a file for reading and seeking, as a block; raises as `read`, also within the block."""
    store, place = open_store(url)
    with (
        naming_store_failures(url, InputError),
        store.open(place, "rb", block_size=_READ_AHEAD) as file,
    ):
        yield file


def fetch(url: str) -> BinaryIO:
    """Return a temporary file with the contents of a file; the caller closes it.

    Raises:
        InputError: it cannot be read.
        UsageError: the URL has an unknown scheme, or its package is not installed.
    """
    store, place = open_store(url)
    copy = tempfile.NamedTemporaryFile(prefix="vqcodec-")  # noqa: SIM115 - the caller closes it
    try:
        with naming_store_failures(url, InputError):
            store.get_file(place, copy.name)
            copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy  # type: ignore[return-value]


def kind_of(url: str) -> EntryKind:
    """Return what there is at a URL.

    Raises:
        OutputError: the store does not say.
        UsageError: the URL has an unknown scheme, or its package is not installed.
    """
    store, place = open_store(url)
    with naming_store_failures(url, OutputError):
        store.invalidate_cache()
        try:
            kind = store.info(place)["type"]
        except FileNotFoundError:
            return EntryKind.NOTHING
    return EntryKind.FOLDER if kind == "directory" else EntryKind.FILE


def check_writable(url: str) -> None:
    """Check that files can be written to the store of a URL.

    Raises:
        UsageError: they cannot, or its package is not installed.
    """
    if known_scheme(url).writing is Writing.NEVER:
        raise UsageError(f"{url}: {scheme_of(url)}:// is only read")
    open_store(url)


@contextmanager
def writing(url: str, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a temporary file for writing, seeking and reading; it is put to a URL after the block.

    Raises:
        OutputError: there is a file already and `overwrite` is false, or writing fails.
        UsageError: the store is only read, or its package is not installed.
    """
    check_writable(url)
    with naming_failures(url), tempfile.NamedTemporaryFile(prefix="vqcodec-") as copy:
        yield copy  # type: ignore[misc]
        copy.flush()
        put(copy.name, url, overwrite=overwrite)


def put(path: str, url: str, *, overwrite: bool) -> None:
    """Copy a local file to a URL, where it appears when it is complete.

    Raises:
        OutputError: there is a file already and `overwrite` is false, or writing fails.
        UsageError: the store is only read, or its package is not installed.
    """
    check_writable(url)
    store, place = open_store(url)
    with naming_store_failures(url, OutputError):
        try:
            if known_scheme(url).writing is Writing.PUT:
                _put_object(store, path, place, overwrite=overwrite)
            else:
                _put_and_move(store, path, place, overwrite=overwrite)
        except FileExistsError as error:
            raise OutputError(f"{url}: exists, and is kept") from error


def _put_object(store: Any, path: str, place: str, *, overwrite: bool) -> None:
    if overwrite:
        store.put_file(path, place)
        return
    try:
        store.put_file(path, place, mode="create")  # the server refuses an existing name
    except FileExistsError:
        raise
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOSYS:
            raise
        if store.exists(place):  # the server has no conditional requests
            raise FileExistsError(place) from None
        store.put_file(path, place)


def _put_and_move(store: Any, path: str, place: str, *, overwrite: bool) -> None:
    target = PurePosixPath(place)
    temporary = str(target.with_name(f".vqcodec-{os.urandom(8).hex()}{target.suffix}"))
    store.makedirs(str(target.parent), exist_ok=True)
    try:
        store.put_file(path, temporary)
        if store.exists(place):
            if not overwrite:
                raise FileExistsError(place)
            store.rm_file(place)  # not every server renames onto a file
        store.mv(temporary, place)
    except BaseException:
        with suppress(Exception):  # the first failure is reported
            store.rm_file(temporary)
        raise


def has_content(url: str, file: BinaryIO) -> bool:
    """Return whether a file in a store equals an open file, which is read from its start."""
    with fetch(url) as found:
        file.seek(0)
        return same_content(found, file)


def same_content(one: BinaryIO, other: BinaryIO) -> bool:
    """Return whether what is left of two files is equal."""
    while True:
        block = one.read(_COPIED)
        if block != other.read(_COPIED):
            return False
        if not block:
            return True


def search(url: str) -> tuple[str, list[Listed]] | None:
    """Return a folder and all files in it, sorted; None if the URL is of a single file.

    The URL is a folder if it ends in a slash, if it has no suffix and the store says so, or if it
    has wildcards; then the folder is the part before them. Hidden files are left out.

    Raises:
        InputError: the folder cannot be listed.
        UsageError: the URL has an unknown scheme, or its package is not installed.
    """
    if not known_scheme(url).has_folders:
        return None
    store, place = open_store(url)
    with naming_store_failures(url, InputError):
        store.invalidate_cache()
        if has_magic(url):
            folder = folder_of_pattern(url)
            entries = store.glob(place, detail=True)
        elif url.endswith("/") or (not PurePosixPath(url).suffix and store.isdir(place)):
            folder = url.rstrip("/") + "/"
            entries = store.find(place, detail=True)
        else:
            return None
    above = store._strip_protocol(folder).rstrip("/") + "/"
    found = []
    for key in sorted(entries):
        inside = key.removeprefix(above)
        if entries[key]["type"] == "file" and not _is_hidden(inside):
            found.append(Listed(folder + inside, entries[key].get("size")))
    return folder, found


def _is_hidden(inside: str) -> bool:
    return any(part.startswith(".") and part != ".." for part in inside.split("/"))


def existing(urls: Iterable[str]) -> set[str]:
    """Return which files exist; each folder is listed once.

    Raises:
        OutputError: a folder cannot be listed.
        UsageError: a URL has an unknown scheme, or its package is not installed.
    """
    folders: dict[str, set[str]] = {}
    for url in urls:
        folders.setdefault(parent_of(url), set()).add(url)
    found: set[str] = set()
    for folder, wanted in folders.items():
        store, place = open_store(folder)
        with naming_store_failures(folder, OutputError):
            store.invalidate_cache()
            with suppress(FileNotFoundError):
                names = {PurePosixPath(key).name for key in store.ls(place, detail=False)}
                found |= {url for url in wanted if PurePosixPath(url).name in names}
    return found
