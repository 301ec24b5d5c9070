"""Reading and writing of model files: tensors and JSON, never pickled objects."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqcodec.codec.deflated import Tensors, deflate, inflate
from vqcodec.errors import ModelFileError, OutputError
from vqcodec.files import replacing
from vqcodec.modalities import MODALITIES

MODEL_FORMAT = 2
METADATA_KEY = "vqcodec"
DEFLATED = "deflated"  # the key of the facts about deflated tensors
SUFFIX = ".safetensors"
LARGEST_HEADER = 1 << 24  # bytes of JSON at the start of a model file
GRAPH = "graph."  # prefix of the names of serialized graphs; weights are separate tensors
GRID_KEYS = ("kind", "sample_rate", "hop_length")  # keys of [network] that define the grid


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class ModelFile:
    """The contents of a model file.

    Attributes:
        name: of the model.
        fingerprint: 8 hexadecimal digits that identify quantizer and prior.
        tables: "modality", "network", "quantizer" and "prior", as in the recipe.
        card: facts about training and quality, for people.
        tensors: "quantizer.…", "prior.…", "graph.…", and the weights of networks by name.
        checksum: SHA-256 of all other contents.
    """

    name: str
    fingerprint: str
    tables: dict[str, Any]
    card: dict[str, Any]
    tensors: Tensors
    checksum: str

    def part(self, prefix: str) -> Tensors:
        """Return the tensors whose names begin with a prefix; the prefix is removed."""
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


def fingerprint_of(tables: Mapping[str, Any], tensors: Tensors) -> str:
    """Return 8 hexadecimal digits, a hash of all that defines the meaning of a stream's bits.

    Args:
        tables: of the model file; modality, quantizer and prior count, and `GRID_KEYS` of network.
        tensors: of the model file; those of quantizer and prior count.
    """
    network = tables["network"]
    kept = {
        "modality": tables["modality"],
        "quantizer": tables["quantizer"],
        "prior": tables["prior"],
        "grid": {key: value for key, value in network.items() if key in GRID_KEYS},
    }
    contract = {
        name: tensor
        for name, tensor in tensors.items()
        if name.startswith(("quantizer.", "prior."))
    }
    return checksum_of(kept, contract)[:8]


def read_facts(source: Path | bytes, name: str | None = None) -> dict[str, Any]:
    """Return the facts in a model file's JSON header; no tensor is read.

    Args:
        source: the path of the file, or its contents.
        name: of the file, for messages.

    Raises:
        ModelFileError: the file is damaged, or is not a model that this version reads.
    """
    path = name or str(source if isinstance(source, Path) else "model")
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= LARGEST_HEADER:
                raise ModelFileError(f"{path}: not a model file")
            header = json.loads(file.read(length))
            facts = json.loads(header["__metadata__"][METADATA_KEY])
        known = facts["format"] == MODEL_FORMAT
        texts = all(isinstance(facts[key], str) for key in ("name", "fingerprint"))
        tables = facts["tables"]["modality"] in list(MODALITIES) and isinstance(facts["card"], dict)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path}: not a model file") from error
    if not (known and texts and tables):
        raise ModelFileError(f"{path}: not a model that this version reads")
    return dict(facts)


def read_model_file(source: Path | bytes, name: str | None = None) -> ModelFile:
    """Return the contents of a model file, checked against its checksum and fingerprint.

    Args:
        source: the path of the file, or its contents.
        name: of the file, for messages.

    Raises:
        ModelFileError: the file is damaged, or is not a model that this version reads.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load, load_file

    facts = read_facts(source, name)
    path = name or str(source if isinstance(source, Path) else "model")
    try:
        stored = load_file(source) if isinstance(source, Path) else load(source)
        tensors = inflate(stored, facts.get(DEFLATED, {}))
        checksum = facts.pop("checksum")
        with ThreadPoolExecutor(1) as pool:  # both take time, and release the lock of Python
            fingerprint = pool.submit(fingerprint_of, facts["tables"], tensors)
            if checksum_of(facts, tensors) != checksum:
                raise ModelFileError(f"{path}: damaged, its checksum does not match")
        if fingerprint.result() != facts["fingerprint"]:
            raise ModelFileError(f"{path}: its fingerprint is not that of its tables and tensors")
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{path}: not a model that this version reads: {error}") from error
    _check_finite(path, tensors)
    return ModelFile(
        name=facts["name"],
        fingerprint=facts["fingerprint"],
        tables=facts["tables"],
        card=facts["card"],
        tensors=tensors,
        checksum=checksum,
    )


def write_model_file(
    path: Path,
    *,
    name: str,
    tables: Mapping[str, Any],
    tensors: Tensors,
    card: Mapping[str, Any],
) -> str:
    """Write a model file and return its fingerprint; see `ModelFile`.

    Raises:
        ModelFileError: a tensor has a value that is not finite.
        OutputError: the file cannot be written.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    _check_finite(path, tensors)
    fingerprint = fingerprint_of(tables, tensors)
    facts = {
        "format": MODEL_FORMAT,
        "name": name,
        "fingerprint": fingerprint,
        "tables": dict(tables),
        "card": dict(card),
    }
    stored, deflated = deflate(tensors)
    if deflated:
        facts[DEFLATED] = deflated
    facts["checksum"] = checksum_of(facts, tensors)
    contiguous = {
        key: np.ascontiguousarray(value).reshape(value.shape) for key, value in stored.items()
    }
    try:
        with replacing(path, overwrite=True) as temporary:
            save_file(contiguous, temporary, metadata={METADATA_KEY: json.dumps(facts)})
    except SafetensorError as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error
    return fingerprint


def checksum_of(facts: Mapping[str, Any], tensors: Tensors) -> str:
    """Return the SHA-256 of facts (as JSON) and tensors (sorted by name)."""
    import numpy as np  # here: 'models' and 'info' read only headers and start faster

    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        little = tensor.dtype.newbyteorder("<")
        digest.update(np.ascontiguousarray(tensor).astype(little, copy=False).data)
    return digest.hexdigest()


def _check_finite(path: str | Path, tensors: Tensors) -> None:
    import numpy as np

    for key, value in tensors.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ModelFileError(f"{path}: tensor {key} has values that are not finite")
