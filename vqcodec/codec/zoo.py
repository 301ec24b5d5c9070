"""Finding a shipped or local model by name, fingerprint or path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqcodec.codec.model_file import SUFFIX, read_facts
from vqcodec.errors import MissingModelError, ModelFileError
from vqcodec.modalities import MODALITIES
from vqcodec.registry import imported

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

SEARCH_PATH_VARIABLE = "VQCODEC_MODELS"  # folders, separated as in PATH, searched first


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model without loading it.

    Attributes:
        name: as `vqcodec.load` takes it.
        fingerprint: 8 hexadecimal digits, as streams name it.
        modality: what it is for, "image" or "audio".
        path: of its file.
        size_bytes: of its file.
        summary: recipe, data, licence, hours, scores and what else its maker wrote.
    """

    name: str
    fingerprint: str
    modality: str
    path: Path
    size_bytes: int
    summary: dict[str, Any]


def search_path() -> list[Path]:
    """Return the folders in which models are looked for, first come first served."""
    own = os.environ.get(SEARCH_PATH_VARIABLE, "")
    folders = [Path(folder) for folder in own.split(os.pathsep) if folder]
    return [*folders, Path(str(resources.files("vqcodec.assets"))) / "models"]


def read_card(path: Path) -> ModelCard:
    """Return the card of a model file.

    Raises:
        ModelFileError: the file is damaged, or is not a model.
    """
    facts = read_facts(path)
    return ModelCard(
        name=facts["name"],
        fingerprint=facts["fingerprint"],
        modality=facts["tables"]["modality"],
        path=path,
        size_bytes=path.stat().st_size,
        summary=facts["card"],
    )


def list_models() -> list[ModelCard]:
    """Return the cards of all models on the search path; of equal ones the first.

    A model that shares its name with an earlier one can still be had by its fingerprint.

    Raises:
        ModelFileError: one is damaged.
    """
    cards: dict[tuple[str, str], ModelCard] = {}
    for path in _installed():
        card = read_card(path)
        cards.setdefault((card.name, card.fingerprint), card)
    return list(cards.values())


def _installed() -> Iterator[Path]:
    """Yield the model files on the search path."""
    for folder in search_path():
        yield from sorted(folder.glob(f"*{SUFFIX}"))


def default_model_name(modality: str) -> str:
    """Return the name of the model that serves a modality unless another is asked for."""
    name: str = imported(MODALITIES[modality].runtime).default_model
    return name


def find_model(name: str) -> ModelCard:
    """Return the card of the model with this name, fingerprint or file path; the first one found.

    Raises:
        MissingModelError: there is none.
        ModelFileError: its file is damaged, or there is none but a damaged file.
    """
    path = Path(name)
    if path.suffix == SUFFIX and path.is_file():
        return read_card(path)
    damage: ModelFileError | None = None
    for path in _installed():
        try:
            card = read_card(path)
        except ModelFileError as error:  # says nothing against the models beside it
            damage = damage or error
            continue
        if name in (card.name, card.fingerprint):
            return card
    if damage is not None:
        raise damage
    raise MissingModelError(f"model {name!r} is not installed; see 'vqcodec models'")


def load_model(name: str) -> Model:
    """Return the model with this name, fingerprint or file path, ready to use.

    Raises:
        MissingModelError: there is none.
        ModelFileError: its file is damaged.
    """
    from vqcodec.codec.loading import read_model  # here: ONNX Runtime takes a tenth of a second

    return read_model(find_model(name).path)
