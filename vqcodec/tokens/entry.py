"""The indices of one file, and what is known of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import InputError

MOST_AXES = 3
LARGEST_CODEBOOK = 1 << 16
MOST_INDICES = 1 << 30  # of one entry
_FINGERPRINT = re.compile("[0-9a-f]{8}")
_LARGEST = 1 << 64  # number among the facts


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Tokens:
    """The indices of one file.

    Attributes:
        indices: [K', F] of a sound or [K', h, w] of a picture, as of `Model.encode`; uint16.
        rate: the rate byte, 0 … 255, which decides what the indices mean.
        quality: 1 … 10, of which the rate was made; `Model.decode` takes it.
        codebook_size: N; indices are 0 … N - 1.
        file: name of the file, relative to the folder that was given.
        fingerprint: 8 hexadecimal digits of the model.
        model: its name.
        duration_s, sample_rate, num_samples: of a sound as it was read; None for a picture.
        width, height: of a picture in pixels; None for a sound.
    """

    indices: NDArray[np.uint16]
    rate: int
    quality: float
    codebook_size: int
    file: str
    fingerprint: str
    model: str
    duration_s: float | None = None
    sample_rate: int | None = None
    num_samples: int | None = None
    width: int | None = None
    height: int | None = None

    @property
    def modality(self) -> str:
        """ "image" or "audio"."""
        return "image" if self.indices.ndim == 3 else "audio"

    def facts(self) -> dict[str, Any]:
        """Return everything but the indices, with their shape, ready for JSON."""
        return {
            "file": self.file,
            "shape": list(self.indices.shape),
            "rate": self.rate,
            "quality": self.quality,
            "codebook_size": self.codebook_size,
            "fingerprint": self.fingerprint,
            "model": self.model,
            "duration_s": self.duration_s,
            "sample_rate": self.sample_rate,
            "num_samples": self.num_samples,
            "width": self.width,
            "height": self.height,
        }


# The type of each fact, and whether it may be missing.
FACTS: dict[str, tuple[type, bool]] = {
    "file": (str, False),
    "shape": (list, False),
    "rate": (int, False),
    "quality": (float, False),
    "codebook_size": (int, False),
    "fingerprint": (str, False),
    "model": (str, False),
    "duration_s": (float, True),
    "sample_rate": (int, True),
    "num_samples": (int, True),
    "width": (int, True),
    "height": (int, True),
}


def build_tokens(facts: dict[str, Any], indices: NDArray[Any], where: str) -> Tokens:
    """Return an entry of a shard, checked.

    Args:
        facts: as `Tokens.facts` returns them; others are ignored.
        indices: flat, or in their shape.
        where: the shard, for messages.

    Raises:
        InputError: a fact is missing or of a wrong type, or the indices do not fit.
    """
    kept: dict[str, Any] = {}
    for name, (kind, optional) in FACTS.items():
        value = facts.get(name)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < _LARGEST else math.nan
        is_odd = isinstance(value, bool) or value != value  # noqa: PLR0124 - NaN
        if is_odd or not (isinstance(value, kind) or (optional and value is None)):
            raise InputError(f"{where}: an entry whose {name} is {value!r:.40}")
        kept[name] = value
    shape, size = kept.pop("shape"), kept["codebook_size"]
    fits = (
        2 <= len(shape) <= MOST_AXES
        and all(type(length) is int and 0 <= length <= MOST_INDICES for length in shape)
        and (indices.ndim == 1 or list(indices.shape) == shape)
        and math.prod(shape) == indices.size
        and indices.dtype.kind == "u"
        and 2 <= size <= LARGEST_CODEBOOK
        and 0 <= kept["rate"] <= 255
        and _FINGERPRINT.fullmatch(kept["fingerprint"])
    )
    if not fits or (indices.size and int(indices.max()) >= size):
        raise InputError(f"{where}: an entry whose indices do not fit its facts")
    return Tokens(indices=indices.reshape(shape).astype(np.uint16, copy=False), **kept)
