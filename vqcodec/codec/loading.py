"""Building a model from a model file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vqcodec.codec.graphs import Networks
from vqcodec.codec.model import Model
from vqcodec.codec.model_file import GRAPH, ModelFile, read_model_file
from vqcodec.codec.parts import Parts
from vqcodec.errors import ConfigError, ModelFileError
from vqcodec.modalities import build_modality
from vqcodec.priors import build_prior
from vqcodec.quantizers import build_quantizer

# Errors that untrusted tables and tensors can cause in the parts of a model.
_UNUSABLE = (
    ConfigError,
    ModelFileError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_model(
    source: Path | bytes, name: str | None = None, dtype: type[Any] = np.float64
) -> Model:
    """Return the model in a file; see `build_model`.

    Args:
        source: the path of the file, or its contents.
        name: of the file, for messages.
        dtype: as for `build_model`.

    Raises:
        ModelFileError: the file is damaged, or is not a model that this version reads.
    """
    file = read_model_file(source, name)
    with refusing_unusable(name or str(source)):
        return build_model(file, dtype)


@contextmanager
def refusing_unusable(name: str) -> Iterator[None]:
    """Turn the errors that untrusted tables and tensors can cause into a ModelFileError."""
    try:
        yield
    except _UNUSABLE as error:
        raise ModelFileError(f"{name}: not a model that this version reads: {error}") from error


def build_model(file: ModelFile, dtype: type[Any] = np.float64) -> Model:
    """Return the model that a file holds.

    Args:
        file: from `read_model_file`.
        dtype: the type of the prior's integers: float64, or int64 for the slow reference.

    Raises:
        ConfigError: a table is wrong, or two tables do not fit together.
        ModelFileError: a tensor is missing, does not fit, or is not used.
    """
    modality = build_modality(file.tables["modality"], file.tables["network"])
    quantizer = build_quantizer(file.tables["quantizer"], file.part("quantizer."))
    if quantizer.config.dim != modality.config.dim:
        raise ConfigError(
            f"quantizer: for latents of {quantizer.config.dim} channels, "
            f"but network.dim is {modality.config.dim}"
        )
    prior = build_prior(file.tables["prior"], quantizer.codebook_sizes, file.part("prior."), dtype)
    if prior.num_axes not in (None, modality.num_axes):
        raise ConfigError(f"prior: kind {prior.kind!r} is not for {modality.name}")
    graphs = {name: graph.tobytes() for name, graph in file.part(GRAPH).items()}
    networks = Networks(graphs, file.tensors)
    for name in file.tensors:
        if not name.startswith(("quantizer.", "prior.", GRAPH)) and name not in networks.weights:
            raise ModelFileError(f"tensor {name}: no graph takes it")
    parts = Parts(
        name=file.name,
        fingerprint=file.fingerprint,
        modality=modality,
        networks=networks,
        quantizer=quantizer,
        prior=prior,
    )
    digest = f"{file.fingerprint}-{file.checksum[:16]}"
    return Model(parts, digest=digest, card=file.card)
