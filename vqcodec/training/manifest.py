"""The split of files into training and held-out files, and its record in a run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from vqcodec.errors import ConfigError, InputError
from vqcodec.files import as_text, write_text
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
        parts = [table[part] for part in ("train", "valid")]
        if not all(_is_list_of_text(names) for names in parts):
            raise TypeError("not lists of names")
        return Manifest(*map(tuple, parts))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not a readable list of files") from error


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


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


def in_order_of(kept: Manifest, split: Manifest) -> Manifest:
    """Return a split in the order of the manifest of a run; files that it lacks come last.

    The order decides which excerpts a step has. That of names depends on the current folder.
    """
    places = {name: place for place, name in enumerate(_each_absolute(kept.files))}

    def ordered(names: Sequence[str]) -> tuple[str, ...]:
        found = zip(_each_absolute(names), names, strict=True)
        return tuple(name for _, name in sorted(found, key=lambda f: places.get(f[0], len(places))))

    return Manifest(train=ordered(split.train), valid=ordered(split.valid))


def check_split(manifest: Manifest, split: Manifest, run: Path) -> None:
    """Check that a split holds out the same files as the manifest of a run.

    Raises:
        ConfigError: the split holds out other files.
    """
    if _absolute(manifest.valid) != _absolute(split.valid):
        raise ConfigError(f"{run}: was begun with another seed, which holds out other files")


def _absolute(paths: Iterable[str | Path]) -> set[str]:
    return set(_each_absolute(paths))


def _each_absolute(paths: Iterable[str | Path]) -> list[str]:
    names = map(str, paths)
    # Not resolve(), which takes seconds.
    return [name if is_url(name) else os.path.abspath(name) for name in names]  # noqa: PTH100


def _enumerate(paths: Sequence[str]) -> str:
    """Return a few of the paths, and the number of the others."""
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


def split_files(
    files: Iterable[str | Path],
    *,
    seed: int,
    valid_fraction: float,
    group_separator: str = "",
    kept: Manifest | None = None,
) -> Manifest:
    """Return the split of files for this seed.

    The hash of its group decides where a file goes, so that adding files moves no other file while
    some hashes are below the fraction. At least one group is held out, and one is not; a single
    group is in both parts.

    Args:
        files: names.
        seed: of the hash.
        valid_fraction: of the hashes that are held out.
        group_separator: see `group_of`.
        kept: the split of a run; its groups stay where they are. If all files are of groups that
            it trained on, its held-out files are.

    Raises:
        ConfigError: all files are held out of the run.
    """
    names = in_order(os.fspath(file) for file in files)
    groups = {name: group_of(name, group_separator) for name in names}
    before = kept or Manifest(train=(), valid=())
    trained = {group_of(name, group_separator) for name in before.train}
    held = {group_of(name, group_separator) for name in before.valid} - trained
    given = set(groups.values())
    new = sorted(given - trained - held, key=lambda group: _place(seed, group))
    number = sum(_place(seed, group) < valid_fraction for group in new)  # to hold out
    if not given & held:
        number = max(number, 1)
    if not given & trained:
        number = min(number, len(new) - 1)
    held.update(new[: max(number, 0)])
    valid = tuple(name for name in names if groups[name] in held)
    train = tuple(name for name in names if groups[name] not in held)
    if not train:
        raise ConfigError(f"all {len(valid)} files are held out of this run; name others, too")
    return Manifest(train=train, valid=valid or before.valid or train)


def _place(seed: int, group: str) -> float:
    """Return the place of a group in 0 … 1, a hash."""
    digest = hashlib.sha256(as_text(f"{seed}:{group}").encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def group_of(name: str, separator: str) -> str:
    """Return a file's name up to the first separator, such as a speaker; "" is no separator."""
    path = PurePath(name)
    return path.stem.split(separator)[0] if separator else path.name
