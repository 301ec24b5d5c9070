"""Reading of the files of a training at its start: those that cannot be read are found there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from vqcodec.errors import InputError
from vqcodec.notes import printable
from vqcodec.numbers import counted
from vqcodec.stderr import tell
from vqcodec.training.loading import map_in_threads

Content = TypeVar("Content")
Name = TypeVar("Name", str, Path)

MOST_CHECKED = 1000  # held-out files that are all decoded; of more, only the judged ones


class InputReader:
    """Reads files; names on stderr each one that cannot be read, with its reason.

    Attributes:
        bad: the names of files that could not be read.
    """

    def __init__(self) -> None:
        self.bad: set[str] = set()
        self._tried: set[str] = set()

    def read_each(
        self, names: Iterable[Name], read: Callable[[Name], Content]
    ) -> dict[Name, Content]:
        """Return the contents of the files that can be read, in order; threads call `read`."""

        def attempt(name: Name) -> Content | InputError:
            try:
                return read(name)
            except InputError as error:
                return error

        found: dict[Name, Content] = {}
        wanted = [name for name in names if str(name) not in self.bad]
        for name, content in zip(wanted, map_in_threads(attempt, wanted), strict=True):
            self._tried.add(str(name))
            if isinstance(content, InputError):
                self.leave_out(str(name), str(content))
            else:
                found[name] = content
        return found

    def leave_out(self, name: str, reason: str) -> None:
        """Add a bad file, and name it on stderr."""
        self._tried.add(name)
        self.bad.add(name)
        tell(printable(f"vqcodec: {reason}"))

    def conclude(self, *, skip_bad: bool) -> None:
        """End here if a file is bad, unless bad files are skipped.

        Raises:
            InputError: a file is bad, and `skip_bad` is false.
        """
        if self.bad and not skip_bad:
            raise InputError(
                f"{len(self.bad)} of {counted(len(self._tried), 'input')} cannot be read; "
                "--skip-bad goes on without them"
            )


def read_excerpts(
    reader: InputReader, files: Sequence[str], excerpt: Callable[[str], Content], number: int
) -> list[Content]:
    """Return the excerpts of some of the files, evenly chosen, after the files were checked.

    They are less than twice `number`, so they stay in memory: a file that breaks or vanishes
    later does not matter.
    """

    def check(name: str) -> None:
        excerpt(name)

    if len(files) > MOST_CHECKED:
        files = evenly_chosen(files, MOST_CHECKED // 2)
    good = list(reader.read_each(files, check))
    return list(reader.read_each(evenly_chosen(good, number), excerpt).values())


def evenly_chosen(files: Sequence[str], number: int) -> Sequence[str]:
    """Return `number` of the files or some more, evenly spaced; all if there are fewer."""
    return files[:: max(1, len(files) // number)]


def require_some(kept: Collection[object], what: str) -> None:
    """Raise InputError if nothing is left of `what`."""
    if not kept:
        raise InputError(f"none of the {what} can be read")
