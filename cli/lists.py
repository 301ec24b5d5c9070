"""List files: `@NAME` on the command line stands for the inputs that a file names, one a line."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from vqcodec.errors import InputError
from vqcodec.urls import is_url, local_name, parent_of

from .paths import STDIO, read_source

PREFIX = "@"


def is_list(name: str) -> bool:
    """Return whether an argument names a list; a file whose own name begins with @ is none."""
    return name.startswith(PREFIX) and len(name) > 1 and not os.path.lexists(name)


def read_list(argument: str) -> tuple[str | None, list[str]]:
    """Return the folder that all names of a list have in common, and the names.

    Every line is the name of one file or the URL of one, taken literally: there are no wildcards,
    comments or further lists. Empty lines are left out.

    Args:
        argument: "@" and the path or URL of the list, or "@-" for stdin.

    Returns:
        The folder is None if the names have none in common.

    Raises:
        InputError: the list cannot be read, is empty, or has a line that cannot be a name.
    """
    source = argument.removeprefix(PREFIX)
    names: list[str] = []
    for number, line in enumerate(read_source(local_name(source)).split(b"\n"), start=1):
        name = os.fsdecode(line.removesuffix(b"\r"))
        if not name:
            continue
        if name == STDIO or "\0" in name:
            raise InputError(f"{source}: line {number} is not the name of a file")
        names.append(local_name(name))
    if not names:
        raise InputError(f"{source}: names no file")
    return _common_folder(names), names


def _common_folder(names: list[str]) -> str | None:
    """Return the deepest folder above all names, or None."""
    num_urls = sum(map(is_url, names))
    if num_urls == len(names):
        folders = [parent_of(name).split("/") for name in names]
        low, high = min(folders), max(folders)
        common = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False))
        parts = [part for part, _ in common]
        return "/".join(parts) if len(parts) > 2 else None  # "s3:", "" and the bucket
    if num_urls:
        return None
    try:
        return os.path.commonpath([str(Path(name).parent) for name in names]) or "."
    except ValueError:  # absolute and relative names
        return None
