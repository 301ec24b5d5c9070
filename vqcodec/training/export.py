"""A trained autoencoder and its frozen prior to a model file, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vqcodec.codec.deflated import Tensors
from vqcodec.codec.model_file import GRAPH, ModelFile, write_model_file
from vqcodec.codec.weights import restore_weight, store_weight
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.training.graphs import export_graphs

SUMS = ".sums"  # of codebooks: entries times shares, so a model file leaves them out


def save_model(
    path: Path,
    *,
    name: str,
    tables: Mapping[str, Any],
    autoencoder: Autoencoder,
    prior: Mapping[str, NDArray[Any]],
    card: Mapping[str, Any],
) -> str:
    """Write a model file and return its fingerprint.

    Args:
        path: where.
        name: of the model.
        tables: "modality", "network", "quantizer" and "prior", as in the recipe.
        autoencoder: networks, whose weights are stored in 8 or 16 bits, and quantizer.
        prior: the frozen prior's tensors.
        card: what the model was made of and how well it does.

    Raises:
        ModelFileError: a weight is not finite in the precision that it is stored in.
        OutputError: the file cannot be written.
    """
    tensors: Tensors = {f"prior.{key}": value for key, value in prior.items()}
    for key, value in autoencoder.state_dict().items():
        if key.endswith(SUMS):
            continue
        array = value.detach().cpu().numpy()
        is_weight = key.startswith(("encoder.", "decoder.")) and array.dtype == np.float32
        tensors |= store_weight(key, array) if is_weight else {key: array}
    graphs, constants = export_graphs(autoencoder)
    tensors |= constants
    for key, graph in graphs.items():
        tensors[GRAPH + key] = np.frombuffer(graph, np.uint8)
    return write_model_file(path, name=name, tables=tables, tensors=tensors, card=card)


def load_autoencoder(file: ModelFile) -> Autoencoder:
    """Return the autoencoder of a model file, as precisely as its weights are stored.

    Raises:
        ConfigError: its tables are not those of an autoencoder.
        RuntimeError: its tensors do not fit.
    """
    autoencoder = Autoencoder(file.tables)
    state = {}
    for key in autoencoder.state_dict():
        if key.endswith(SUMS) and key not in file.tensors:
            book = key.removesuffix(SUMS)
            entries, shares = (file.tensors[f"{book}.{part}"] for part in ("entries", "shares"))
            state[key] = torch.from_numpy(entries * shares[:, None])
        else:
            state[key] = torch.from_numpy(restore_weight(file.tensors, key))
    autoencoder.load_state_dict(state)
    return autoencoder.eval()
