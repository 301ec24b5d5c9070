"""Shards of tokens: their names, which files are in which, and what is left to do."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO

from vqcodec import storage
from vqcodec.errors import InputError, UsageError
from vqcodec.files import is_file, is_folder, is_hidden, replacing
from vqcodec.tokens.entry import Tokens
from vqcodec.tokens.parquet import read_parquet, read_parquet_facts, write_parquet
from vqcodec.tokens.webdataset import read_tar, read_tar_facts, write_tar
from vqcodec.urls import is_url

FORMATS = {".parquet": "Parquet", ".tar": "WebDataset"}
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that is to be written.

    Attributes:
        name: path or URL of the shard.
        first: the number of its first file among all files.
        files: path or URL of each, and its name in entries.
    """

    name: str
    first: int
    files: tuple[tuple[str, str], ...]

    def write(self, entries: Iterable[Tokens], *, overwrite: bool) -> None:
        """Write the shard, whole or not at all.

        Raises:
            OutputError: it exists and `overwrite` is false, or it cannot be written.
            UsageError: its format needs a package that is not installed.
        """
        numbers = {name: self.first + n for n, (_, name) in enumerate(self.files)}
        keyed = ((f"{numbers[tokens.file]:09d}", tokens) for tokens in entries)
        write = write_parquet if self.name.endswith(".parquet") else write_tar
        if is_url(self.name):
            with tempfile.TemporaryDirectory(prefix="vqcodec-") as folder:
                local = Path(folder, "shard")
                write(local, keyed)
                storage.put(str(local), self.name, overwrite=overwrite)
            return
        with replacing(self.name, overwrite=overwrite) as temporary:
            write(temporary, keyed)

    def is_complete(self, fingerprint: str, rate: int) -> bool:
        """Return whether the shard exists with all its files, of a model at a rate.

        Raises:
            InputError: it is damaged.
            UsageError: it holds something else.
        """
        if not _exists(self.name):
            return False
        read_facts = read_parquet_facts if self.name.endswith(".parquet") else read_tar_facts
        try:
            with _opened(self.name) as file:
                facts = read_facts(file, self.name)
        except InputError as error:
            raise InputError(f"{error}; remove it, and it is written again") from error
        names = {name for _, name in self.files}
        for own in facts:
            found = (own.get("fingerprint"), own.get("rate"))
            file_name = own.get("file")
            if (
                found != (fingerprint, rate)
                or not isinstance(file_name, str)
                or file_name not in names
            ):
                raise UsageError(
                    f"{self.name}: holds other files, or those of another model or quality; "
                    "-f overwrites it"
                )
        return len(facts) == len(self.files)


def plan_shards(files: Sequence[tuple[str, str]], output: str, files_per_shard: int) -> list[Shard]:
    """Return the shards for files, each with its name: STEM-00000.SUFFIX and so on.

    Args:
        files: path or URL of each, and its name in entries.
        output: path or URL of the shards, without their numbers.
        files_per_shard: at most.

    Raises:
        UsageError: the suffix is of no format, or two files have one name.
    """
    files = list(dict.fromkeys(files))
    suffix = _suffix(output)
    if suffix not in FORMATS:
        known = " or ".join(f"{suffix} ({name})" for suffix, name in FORMATS.items())
        raise UsageError(f"-o {output}: the name of shards ends in {known}")
    seen: dict[str, str] = {}
    for path, name in files:
        if seen.setdefault(name, path) != path:
            raise UsageError(f"{seen[name]} and {path}: both would be {name}; give their folder")
    return [
        Shard(
            name=_shard_name(output, start // files_per_shard),
            first=start,
            files=tuple(files[start : start + files_per_shard]),
        )
        for start in range(0, len(files), files_per_shard)
    ]


def _shard_name(output: str, number: int) -> str:
    suffix = _suffix(output)
    return f"{output.removesuffix(suffix)}-{number:0{_DIGITS}d}{suffix}"


def require_no_more_shards(output: str, count: int) -> None:
    """Check that no earlier command has left more than `count` shards: readers would take them.

    Raises:
        UsageError: there is such a shard.
    """
    stem, suffix = output.removesuffix(_suffix(output)), _suffix(output)
    # Of a URL, the pattern keeps the store from listing all its folders.
    beside = _files_in(f"{stem}-*{suffix}" if is_url(output) else str(Path(output).parent))
    name = PurePath(stem).name
    pattern = re.compile(rf"{re.escape(name)}-([0-9]{{{_DIGITS},}}){re.escape(suffix)}")
    for other in beside or ():
        found = pattern.fullmatch(PurePath(other).name)
        if found and int(found[1]) >= count:
            raise UsageError(
                f"{other}: an earlier command made more shards than this one; remove them first"
            )


def read(*sources: str | Path) -> Iterator[Tokens]:
    """Yield the tokens of shards, one file after the other; one of them is in memory at a time.

    Args:
        sources: shards, or folders of shards, which are read in the order of their names; paths or
            URLs.

    Raises:
        InputError: a shard is missing or damaged, or a folder has none.
        UsageError: a file is no shard, or Parquet needs pyarrow.
    """
    for name in find_shards(*sources):
        with _opened(name) as file:
            read_entries = read_parquet if name.endswith(".parquet") else read_tar
            yield from read_entries(file, name)


def find_shards(*sources: str | Path) -> list[str]:
    """Return the shards among files and in folders.

    Raises:
        InputError: a source is missing, or a folder has no shard.
        UsageError: a file is no shard.
    """
    found: list[str] = []
    for source in map(str, sources):
        inside = _files_in(source)
        if inside is None:
            if not _exists(source):
                raise InputError(f"{source}: No such file or directory")
            if _suffix(source) not in FORMATS:
                raise UsageError(f"{source}: shards end in {', '.join(FORMATS)}")
            found.append(source)
            continue
        shards = sorted(name for name in inside if _suffix(name) in FORMATS)
        if not shards:
            raise InputError(f"{source}: no file in it ends in {', '.join(FORMATS)}")
        found += shards
    return found


def _files_in(source: str) -> list[str] | None:
    """Return the files in a folder; None if it is none."""
    if is_url(source):
        searched = storage.search(source)
        return None if searched is None else [listed.url for listed in searched[1]]
    if not is_folder(source):
        return None
    inside = Path(source).iterdir()
    return [str(path) for path in inside if path.is_file() and not is_hidden(path.name)]


def _exists(name: str) -> bool:
    if is_url(name):
        return storage.kind_of(name) is storage.EntryKind.FILE
    return is_file(name)


def _opened(name: str) -> BinaryIO:
    """Return a shard open for reading.

    Raises:
        InputError: it cannot be opened.
    """
    if is_url(name):
        return storage.fetch(name)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix
