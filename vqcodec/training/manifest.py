"""Which files a training sees and which it holds out: seeded, by file or by group, recorded."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from vqcodec.errors import InputError


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a training, split into those to learn from and those to judge by."""

    train: tuple[Path, ...]
    valid: tuple[Path, ...]

    def write(self, path: Path) -> None:
        """Write the split as JSON."""
        table = {"train": [str(p) for p in self.train], "valid": [str(p) for p in self.valid]}
        path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def read_manifest(path: Path) -> Manifest:
    """Return the split that `Manifest.write` has written.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(*(tuple(Path(name) for name in table[part]) for part in ("train", "valid")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a readable list of files") from error


def find_files(sources: Iterable[Path], suffixes: Collection[str]) -> list[Path]:
    """Return the files with one of the suffixes in folders (searched to any depth), sorted.

    Raises:
        InputError: a source does not exist, or there is no such file in any of them.
    """
    found: set[Path] = set()
    sources = list(sources)
    for source in sources:
        if not source.exists():
            raise InputError(f"{source}: no such file or folder")
        candidates = [source] if source.is_file() else source.rglob("*")
        found.update(p for p in candidates if p.suffix.lower() in suffixes and p.is_file())
    if not found:
        where = ", ".join(map(str, sources)) or "no folder"
        raise InputError(f"{where}: no file ending in {', '.join(sorted(suffixes))}")
    return sorted(found)


def split_files(
    files: Iterable[Path], *, seed: int, valid_fraction: float, group_separator: str = ""
) -> Manifest:
    """Return the split of files that this seed gives.

    A file goes by the hash of its group, so that adding files moves none of the others. At least
    one group is held out and one is not; a group alone is both learnt from and judged by.
    """

    def place(path: Path) -> float:
        group = group_of(path, group_separator)
        digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    places = {path: place(path) for path in sorted(files)}
    groups = sorted(set(places.values()))
    last = max(bisect_left(groups, valid_fraction), 1)  # groups below are held out
    first_kept = groups[min(last, len(groups) - 1)]
    valid = tuple(path for path, found in places.items() if found < first_kept)
    train = tuple(path for path, found in places.items() if found >= first_kept)
    return Manifest(train=train, valid=valid or train)


def group_of(path: Path, separator: str) -> str:
    """Return a file's name up to the first separator (a speaker, say), or all of it without one."""
    return path.stem.split(separator)[0] if separator else path.name
