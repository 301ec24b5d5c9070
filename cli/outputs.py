"""The inputs of a command, with folders searched, and the output path of each input."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from vqcodec import storage
from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.files import final_path, is_dangling, is_file, is_folder, naming_failures, some_of
from vqcodec.storage import Listed
from vqcodec.urls import (
    folder_of_pattern,
    has_magic,
    is_url,
    join,
    local_name,
    relative_parts,
    with_suffix,
)

from .lists import is_list, read_list
from .paths import STDIO, Kind, check_target, identity, kind_of, open_target, require_apart


@dataclass(frozen=True, slots=True)
class Source:
    """One input.

    Attributes:
        name: the path, the URL, or "-" for stdin.
        folder: the folder on the command line that contains the file; None if the file itself is
            on the command line.
        size_bytes: of the file, if a search of its folder told it.
        retried: whether an interrupted run may have written its result.
    """

    name: str
    folder: str | None = None
    size_bytes: int | None = field(default=None, compare=False)
    retried: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Found:
    """The inputs of a command, and the names of other files in its folders."""

    sources: tuple[Source, ...]
    other_files: tuple[str, ...] = ()


def find_sources(names: Sequence[str], suffixes: Collection[str], left_out: str | None) -> Found:
    """Return the named files, and the files with one of the suffixes in the named folders.

    Folders are searched recursively, in order of names. Hidden files and folders are ignored, and
    linked folders are not searched. A link to a missing file is an input, so that it is told.

    Args:
        names: of files and folders, URLs, or patterns with wildcards; "-" is stdin, and "@NAME" a
            list of files.
        suffixes: in lower case.
        left_out: the output folder, which is not searched.

    Raises:
        InputError: a folder cannot be searched, or has no file with such a suffix.
        UsageError: the store of a URL cannot be used.
    """
    sources: list[Source] = []
    other_files: list[str] = []
    for argument in names:
        if is_list(argument):
            folder, listed = read_list(argument)
            sources.extend(Source(name, folder) for name in listed)
            continue
        name = local_name(argument)
        found = None if name == STDIO else _search(name, left_out)
        if found is None:
            sources.append(Source(name))
            continue
        folder, inside = found
        wanted = [
            file
            for file in inside
            if PurePosixPath(file.url).suffix.lower() in suffixes
            and (is_url(file.url) or is_file(file.url) or is_dangling(file.url))
        ]
        if not wanted:
            raise none_found(name, suffixes)
        sources.extend(Source(file.url, folder, file.size_bytes) for file in wanted)
        taken = set(wanted)
        other_files.extend(file.url for file in inside if file not in taken)
    return Found(tuple(sources), tuple(other_files))


def none_found(name: str, suffixes: Collection[str]) -> InputError:
    """Return the error for a folder or a pattern without a file that has one of the suffixes."""
    where = "no match" if has_magic(name) else "no file in it"
    return InputError(f"{name}: {where} ends in {some_of(suffixes)}")


def _search(name: str, left_out: str | None) -> tuple[str, list[Listed]] | None:
    """Return a folder and the files in it; None if the name is of a single file."""
    if is_url(name):
        found = storage.search(name)
        if found is None or left_out is None:
            return found
        ignored = left_out.rstrip("/") + "/"
        folder, inside = found
        if ignored == folder:
            return found
        return folder, [file for file in inside if not file.url.startswith(ignored)]
    if is_folder(name):
        return name, [Listed(path, None) for path in _files_in(name, left_out)]
    if has_magic(name) and not os.path.lexists(name):
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - keeps the name's form
        paths = [path for path in matches if is_file(path)]
        return folder_of_pattern(name) or ".", [Listed(path, None) for path in paths]
    return None


def _files_in(folder: str, left_out: str | None) -> Iterator[str]:
    """Yield the paths of all files in a folder, and of the linked folders, without hidden ones."""

    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}") from error

    ignored = None if left_out is None else final_path(left_out)
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and final_path(str(Path(parent, name))) != ignored
        )
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*files, *links]):
            if not name.startswith("."):
                yield str(Path(parent, name))


MOST_CLASHES = 10  # are named


class AlreadyExists(Exception):  # noqa: N818 - nothing is wrong
    """With --skip-existing, the result of an input exists."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


class Outputs:
    """The output paths: beside the inputs, a single path, or a folder that mirrors the inputs."""

    def __init__(
        self,
        output: str | None,
        sources: Sequence[Source],
        *,
        force: bool,
        skip_existing: bool = False,
    ) -> None:
        """Take the value of -o and all inputs.

        Raises:
            UsageError: there are several inputs, and -o is not a folder; or its store is only read.
        """
        names = [source.name for source in sources]
        searched = any(source.folder is not None for source in sources)
        output = None if output is None else local_name(output)
        self.output = output
        self.force = force
        self.skip_existing = skip_existing
        if output is not None and is_url(output):
            storage.check_writable(output)
        self.to_stdout = output == STDIO or (output is None and STDIO in names)
        self.in_folder = output not in (None, STDIO) and (
            str(output).endswith("/") or kind_of(str(output)) is Kind.FOLDER
        )
        if searched and output is not None and not self.to_stdout:
            self.in_folder = self.in_folder or kind_of(output) is Kind.NOTHING
        self.named = None if self.to_stdout or self.in_folder else output  # for one input only
        if (len(sources) > 1 or searched) and output is not None and not self.in_folder:
            hint = "" if self.to_stdout or searched else f"; -o {output}/ makes one"
            raise UsageError(f"-o {output}: several inputs need an output folder{hint}")
        if len(sources) > 1 and STDIO in names:
            raise UsageError("-: stdin cannot be one of many inputs")

    def __repr__(self) -> str:
        return f"Outputs({self.output!r})"

    @property
    def has_one_name(self) -> bool:
        """Whether the output path does not depend on the input."""
        return self.to_stdout or self.named is not None

    def target(self, source: Source, suffix: str) -> str:
        """Return the output path for an input, or "-".

        Args:
            source: the input.
            suffix: of the output, unless -o names the file.

        Raises:
            UsageError: stdin has no name to use in a folder, or the name of the input leads out of
                the folder.
        """
        if self.to_stdout:
            return STDIO
        if self.named is not None:
            return self.named
        if source.name == STDIO:
            raise UsageError(
                f"-o {self.output}: is a folder; give a file name for the result of stdin"
            )
        if self.output is None:
            try:
                return with_suffix(source.name, suffix)
            except ValueError as error:
                raise UsageError(
                    f"{source.name}: has no file name; name the result by -o"
                ) from error
        try:
            *folders, last = relative_parts(source.name, source.folder)
        except ValueError as error:
            raise UsageError(
                f"{source.name}: leads out of its folder, so it has no place in -o {self.output}"
            ) from error
        return join(self.output, (*folders, with_suffix(last, suffix)))

    def check(self, target: str, source: Source) -> None:
        """Check an output path before the work begins; folders in -o need not exist yet.

        Raises:
            UsageError: as `check_target`.
            OutputError: as `check_target`, or a file has the name of a needed folder.
            AlreadyExists: the output exists, and existing ones are skipped.
        """
        if self.skip_existing and target != STDIO and kind_of(target) is Kind.FILE:
            raise AlreadyExists(target)
        if self.in_folder and not is_url(target) and not is_folder(Path(target).parent):
            above = next(
                path for path in Path(target).absolute().parents if is_file(path) or is_folder(path)
            )
            if is_file(above):
                raise OutputError(f"{target}: {above} is not a folder")
            return
        check_target(target, force=self.force or source.retried)

    @contextmanager
    def open(self, target: str, source: Source) -> Iterator[BinaryIO]:
        """Open an output path, see `open_target`; its folder is made if results go into a folder.

        Raises:
            UsageError: as `check_target`.
            OutputError: the folder or the file cannot be written.
        """
        if self.in_folder and not is_url(target):
            with naming_failures(target):
                Path(target).parent.mkdir(parents=True, exist_ok=True)
        with open_target(target, force=self.force, keep_equal=source.retried) as file:
            yield file


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of an open file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def existing(targets: Collection[str]) -> set[str]:
    """Return which output paths exist as files.

    Raises:
        OutputError: a store cannot be listed.
    """
    urls = [target for target in targets if is_url(target)]
    local = (target for target in targets if target != STDIO and not is_url(target))
    return storage.existing(urls) | {target for target in local if is_file(target)}


def require_distinct(
    plan: Sequence[tuple[Source, str]], also_read: Iterable[str | None] = ()
) -> None:
    """Check that no output replaces an input, and that no two outputs have the same path.

    Args:
        plan: the inputs and their outputs.
        also_read: other files that the command reads.

    Raises:
        UsageError: an output does.
    """
    inputs = (*(source.name for source, _ in plan), *also_read)
    require_apart((target for _, target in plan), inputs)
    owners: dict[str, Source] = {}
    clashes: list[str] = []
    for source, target in plan:
        if target == STDIO:
            continue
        final = identity(target)
        if final in owners:
            first = owners[final].name
            clashes.append(f"{first} and {source.name}: both would become {target}; ")
        owners.setdefault(final, source)
    if clashes:
        more = f"and {len(clashes) - MOST_CLASHES} more; " if len(clashes) > MOST_CLASHES else ""
        raise UsageError(
            "".join(clashes[:MOST_CLASHES])
            + more
            + "use another -o for one of them, in a separate command"
        )
