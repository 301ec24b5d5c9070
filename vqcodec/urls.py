"""Names of files that may be URLs, as text: which they are, and their parts."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.DOTALL)
_MAGIC = re.compile(r"[*?\[]")
_FILE = "file"


def is_url(name: str) -> bool:
    """Return whether a name is a URL of a store; `file://` is a path, see `local_name`."""
    match = _URL.fullmatch(name)
    return match is not None and match[1] != _FILE


def local_name(name: str) -> str:
    """Return the path of a `file://` URL; other names are returned as they are."""
    match = _URL.fullmatch(name)
    return match[2] if match is not None and match[1] == _FILE else name


def scheme_of(url: str) -> str:
    """Return "s3" for "s3://bucket/key"."""
    return url.partition("://")[0]


def has_magic(name: str) -> bool:
    """Return whether a name has one of the wildcards *, ? and [."""
    return _MAGIC.search(name) is not None


def folder_of_pattern(pattern: str) -> str:
    """Return the folder above the first part of a pattern that has a wildcard."""
    match = _MAGIC.search(pattern)
    start = len(pattern) if match is None else match.start()
    return pattern[: pattern.rfind("/", 0, start) + 1]


def parent_of(url: str) -> str:
    """Return the folder of a URL, without a slash at its end; "memory://" for "memory://a"."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rstrip('/').rpartition('/')[0]}"


def with_suffix(name: str, suffix: str) -> str:
    """Return a path or a URL with another suffix.

    Raises:
        ValueError: the name has no last part.
    """
    if not is_url(name):
        return str(Path(name).with_suffix(suffix))
    folder, _, last = name.rpartition("/")
    return f"{folder}/{PurePosixPath(last).with_suffix(suffix)}"


def relative_parts(name: str, folder: str | None) -> tuple[str, ...]:
    """Return the parts of a name below a folder; only the last part if the folder is None.

    Names in stores come from strangers, so that parts may be ".." and folders may be empty.

    Raises:
        ValueError: the name leads out of the folder, or no file can have it.
    """
    if is_url(name):
        inside = name if folder is None else name.removeprefix(folder.rstrip("/") + "/")
        parts = tuple(part for part in inside.split("/") if part not in ("", "."))
    elif folder is None:
        parts = (Path(name).name,)
    else:
        parts = Path(name).relative_to(folder).parts
    parts = parts[-1:] if folder is None else parts
    if not parts or ".." in parts or any("\0" in part for part in parts):
        raise ValueError(name)
    return parts


def join(folder: str, parts: tuple[str, ...]) -> str:
    """Return the path or the URL of something below a folder."""
    if is_url(folder):
        return "/".join((folder.rstrip("/"), *parts))
    return str(Path(folder, *parts))
