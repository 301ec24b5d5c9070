"""Tensors that a model file stores deflated: tables, and weights that are mostly zero."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from vqcodec.cores import num_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tensors: TypeAlias = "dict[str, NDArray[Any]]"
Facts: TypeAlias = "dict[str, dict[str, Any]]"  # the type and the shape of each deflated tensor

LEAST_BYTES = 1 << 16  # of a tensor that is worth it
LARGEST_SHARE = 0.55  # of its bytes: others would only make a model start later
MOST_BYTES = 1 << 28  # of all deflated tensors of a file: it may be a stranger's
MOST_SIDES = 16  # of the shape of a tensor
TYPES = {
    **{"I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"},
    **{"U8": "|u1", "U32": "<u4", "F16": "<f2", "F32": "<f4"},
}


def deflate(tensors: Tensors) -> tuple[Tensors, Facts]:
    """Return tensors as a file stores them, and what `inflate` needs to know.

    The bytes of a tensor are deflated in the order of their significance: the lowest ones of all
    values come first.
    """
    import numpy as np

    names = {np.dtype(code): name for name, code in TYPES.items()}
    stored = dict(tensors)
    facts: Facts = {}
    left = MOST_BYTES
    for key, tensor in sorted(tensors.items()):
        little = tensor.dtype.newbyteorder("<")
        if not LEAST_BYTES <= tensor.nbytes <= left or little not in names:
            continue
        values = np.ascontiguousarray(tensor).astype(little, copy=False).reshape(-1)
        planes = values.view(np.uint8).reshape(-1, little.itemsize).T
        data = zlib.compress(planes.tobytes(), 9)
        if len(data) <= LARGEST_SHARE * tensor.nbytes:
            stored[key] = np.frombuffer(data, np.uint8)
            facts[key] = {"dtype": names[little], "shape": list(tensor.shape)}
            left -= tensor.nbytes
    return stored, facts


def inflate(stored: Tensors, facts: Mapping[str, Mapping[str, Any]]) -> Tensors:
    """Return the tensors of what `deflate` returned.

    Raises:
        ValueError: the data are damaged, or more than `MOST_BYTES`.
        LookupError, TypeError, ValueError, AttributeError: the facts are of another form.
    """
    from concurrent.futures import ThreadPoolExecutor

    left = MOST_BYTES - sum(_num_bytes(fact) for fact in facts.values())
    if left < 0:
        raise ValueError("its tensors are too large")
    with ThreadPoolExecutor(num_threads()) as pool:
        found = pool.map(lambda key: _inflated(key, stored[key].tobytes(), facts[key]), facts)
        return {**stored, **dict(zip(facts, found, strict=True))}


def _num_bytes(fact: Mapping[str, Any]) -> int:
    """Return the bytes of a tensor of this type and shape."""
    sides: list[int] = fact["shape"]
    if len(sides) > MOST_SIDES or not all(type(n) is int and 0 <= n <= MOST_BYTES for n in sides):
        raise ValueError("a tensor has an impossible shape")
    return math.prod(sides) * int(TYPES[fact["dtype"]][-1])


def _inflated(key: str, data: bytes, fact: Mapping[str, Any]) -> NDArray[Any]:
    """Return a tensor from its deflated data; no more bytes are made than it should have."""
    import numpy as np

    num_bytes, inflater = _num_bytes(fact), zlib.decompressobj()
    try:
        planes = inflater.decompress(data, num_bytes + 1)
    except zlib.error as error:
        raise ValueError(f"tensor {key} is damaged") from error
    if len(planes) != num_bytes or not inflater.eof or inflater.unused_data:
        raise ValueError(f"tensor {key} is damaged")
    dtype = np.dtype(TYPES[fact["dtype"]])
    by_plane = np.frombuffer(planes, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(by_plane.T).view(dtype).reshape(fact["shape"])
