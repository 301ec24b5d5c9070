"""The split of files into training and held-out files, and its record in a run."""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from vqcodec.errors import ConfigError, InputError
from vqcodec.files import write_text
from vqcodec.training.sources import in_order
from vqcodec.urls import is_url

MANIFEST = "manifest.json"  # in the folder of a run
MOST_NAMED = 3  # files that an error names


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a run: those to train on, and those held out for validation."""

    train: tuple[str, ...]  # names, see `sources`
    valid: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """All files; those of a single group are in both parts."""
        return tuple(dict.fromkeys((*self.train, *self.valid)))

    def write(self, path: Path) -> None:
        """Write the split as JSON.

        Raises:
            OutputError: it cannot be written.
        """
        table = {"train": self.train, "valid": self.valid}
        write_text(path, json.dumps(table, indent=1) + "\n", overwrite=True)


def read_manifest(path: Path) -> Manifest:
    """Return the split that `Manifest.write` has written.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(*(tuple(map(str, table[part])) for part in ("train", "valid")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a readable list of files") from error


def check_files(manifest: Manifest, files: Iterable[str | Path], run: Path) -> None:
    """Check that the files given to a run are those in its manifest.

    Raises:
        ConfigError: some files are missing or new.
    """
    named, given = _absolute(manifest.files), _absolute(files)
    differences = [("missing", sorted(named - given)), ("new", sorted(given - named))]
    found = [f"{_enumerate(paths)} ({word})" for word, paths in differences if paths]
    if found:
        raise ConfigError(f"{run}: was begun with other files: {', '.join(found)}")


def missing_files(manifest: Manifest, files: Iterable[str]) -> list[str]:
    """Return the files of a manifest that are not among others."""
    given = _absolute(files)
    return [name for name in manifest.files if not _absolute([name]) & given]


def without_files(manifest: Manifest, bad: Collection[str]) -> Manifest:
    """Return a manifest without some files."""
    gone = _absolute(bad)
    train, valid = (
        tuple(name for name in part if not _absolute([name]) & gone)
        for part in (manifest.train, manifest.valid)
    )
    return Manifest(train=train, valid=valid)


def check_split(manifest: Manifest, split: Manifest, run: Path) -> None:
    """Check that a split holds out the same files as the manifest of a run.

    Raises:
        ConfigError: the split holds out other files.
    """
    if _absolute(manifest.valid) != _absolute(split.valid):
        raise ConfigError(f"{run}: was begun with another seed, which holds out other files")


def _absolute(paths: Iterable[str | Path]) -> set[str]:
    names = map(str, paths)
    # Not resolve(), which takes seconds.
    return {name if is_url(name) else os.path.abspath(name) for name in names}  # noqa: PTH100


def _enumerate(paths: Sequence[str]) -> str:
    """Return a few of the paths, and the number of the others."""
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


def split_files(
    files: Iterable[str | Path], *, seed: int, valid_fraction: float, group_separator: str = ""
) -> Manifest:
    """Return the split of files for this seed.

    The hash of its group decides where a file goes, so that adding files moves no other file. At
    least one group is held out, and one is not; a single group is in both parts.
    """

    def place(name: str) -> float:
        group = group_of(name, group_separator)
        digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    places = {name: place(name) for name in in_order(os.fspath(file) for file in files)}
    groups = sorted(set(places.values()))
    last = max(bisect_left(groups, valid_fraction), 1)  # groups below are held out
    first_kept = groups[min(last, len(groups) - 1)]
    valid = tuple(name for name, found in places.items() if found < first_kept)
    train = tuple(name for name, found in places.items() if found >= first_kept)
    return Manifest(train=train, valid=valid or train)


def group_of(name: str, separator: str) -> str:
    """Return a file's name up to the first separator, such as a speaker; "" is no separator."""
    path = PurePath(name)
    return path.stem.split(separator)[0] if separator else path.name
