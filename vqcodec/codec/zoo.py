"""Finding a shipped or local model by name, fingerprint or path; torch is imported to load one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vqcodec.errors import MissingModelError, ModelFileError

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

MODEL_FORMAT = 1
METADATA_KEY = "vqcodec"
SUFFIX = ".safetensors"
SEARCH_PATH_VARIABLE = "VQCODEC_MODELS"  # folders, separated as in PATH, searched first
LARGEST_MODEL_HEADER = 1 << 24  # bytes of JSON at the start of a model file
DEFAULT_MODELS: dict[str, str] = {"image": "image", "audio": "speech"}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model without loading it.

    Attributes:
        name: as `vqcodec.load` takes it.
        fingerprint: 8 hexadecimal digits, as streams name it.
        modality: what it is for.
        path: of its file.
        size_bytes: of its file.
        summary: recipe, data, licence, hours, scores and what else its maker wrote.
    """

    name: str
    fingerprint: str
    modality: Literal["image", "audio"]
    path: Path
    size_bytes: int
    summary: dict[str, Any]


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what a model file says of itself, out of its JSON header.

    Raises:
        ModelFileError: the file is damaged, or is not a model that this version reads.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= LARGEST_MODEL_HEADER:
                raise ModelFileError(f"{path}: not a model file")
            header = json.loads(file.read(length))
            facts = json.loads(header["__metadata__"][METADATA_KEY])
        known = facts["format"] == MODEL_FORMAT
        texts = all(isinstance(facts[key], str) for key in ("name", "fingerprint"))
        tables = facts["tables"]["modality"] in DEFAULT_MODELS and isinstance(facts["card"], dict)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path}: not a model file") from error
    if not (known and texts and tables):
        raise ModelFileError(f"{path}: not a model that this version reads")
    return dict(facts)


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
    facts = read_metadata(path)
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


def default_model_name(modality: Literal["image", "audio"]) -> str:
    """Return the name of the model that serves a modality unless another is asked for."""
    return DEFAULT_MODELS[modality]


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
    from vqcodec.codec.model_file import load_checkpoint

    return load_checkpoint(find_model(name).path)
