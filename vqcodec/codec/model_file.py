"""Models to files and back: tensors and text only, never pickled objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from vqcodec.codec.model import Model
from vqcodec.codec.zoo import METADATA_KEY, MODEL_FORMAT, read_metadata
from vqcodec.errors import ConfigError, ModelFileError, OutputError
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.priors import build_prior

Tensors = dict[str, NDArray[Any]]

# What a stranger's tables and tensors can make the parts of a model raise.
_UNUSABLE = (
    ConfigError,
    SafetensorError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def fingerprint_of(tables: Mapping[str, Any], contract: Tensors) -> str:
    """Return 8 hexadecimal digits that stand for whatever decides what a stream's bits mean.

    Args:
        tables: the model file's tables; those of modality, quantizer and prior take part, and of
            the network's those that lay out its grid.
        contract: the tensors of quantizer and prior.
    """
    kept = {
        "modality": tables["modality"],
        "quantizer": tables["quantizer"],
        "prior": tables["prior"],
        "grid": {
            key: value
            for key, value in tables["network"].items()
            if key in ("kind", "sample_rate", "hop_length")
        },
    }
    return checksum_of(kept, contract)[:8]


def checksum_of(facts: Mapping[str, Any], tensors: Tensors) -> str:
    """Return the SHA-256 of facts as JSON and tensors by name."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor).astype(tensor.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def save_model(
    path: Path,
    *,
    name: str,
    tables: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    prior: Tensors,
    card: Mapping[str, Any],
) -> str:
    """Write a model file and return its fingerprint.

    Args:
        path: where.
        name: of the model.
        tables: "modality", "network", "quantizer" and "prior", as in the recipe.
        state: of the autoencoder; networks are stored in half precision.
        prior: the frozen prior's tensors.
        card: what the model was made of and how well it does.

    Raises:
        ModelFileError: a weight is not finite in the precision that it is stored in.
        OutputError: the file cannot be written.
    """
    tensors: Tensors = {f"prior.{key}": value for key, value in prior.items()}
    for key, value in state.items():
        array = value.detach().cpu().numpy()
        half = key.startswith(("encoder.", "decoder.")) and array.dtype == np.float32
        with np.errstate(over="ignore"):  # it is found below
            tensors[key] = array.astype(np.float16) if half else array
    _check_finite(path, tensors)
    fingerprint = fingerprint_of(tables, _contract(tensors))
    facts = {
        "format": MODEL_FORMAT,
        "name": name,
        "fingerprint": fingerprint,
        "tables": dict(tables),
        "card": dict(card),
    }
    facts["checksum"] = checksum_of(facts, tensors)
    temporary = path.with_name(path.name + ".partial")
    contiguous = {
        key: np.ascontiguousarray(value).reshape(value.shape) for key, value in tensors.items()
    }
    try:
        try:
            save_file(contiguous, temporary, metadata={METADATA_KEY: json.dumps(facts)})
            temporary.chmod(0o644)  # safetensors leaves it to its owner alone
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (SafetensorError, OSError) as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error
    return fingerprint


def load_checkpoint(path: Path, dtype: type[Any] = np.float64) -> Model:
    """Return the model in a file.

    Args:
        path: of the file.
        dtype: what the prior's integers travel in: float64, or int64 for the slow reference.

    Raises:
        ModelFileError: the file is damaged, or is not a model that this version reads.
    """
    facts = read_metadata(path)
    tables = facts["tables"]
    try:
        tensors = load_file(path)
        checksum = facts.pop("checksum")
        if checksum_of(facts, tensors) != checksum:
            raise ModelFileError(f"{path}: damaged, its checksum does not match")
        if fingerprint_of(tables, _contract(tensors)) != facts["fingerprint"]:
            raise ModelFileError(f"{path}: its fingerprint is not that of its tables and tensors")
        _check_finite(path, tensors)
        autoencoder = Autoencoder.of_tables(tables)
        autoencoder.load_state_dict(
            {
                key: torch.from_numpy(
                    value.astype(np.float32) if value.dtype == np.float16 else value
                )
                for key, value in tensors.items()
                if not key.startswith("prior.")
            }
        )
        own = {
            key.removeprefix("prior."): value
            for key, value in tensors.items()
            if key.startswith("prior.")
        }
        sizes = autoencoder.quantizer.codebook_sizes
        prior = build_prior(tables["prior"], sizes, own, dtype)
    except _UNUSABLE as error:
        raise ModelFileError(f"{path}: not a model that this version reads: {error}") from error
    autoencoder.eval()
    return Model(
        name=facts["name"],
        fingerprint=facts["fingerprint"],
        autoencoder=autoencoder,
        prior=prior,
        card=facts["card"],
    )


def _check_finite(path: Path, tensors: Tensors) -> None:
    for key, value in tensors.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ModelFileError(f"{path}: tensor {key} has values that are not finite")


def _contract(tensors: Tensors) -> Tensors:
    """Return the tensors that a stream's meaning depends on."""
    return {
        key: value for key, value in tensors.items() if key.startswith(("quantizer.", "prior."))
    }
