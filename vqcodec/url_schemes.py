"""The kinds of stores that URLs name, opened by fsspec.

Every URL is data: only the schemes of `SCHEMES` are opened, and none of them chains to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from vqcodec.errors import InputError, UsageError, VqcodecError
from vqcodec.extras import install_hint
from vqcodec.urls import scheme_of


class Writing(Enum):
    """How a complete file appears in a store."""

    PUT = auto()  # an object appears when it is complete
    MOVE = auto()  # a file is written under another name, then renamed
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Scheme:
    """What is known of the stores with one kind of URL.

    Attributes:
        package: what has to be installed besides fsspec.
        writing: how files are written.
        has_folders: whether names can be listed.
    """

    package: str | None
    writing: Writing
    has_folders: bool = True


SCHEMES = {
    "s3": Scheme("s3fs", Writing.PUT),
    "gs": Scheme("gcsfs", Writing.PUT),
    "az": Scheme("adlfs", Writing.PUT),
    "memory": Scheme(None, Writing.PUT),
    "hf": Scheme("huggingface_hub", Writing.NEVER),  # each file would be a commit
    "http": Scheme("aiohttp", Writing.NEVER, has_folders=False),
    "https": Scheme("aiohttp", Writing.NEVER, has_folders=False),
    "sftp": Scheme("paramiko", Writing.MOVE),
    "hdfs": Scheme("pyarrow", Writing.MOVE),
}
IN_PROCESS = "memory"  # its files are within one process


def known_scheme(url: str) -> Scheme:
    """Return the scheme of a URL.

    Raises:
        UsageError: it is unknown.
    """
    try:
        return SCHEMES[scheme_of(url)]
    except KeyError:
        known = ", ".join(f"{name}://" for name in ("file", *SCHEMES))
        raise UsageError(f"{url}: unknown kind of URL; known are {known}") from None


def open_store(url: str) -> tuple[Any, str]:
    """Return the fsspec store of a URL, and what the store calls the place.

    Raises:
        InputError: the store cannot be opened.
        UsageError: the URL has an unknown scheme, or its package is not installed.
    """
    scheme = known_scheme(url)
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{url}: URLs need fsspec; {install_hint('scale')}") from error
    try:
        kind = fsspec.get_filesystem_class(scheme_of(url))
    except ImportError as error:
        raise UsageError(
            f"{url}: needs {scheme.package}; install it with: pip install {scheme.package}"
        ) from error
    with naming_store_failures(url, InputError):
        # Not `url_to_fs`: it takes "::" in a name for a chain of stores.
        return kind(**kind._get_kwargs_from_urls(url)), kind._strip_protocol(url)


@contextmanager
def naming_store_failures(url: str, kind: type[VqcodecError]) -> Iterator[None]:
    """Turn a failure of a store into an error that begins with the URL."""
    try:
        yield
    except VqcodecError:
        raise
    except FileExistsError:
        raise
    except Exception as error:  # the libraries' exceptions have no other base class
        reason = error.strerror if isinstance(error, OSError) else None
        reason = reason or next(iter(str(error).splitlines()), "") or type(error).__name__
        raise kind(f"{url}: {reason}") from error
