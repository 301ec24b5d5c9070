"""`vqcodec models`: the list of installed models; and loading of models for other commands."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import vqcodec
from vqcodec.errors import MissingModelError

from .console import complain, write_json, write_line, write_table
from .options import Json

if TYPE_CHECKING:
    from vqcodec.cluster.worker import Shared
    from vqcodec.codec.model import Model
    from vqcodec.codec.zoo import ModelCard


def models(*, as_json: Json = False) -> None:
    """List the installed models."""
    from vqcodec.codec.zoo import list_models

    damage: list[str] = []
    cards = list_models(on_damage=lambda error: damage.append(str(error)))
    for text in damage:
        complain(text)
    if as_json:
        write_json({"models": [_record(card) for card in cards], "damaged": damage})
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
    if name in _sent:
        from vqcodec.codec.loading import read_model

        return read_model(_sent[name](), name).to(device)
    return vqcodec.load(name).to(device)


def model_of_stream(fingerprint: str, name: str | None, device: str) -> Model:
    """Return the model that a stream needs: the one with this name, or an installed one.

    If neither is it, the named one is returned: it refuses the stream, and names both.

    Raises:
        UsageError: the device is unknown or not available.
        MissingModelError: no such model is installed.
        ModelFileError: the model's file is damaged or is not a model.
    """
    if name is None:
        return load_model(fingerprint, device)
    named = load_model(name, device)
    if named.fingerprint == fingerprint:
        return named
    try:
        return load_model(fingerprint, device)
    except MissingModelError:
        return named


# On a cluster, the models of the machine that started the work: by name, fingerprint and path.
_sent: dict[str, Callable[[], bytes]] = {}


def shared_models(name: str | None) -> Shared:
    """Return the installed models, and the named one, for the workers of a cluster.

    Raises:
        MissingModelError: the named model is not installed.
        ModelFileError: its file cannot be read.
    """
    from vqcodec.cluster.worker import Shared
    from vqcodec.codec.zoo import list_models, read_model_bytes

    data: dict[str, bytes] = {}
    if name is not None:
        data[name] = read_model_bytes(name)
    for card in list_models():
        contents = read_model_bytes(str(card.path))
        data.setdefault(card.name, contents)
        data.setdefault(card.fingerprint, contents)
    return Shared(data=data, begin=use_sent_models)


def use_sent_models(names: Collection[str], lookup: Callable[[str], bytes]) -> None:
    """Load models of these names from now on from what a function returns."""
    _sent.update({name: partial(lookup, name) for name in names})
    load_model.cache_clear()
