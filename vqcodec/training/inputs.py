"""Reading of the files of a training: all at its start, so that no file ends it later."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from vqcodec.errors import InputError
from vqcodec.notes import printable

Content = TypeVar("Content")


class InputReader:
    """Reads files; names on stderr each one that cannot be read, with its reason.

    Attributes:
        bad: the files that could not be read.
    """

    def __init__(self) -> None:
        self.bad: set[Path] = set()
        self._tried: set[Path] = set()

    def read_each(
        self, files: Iterable[Path], read: Callable[[Path], Content]
    ) -> dict[Path, Content]:
        """Return the contents of the files that can be read, in order."""
        found: dict[Path, Content] = {}
        for path in files:
            if path in self.bad:
                continue
            self._tried.add(path)
            try:
                found[path] = read(path)
            except InputError as error:
                self.leave_out(path, str(error))
        return found

    def leave_out(self, path: Path, reason: str) -> None:
        """Add a bad file, and name it on stderr."""
        self._tried.add(path)
        self.bad.add(path)
        print(printable(f"vqcodec: {reason}"), file=sys.stderr, flush=True)

    def conclude(self, *, skip_bad: bool) -> None:
        """End here if a file is bad, unless bad files are skipped.

        Raises:
            InputError: a file is bad, and `skip_bad` is false.
        """
        if self.bad and not skip_bad:
            raise InputError(
                f"{len(self.bad)} of {len(self._tried)} inputs cannot be read; "
                "--skip-bad goes on without them"
            )


def read_excerpts(
    reader: InputReader, files: Sequence[Path], excerpt: Callable[[Path], Content], number: int
) -> list[Content]:
    """Return the excerpts of some of the files, evenly chosen, after all files were checked.

    They are less than twice `number`, so they stay in memory: a file that breaks or vanishes
    later does not matter.
    """

    def check(path: Path) -> None:
        excerpt(path)

    good = list(reader.read_each(files, check))
    return list(reader.read_each(evenly_chosen(good, number), excerpt).values())


def evenly_chosen(files: Sequence[Path], number: int) -> Sequence[Path]:
    """Return `number` of the files or some more, evenly spaced; all if there are fewer."""
    return files[:: max(1, len(files) // number)]


def require_some(kept: Collection[object], what: str) -> None:
    """Raise InputError if nothing is left of `what`."""
    if not kept:
        raise InputError(f"none of the {what} can be read")
