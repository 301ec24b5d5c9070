"""Shards of tokens: their names, which files are in which, and what is left to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqcodec.errors import InputError, UsageError
from vqcodec.files import replacing
from vqcodec.tokens.entry import Tokens
from vqcodec.tokens.parquet import read_parquet, read_parquet_facts, write_parquet
from vqcodec.tokens.webdataset import read_tar, read_tar_facts, write_tar

FORMATS = {".parquet": "Parquet", ".tar": "WebDataset"}
FILES_PER_SHARD = 256
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that is to be written.

    Attributes:
        path: of the shard.
        first: the number of its first file among all files.
        files: each with its name in entries.
    """

    path: Path
    first: int
    files: tuple[tuple[Path, str], ...]

    def write(self, entries: Iterable[Tokens], *, overwrite: bool) -> None:
        """Write the shard, whole or not at all.

        Raises:
            OutputError: it exists and `overwrite` is false, or it cannot be written.
            UsageError: its format needs a package that is not installed.
        """
        numbers = {name: self.first + n for n, (_, name) in enumerate(self.files)}
        keyed = ((f"{numbers[tokens.file]:09d}", tokens) for tokens in entries)
        write = write_parquet if self.path.suffix == ".parquet" else write_tar
        with replacing(self.path, overwrite=overwrite) as temporary:
            write(temporary, keyed)

    def is_complete(self, fingerprint: str, rate: int) -> bool:
        """Return whether the shard exists with all its files, of a model at a rate.

        Raises:
            InputError: it is damaged.
            UsageError: it holds something else.
        """
        if not self.path.exists():
            return False
        read = read_parquet_facts if self.path.suffix == ".parquet" else read_tar_facts
        facts = read(self.path)
        names = {name for _, name in self.files}
        for own in facts:
            found = (own.get("fingerprint"), own.get("rate"))
            if found != (fingerprint, rate) or own.get("file") not in names:
                raise UsageError(
                    f"{self.path}: holds other files, or those of another model or quality; "
                    "-f overwrites it"
                )
        return len(facts) == len(self.files)


def plan_shards(
    files: Sequence[tuple[Path, str]], output: Path, files_per_shard: int
) -> list[Shard]:
    """Return the shards for files, each with its name: STEM-00000.SUFFIX and so on.

    Raises:
        UsageError: the suffix is of no format, or two files have one name.
    """
    if output.suffix not in FORMATS:
        known = " or ".join(f"{suffix} ({name})" for suffix, name in FORMATS.items())
        raise UsageError(f"-o {output}: the name of shards ends in {known}")
    seen: dict[str, Path] = {}
    for path, name in files:
        if seen.setdefault(name, path) != path:
            raise UsageError(f"{seen[name]} and {path}: both would be {name}; give their folder")
    return [
        Shard(
            path=output.with_name(
                f"{output.stem}-{start // files_per_shard:0{_DIGITS}d}{output.suffix}"
            ),
            first=start,
            files=tuple(files[start : start + files_per_shard]),
        )
        for start in range(0, len(files), files_per_shard)
    ]


def read(*sources: str | Path) -> Iterator[Tokens]:
    """Yield the tokens of shards, one file after the other; one of them is in memory at a time.

    Args:
        sources: shards, or folders of shards, which are read in the order of their names.

    Raises:
        InputError: a shard is missing or damaged, or a folder has none.
        UsageError: a file is no shard, or Parquet needs pyarrow.
    """
    for path in find_shards(*sources):
        yield from read_parquet(path) if path.suffix == ".parquet" else read_tar(path)


def find_shards(*sources: str | Path) -> list[Path]:
    """Return the shards among files and in folders.

    Raises:
        InputError: a source is missing, or a folder has no shard.
        UsageError: a file is no shard.
    """
    found: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            inside = sorted(p for p in source.iterdir() if p.suffix in FORMATS and p.is_file())
            if not inside:
                raise InputError(f"{source}: no file in it ends in {', '.join(FORMATS)}")
            found += inside
        elif not source.is_file():
            raise InputError(f"{source}: no such file or folder")
        elif source.suffix not in FORMATS:
            raise UsageError(f"{source}: shards end in {', '.join(FORMATS)}")
        else:
            found.append(source)
    return found
