"""The inputs of a command, with folders searched, and the output path of each input."""

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
        name: the path, or "-" for stdin.
        folder: the folder on the command line that contains the file; None if the file itself is
            on the command line.
    """

    name: str
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The inputs of a command, and the number of other files in its folders."""

    sources: tuple[Source, ...]
    num_other_files: int = 0


def find_sources(names: Sequence[str], suffixes: Collection[str], left_out: str | None) -> Found:
    """Return the named files, and the files with one of the suffixes in the named folders.

    Folders are searched recursively, in order of names. Hidden files and folders are ignored.

    Args:
        names: of files and folders; "-" is stdin.
        suffixes: in lower case.
        left_out: the output folder, which is not searched.

    Raises:
        InputError: a folder cannot be searched, or has no file with such a suffix.
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
    except OSError:  # for example, the name is too long; reading the file reports it
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
    """The output paths: beside the inputs, a single path, or a folder that mirrors the inputs."""

    def __init__(self, output: str | None, sources: Sequence[Source], *, force: bool) -> None:
        """Take the value of -o and all inputs.

        Raises:
            UsageError: there are several inputs, and -o is not a folder.
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
            raise UsageError(f"-o {output}: not a folder; several inputs need one{hint}")
        if len(sources) > 1 and STDIO in names:
            raise UsageError("-: stdin cannot be one of many inputs")

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
            UsageError: stdin has no name to use in a folder.
        """
        if self.to_stdout:
            return STDIO
        if self.named is not None:
            return self.named
        if source.name == STDIO:
            raise UsageError(
                f"-o {self.output}: is a folder; give a file name for the result of stdin"
            )
        beside = Path(source.name).with_suffix(suffix)
        if self.output is None:
            return str(beside)
        inside = Path(beside.name) if source.folder is None else beside.relative_to(source.folder)
        return str(Path(self.output) / inside)

    def check(self, target: str) -> None:
        """Check an output path before the work begins; folders in -o need not exist yet.

        Raises:
            UsageError: as `check_target`.
            OutputError: as `check_target`, or a file has the name of a needed folder.
        """
        if self.in_folder and not Path(target).parent.is_dir():
            above = next(path for path in Path(target).absolute().parents if path.exists())
            if not above.is_dir():
                raise OutputError(f"{target}: {above} is not a folder")
            return
        check_target(target, force=self.force)

    def make_folder(self, target: str) -> None:
        """Make the folder of an output path, if results go into a folder.

        Raises:
            OutputError: the folder cannot be made.
        """
        if self.in_folder:
            with naming_failures(target):
                Path(target).parent.mkdir(parents=True, exist_ok=True)


def require_distinct(plan: Sequence[tuple[Source, str]]) -> None:
    """Check that no output replaces an input, and that no two outputs have the same path.

    Raises:
        UsageError: an output does.
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
                "use another -o for one of them, in a separate command"
            )
        owners[final] = source
