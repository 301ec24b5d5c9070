"""What runs in the worker processes of a cluster."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqcodec import __version__
from vqcodec.errors import VqcodecError
from vqcodec.pool import THREAD_VARIABLES


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """Data that all workers can read, and what they do before their first item.

    Attributes:
        data: goes into the object store once; each worker fetches what it looks up.
        begin: is called once in every worker, with the names, and a function that returns the data
            of a name.
    """

    data: Mapping[str, bytes]
    begin: Callable[[Collection[str], Callable[[str], bytes]], None]


class BugError(Exception):
    """Work raised something else than a VqcodecError."""


class Actor:
    """A worker; its class is imported by name on the nodes."""

    def __init__(self, settings: tuple[bytes, dict[str, Any], int, str]) -> None:
        pickled, references, threads, folder = settings
        # Before anything imports a library that starts threads.
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        with suppress(OSError):  # this node may not have the folder of the command
            os.chdir(folder)
        self._work, begin = pickle.loads(pickled)
        if begin is not None:
            begin(references.keys(), _Lookup(references))

    def greet(self) -> str:
        """Return the version of this node's package."""
        return __version__

    def process(self, batch: list[tuple[int, Any]]) -> Iterator[tuple[int, Any, Exception | None]]:
        """Yield the index of each item, with its result or its error."""
        for index, item in batch:
            outcome: tuple[int, Any, Exception | None]
            try:
                outcome = index, self._work(item), None
            except VqcodecError as error:
                outcome = index, None, error
            except Exception as error:  # told to the driver, which tries again
                place = traceback.extract_tb(sys.exc_info()[2])[-1]
                name = f"{type(error).__name__}: {error}"
                where = f"{Path(place.filename).name}:{place.lineno}"
                outcome = index, None, BugError(f"{name} ({where})")
            yield outcome


@dataclass(frozen=True, slots=True)
class _Lookup:
    """Looks up shared data in the object store."""

    references: dict[str, Any]

    def __call__(self, name: str) -> bytes:
        import ray

        data: bytes = ray.get(self.references[name])
        return data
