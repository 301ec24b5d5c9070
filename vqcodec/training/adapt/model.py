"""A model file whose parts are replaced by fitted ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vqcodec.codec.deflated import Tensors
from vqcodec.codec.loading import build_model
from vqcodec.codec.model import Model
from vqcodec.codec.model_file import (
    ModelFile,
    fingerprint_of,
    write_model_file,
)
from vqcodec.codec.weights import store_weight
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors.base import PriorNetwork


def with_prior(file: ModelFile, prior: PriorNetwork, autoencoder: Autoencoder) -> ModelFile:
    """Return a model file with another prior, frozen."""
    fractions = autoencoder.quantizer.rate_fraction(torch.arange(256)).clamp(0, 1)
    frozen = {f"prior.{name}": tensor for name, tensor in prior.freeze(fractions).items()}
    return _with_tensors(file, frozen, ("prior.",))


def with_networks(file: ModelFile, autoencoder: Autoencoder, parts: tuple[str, ...]) -> ModelFile:
    """Return a model file with other weights in some of the parts "encoder.", "decoder.", …

    Graphs refer to weights by name and stay. Weights are stored as they were, in 8 or 16 bits.
    """
    tensors: Tensors = {}
    for name, value in autoencoder.state_dict().items():
        if name.startswith(parts):
            array = value.detach().cpu().contiguous().numpy()
            is_stored = name.startswith(("encoder.", "decoder.")) and array.dtype == "float32"
            tensors |= store_weight(name, array) if is_stored else {name: array}
    return _with_tensors(file, tensors, parts)


def _with_tensors(file: ModelFile, tensors: Tensors, parts: tuple[str, ...]) -> ModelFile:
    kept = {name: value for name, value in file.tensors.items() if not name.startswith(parts)}
    new = kept | tensors
    return replace(file, tensors=new, fingerprint=fingerprint_of(file.tables, new), checksum="")


def model_of(file: ModelFile) -> Model:
    """Return the model that a file would hold."""
    return build_model(file)


def write_fitted(path: Path, file: ModelFile, *, name: str, card: Mapping[str, Any]) -> str:
    """Write a model file under another name and with another card; return its fingerprint."""
    return write_model_file(path, name=name, tables=file.tables, tensors=file.tensors, card=card)
