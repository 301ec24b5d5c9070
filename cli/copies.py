"""Local copies of files at URLs, for a command that reads its inputs more than once."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from vqcodec import storage
from vqcodec.errors import InputError
from vqcodec.storage import Listed
from vqcodec.urls import is_url, join, local_name, relative_parts

from .outputs import none_found


class LocalCopies:
    """Paths of inputs; those at URLs are copied to a temporary folder, which goes with this object.

    Attributes:
        paths: of files and folders, one for each name.
    """

    def __init__(self, names: Sequence[str], suffixes: Collection[str]) -> None:
        """Copy the named files, and the files with one of the suffixes in the named folders.

        Raises:
            InputError: a URL cannot be read, or its name leads out of its folder.
            UsageError: the store of a URL cannot be used.
        """
        self.paths: list[Path] = []
        for index, name in enumerate(names):
            if not is_url(name):
                self.paths.append(Path(local_name(name)))
                continue
            if not hasattr(self, "_folder"):
                self._folder = tempfile.mkdtemp(prefix="vqcodec-")
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            target = Path(self._folder, str(index))
            folder, files = storage.search(name) or (None, [Listed(name, None)])
            for file in files:
                if folder is None or PurePosixPath(file.url).suffix.lower() in suffixes:
                    _copy(file.url, folder, target)
            if not target.is_dir():
                raise none_found(name, suffixes)
            self.paths.append(target)


def _copy(url: str, folder: str | None, target: Path) -> None:
    try:
        path = Path(join(str(target), relative_parts(url, folder)))
    except ValueError as error:
        raise InputError(f"{url}: leads out of its folder") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with storage.fetch(url) as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy)
