"""Search for installed models by name, fingerprint or path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqcodec import storage
from vqcodec.codec.model_file import SUFFIX, ModelFile, read_facts, read_model_file
from vqcodec.errors import MissingModelError, ModelFileError
from vqcodec.files import is_file, is_folder
from vqcodec.modalities import MODALITIES
from vqcodec.registry import imported
from vqcodec.urls import is_url, local_name

if TYPE_CHECKING:
    from vqcodec.codec.model import Model
    from vqcodec.modalities.base import ModelChoice
    from vqcodec.signals.files import LazySignal

LARGEST_MODEL = 1 << 32  # bytes that are read from a URL
SEARCH_PATH_VARIABLE = "VQCODEC_MODELS"  # folders, separated as in PATH; they are searched first


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The facts of a model file, read without its tensors.

    Attributes:
        name: the name that `vqcodec.load` takes.
        fingerprint: 8 hexadecimal digits, as in streams.
        modality: "image" or "audio".
        path: of the file.
        size_bytes: of the file.
        summary: the card: recipe, data, licence, training time, scores.
    """

    name: str
    fingerprint: str
    modality: str
    path: Path
    size_bytes: int
    summary: dict[str, Any]


def search_path() -> list[Path]:
    """Return the folders to search for models, in order of precedence."""
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


def list_models(on_damage: Callable[[ModelFileError], None] | None = None) -> list[ModelCard]:
    """Return the cards of all intact models on the search path; duplicates are left out.

    If several models share a name, use the fingerprint to load a later one.

    Args:
        on_damage: is told of every file that is damaged, or is not a model.
    """
    cards: dict[tuple[str, str], ModelCard] = {}
    for path in _installed():
        try:
            card = read_card(path)
        except ModelFileError as error:  # other models in the folder may be intact
            if on_damage is not None:
                on_damage(error)
            continue
        cards.setdefault((card.name, card.fingerprint), card)
    return list(cards.values())


def _installed() -> Iterator[Path]:
    """Yield the model files on the search path."""
    for folder in search_path():
        yield from sorted(folder.glob(f"*{SUFFIX}"))


def default_model_name(modality: str) -> str:
    """Return the name of the default model of a modality."""
    name: str = imported(MODALITIES[modality].runtime).default_model
    return name


def choose_model(signal: LazySignal) -> ModelChoice:
    """Return the name of the model that codes a signal unless the user names one, and the reason.

    Raises:
        InputError: the signal's file is damaged.
    """
    from vqcodec.signals.picture import Picture  # here: the list of models needs no NumPy

    modality = "image" if isinstance(signal, Picture) else "audio"
    choice: ModelChoice = imported(MODALITIES[modality].runtime).choose_model(signal, is_installed)
    return choice


def is_installed(name: str) -> bool:
    """Return whether an intact model of this name, fingerprint or path is installed."""
    try:
        find_model(name)
    except (MissingModelError, ModelFileError):
        return False
    return True


def find_model(name: str) -> ModelCard:
    """Return the card of the first model with this name, fingerprint or file path.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: the model's file is damaged, or is no model; or no file matches and one is
            damaged.
    """
    path = Path(name)
    if path.suffix == SUFFIX and is_file(path):
        return read_card(path)
    damage: ModelFileError | None = None
    for installed in _installed():
        try:
            card = read_card(installed)
        except ModelFileError as error:  # other models in the folder may be intact
            damage = damage or error
            continue
        if name in (card.name, card.fingerprint):
            return card
    names_path = path.suffix == SUFFIX or "/" in name or os.sep in name
    if is_file(path) and (names_path or path.suffix):
        return read_card(path)
    if names_path:
        reason = "is a folder" if is_folder(path) else "no such file"
        raise MissingModelError(f"model {name}: {reason}")
    if damage is not None:
        raise damage
    raise MissingModelError(
        f"model {name!r} is not installed (see 'vqcodec models'): name its file by --model FILE, "
        f"or its folder in the environment variable {SEARCH_PATH_VARIABLE}"
    )


def load_model(name: str) -> Model:
    """Return the model with this name, fingerprint, file path or URL, ready to use.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: the model's file is damaged.
        InputError: the URL cannot be read.
        UsageError: the store of the URL cannot be used.
    """
    from vqcodec.codec.loading import read_model  # here: ONNX Runtime takes a tenth of a second

    return read_model(*source_of(name))


def read_named_file(name: str) -> ModelFile:
    """Return the contents of a model's file; its name and errors are as for `load_model`."""
    return read_model_file(*source_of(name))


def source_of(name: str) -> tuple[Path | bytes, str | None]:
    """Return the path of a model's file; or its contents and its name, if it is at a URL.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: the file cannot be read, or no file matches and one is damaged.
        InputError: the URL cannot be read.
        UsageError: the store of the URL cannot be used.
    """
    name = local_name(name)
    if is_url(name):
        return read_model_bytes(name), name
    return find_model(name).path, None


def read_model_bytes(name: str) -> bytes:
    """Return the contents of a model's file, which are not checked.

    Args:
        name: of the model, its fingerprint, or the path or URL of its file.

    Raises:
        MissingModelError: no such model is installed.
        ModelFileError: the file cannot be read, or no file matches and one is damaged.
        InputError: the URL cannot be read.
        UsageError: the store of the URL cannot be used.
    """
    name = local_name(name)
    if is_url(name):
        with storage.opened(name) as file:  # what the store says about the size may be wrong
            data = file.read(LARGEST_MODEL + 1)
        if len(data) > LARGEST_MODEL:
            raise ModelFileError(f"{name}: is larger than a model, {LARGEST_MODEL} bytes")
        return data
    path = find_model(name).path
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror}") from error
