"""`vqcodec models`: the list of installed models; and loading of models for other commands."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import vqcodec

from .console import write_json, write_line, write_table
from .options import Json

if TYPE_CHECKING:
    from vqcodec.codec.model import Model
    from vqcodec.codec.zoo import ModelCard


def models(*, as_json: Json = False) -> None:
    """List the installed models."""
    from vqcodec.codec.zoo import list_models

    cards = list_models()
    if as_json:
        write_json({"models": [_record(card) for card in cards]})
    elif cards:
        rows = [[c.name, c.modality, c.fingerprint, c.size_bytes, c.path] for c in cards]
        write_table(["name", "modality", "fingerprint", "bytes", "file"], rows)
    else:
        write_line("no models are installed; VQCODEC_MODELS names folders to look in")


def _record(card: ModelCard) -> dict[str, object]:
    return {
        "name": card.name,
        "modality": card.modality,
        "fingerprint": card.fingerprint,
        "size_bytes": card.size_bytes,
        "path": card.path,
        "summary": card.summary,
    }


@lru_cache(maxsize=4)  # a picture model and a sound model, for any number of inputs
def load_model(name: str, device: str) -> Model:
    """Return the model with this name, fingerprint or path, with its networks on `device`.

    Raises:
        UsageError: the device is unknown or not available.
        MissingModelError: no such model is installed.
        ModelFileError: the model's file is damaged or is not a model.
    """
    return vqcodec.load(name).to(device)
