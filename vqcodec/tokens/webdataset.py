"""Tokens in WebDataset shards: a tar file with KEY.npy and KEY.json for every entry."""

from __future__ import annotations

import io
import json
import tarfile
import tokenize
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import InputError
from vqcodec.tokens.entry import MOST_INDICES, Tokens, build_tokens

MOST_JSON_BYTES = 1 << 20
_NPY_HEADER = 1 << 16  # bytes, more than any has
_DAMAGE = (
    tarfile.TarError,
    ValueError,
    EOFError,
    AttributeError,
    RecursionError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


def write_tar(path: Path, entries: Iterable[tuple[str, Tokens]]) -> None:
    """Write a shard of entries with their keys; equal entries give equal bytes."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for key, tokens in entries:
            array = io.BytesIO()
            np.save(array, tokens.indices, allow_pickle=False)
            facts = json.dumps(tokens.facts(), ensure_ascii=False).encode()
            for suffix, data in ((".npy", array.getvalue()), (".json", facts)):
                member = tarfile.TarInfo(key + suffix)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def read_tar(file: BinaryIO, where: str) -> Iterator[Tokens]:
    """Yield the entries of a shard, in order; members of other kinds are left out.

    Args:
        file: open for reading.
        where: its name, for messages.

    Raises:
        InputError: the file is damaged, or is not such a shard.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            arrays: dict[str, NDArray[np.uint16]] = {}
            facts: dict[str, dict[str, object]] = {}
            for member in archive:
                key, dot, suffix = member.name.rpartition(".")
                if not (member.isfile() and dot and suffix in ("npy", "json")):
                    continue
                if suffix == "npy":
                    arrays[key] = _array(_body(archive, member, 2 * MOST_INDICES + _NPY_HEADER))
                else:
                    facts[key] = json.loads(_body(archive, member, MOST_JSON_BYTES))
                if key in arrays and key in facts:
                    yield build_tokens(facts.pop(key), arrays.pop(key), where)
            _require_end(archive, file)
            if arrays or facts:
                raise InputError(f"{where}: an entry without its .npy or its .json")
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}") from error
    except (*_DAMAGE, MemoryError) as error:  # an array claims any size
        raise InputError(f"{where}: not a shard of tokens, or damaged: {error}") from error


def read_tar_facts(file: BinaryIO, where: str) -> list[dict[str, object]]:
    """Return the facts of all entries of a shard, without their indices.

    Raises:
        InputError: the file is damaged, or is not a shard.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            facts = [
                json.loads(_body(archive, member, MOST_JSON_BYTES))
                for member in archive
                if member.isfile() and member.name.endswith(".json")
            ]
            _require_end(archive, file)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise InputError(f"{where}: not a shard of tokens, or damaged: {error}") from error
    if not all(isinstance(own, dict) for own in facts):
        raise InputError(f"{where}: an entry whose facts are no JSON object")
    return facts


def _require_end(archive: tarfile.TarFile, file: BinaryIO) -> None:
    """Check that an archive was read to its end mark, after which nothing follows.

    For tarfile, an archive ends at the first damaged header, or where the file is cut off.

    Raises:
        ReadError: it ends elsewhere.
    """
    file.seek(archive.offset)
    length = 0
    while block := file.read(1 << 20):
        if block.strip(b"\0"):
            raise tarfile.ReadError("a member cannot be read")
        length += len(block)
    if length < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("cut off")


def _body(archive: tarfile.TarFile, member: tarfile.TarInfo, most_bytes: int) -> bytes:
    if member.size > most_bytes:
        raise InputError(f"{member.name}: {member.size} bytes, more than {most_bytes}")
    file = archive.extractfile(member)
    assert file is not None
    with file:
        return file.read()


def _array(data: bytes) -> NDArray[np.uint16]:
    array: NDArray[np.uint16] = np.load(io.BytesIO(data), allow_pickle=False)
    return array
