"""Inputs to outputs: which files lie in a folder, and which file each of them becomes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.files import final_path, naming_failures

from .paths import STDIO, Kind, check_target, kind_of


@dataclass(frozen=True, slots=True)
class Source:
    """One input.

    Attributes:
        name: its path, or "-" for stdin.
        folder: the folder on the command line in which it was found; None if it was named itself.
    """

    name: str
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The inputs of a command, and the number of files in folders that are none."""

    sources: tuple[Source, ...]
    num_other_files: int = 0


def find_sources(names: Sequence[str], suffixes: Collection[str], left_out: str | None) -> Found:
    """Return the named files, and the files with one of the suffixes in the named folders.

    Folders are searched to any depth, in order of names. Hidden files and folders are ignored.

    Args:
        names: of files and folders; "-" is stdin.
        suffixes: in small letters.
        left_out: a folder that is not searched, since results go there.

    Raises:
        InputError: a folder cannot be searched, or has no such file.
    """
    sources: list[Source] = []
    num_other_files = 0
    for name in names:
        if name == STDIO or not _is_folder(name):
            sources.append(Source(name))
            continue
        inside = list(_files_in(name, left_out))
        wanted = [
            path
            for path in inside
            if Path(path).suffix.lower() in suffixes and Path(path).is_file()
        ]
        if not wanted:
            raise InputError(f"{name}: no file in it ends in {', '.join(sorted(suffixes))}")
        sources.extend(Source(path, folder=name) for path in wanted)
        num_other_files += len(inside) - len(wanted)
    return Found(tuple(sources), num_other_files)


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # a name that is too long, say: reading it will say so
        return False


def _files_in(folder: str, left_out: str | None) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}") from error

    ignored = None if left_out is None else final_path(left_out)
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and final_path(str(Path(parent, name))) != ignored
        )
        yield from (str(Path(parent, name)) for name in sorted(files) if not name.startswith("."))


class Outputs:
    """Where results go: beside their inputs, to one name, or into a folder that mirrors theirs."""

    def __init__(self, output: str | None, sources: Sequence[Source], *, force: bool) -> None:
        """Take the value of -o and all inputs.

        Raises:
            UsageError: there are many inputs, and no folder for what becomes of them.
        """
        names = [source.name for source in sources]
        searched = any(source.folder is not None for source in sources)
        self.output = output
        self.force = force
        self.to_stdout = output == STDIO or (output is None and STDIO in names)
        self.in_folder = output not in (None, STDIO) and (
            str(output).endswith("/") or kind_of(str(output)) is Kind.FOLDER
        )
        if searched and output is not None and not self.to_stdout:
            self.in_folder = self.in_folder or kind_of(output) is Kind.NOTHING
        self.named = None if self.to_stdout or self.in_folder else output  # for one input only
        if (len(sources) > 1 or searched) and output is not None and not self.in_folder:
            hint = "" if self.to_stdout or searched else f"; -o {output}/ makes one"
            raise UsageError(f"-o {output}: not a folder, which many inputs need{hint}")
        if len(sources) > 1 and STDIO in names:
            raise UsageError("-: stdin cannot be one of many inputs")

    @property
    def has_one_name(self) -> bool:
        """Whether the target does not depend on the input."""
        return self.to_stdout or self.named is not None

    def target(self, source: Source, suffix: str) -> str:
        """Return what to write for an input: a path, or "-".

        Args:
            source: the input.
            suffix: replaces the input's own where the output has no name yet.

        Raises:
            UsageError: stdin has no name to use in a folder.
        """
        if self.to_stdout:
            return STDIO
        if self.named is not None:
            return self.named
        if source.name == STDIO:
            raise UsageError(f"-o {self.output}: a folder, and stdin has no name to use in it")
        beside = Path(source.name).with_suffix(suffix)
        if self.output is None:
            return str(beside)
        inside = Path(beside.name) if source.folder is None else beside.relative_to(source.folder)
        return str(Path(self.output) / inside)

    def check(self, target: str) -> None:
        """Fail before the work is done rather than after it; folders of -o need not exist yet.

        Raises:
            UsageError: as `check_target`.
            OutputError: as `check_target`; or there is a file where a folder has to be.
        """
        if self.in_folder and not Path(target).parent.is_dir():
            above = next(path for path in Path(target).absolute().parents if path.exists())
            if not above.is_dir():
                raise OutputError(f"{target}: {above} is not a folder")
            return
        check_target(target, force=self.force)

    def make_folder(self, target: str) -> None:
        """Make the folder in which a target will lie, if results go into a folder.

        Raises:
            OutputError: it cannot be made.
        """
        if self.in_folder:
            with naming_failures(target):
                Path(target).parent.mkdir(parents=True, exist_ok=True)


def require_distinct(plan: Sequence[tuple[Source, str]]) -> None:
    """Fail where a result would replace an input, or two inputs would become one file.

    Raises:
        UsageError: one does.
    """
    kept = {final_path(source.name) for source, _ in plan if source.name != STDIO}
    owners: dict[Path, Source] = {}
    for source, target in plan:
        if target == STDIO:
            continue
        final = final_path(target)
        if final in kept:
            raise UsageError(f"{target}: is an input, and inputs are kept")
        if final in owners:
            raise UsageError(
                f"{owners[final].name} and {source.name}: both would become {target}; "
                "give one of them another -o, in a command of its own"
            )
        owners[final] = source
