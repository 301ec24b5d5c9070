"""Digests that distinguish files, or models, of the same name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from vqcodec.errors import InputError
from vqcodec.signals.options import DEFAULT, ReadOptions

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

_NUM_DIGITS = 16


def digest_of_file(path: Path, reading: ReadOptions = DEFAULT) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file's content.

    Options of reading that are not the usual ones give another digest.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            if reading != DEFAULT:
                digest.update(repr(reading).encode())
            return digest.hexdigest()[:_NUM_DIGITS]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def digest_of_codec(codec: Any) -> str | None:
    """Return a model's fingerprint and a digest of its networks' weights; None for others.

    The fingerprint alone is not enough: longer training of the networks does not change it.
    """
    return codec.digest if is_model(codec) else None


def is_model(codec: Any) -> TypeGuard[Model]:
    """Return whether a codec is one of our models; this needs no import of the codec package."""
    return hasattr(codec, "fingerprint")
