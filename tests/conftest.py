"""Tiny models; see `tiny`."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # importing the codec takes time, and many tests do without
    from vqcodec.codec.model import Model


def pytest_configure() -> None:
    """Let interrupts through: a shell starts its background jobs deaf to them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four tiny models, as they would be installed."""
    from tiny import TABLES, tiny_model_path

    folder = tmp_path_factory.mktemp("models")
    for name in TABLES:
        shutil.copy(tiny_model_path(name), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_models() -> dict[str, Model]:
    """The four tiny models by name."""
    from tiny import TABLES, load_tiny_model

    return {name: load_tiny_model(name) for name in TABLES}


@pytest.fixture(scope="session")
def remembered_graphs() -> Iterator[None]:
    """Networks of one shape are exported once, as that takes seconds."""
    from tiny_training import remembering_exporter

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vqcodec.training.export.export_graphs", remembering_exporter())
        yield


@pytest.fixture(scope="session")
def image_model(tiny_models: dict[str, Model]) -> Model:
    """Pictures; a lattice, and a grid prior with a logistic head."""
    return tiny_models["image"]


@pytest.fixture(scope="session")
def audio_model(tiny_models: dict[str, Model]) -> Model:
    """Sounds; a lattice, and a frames prior with a logistic head."""
    return tiny_models["speech"]


@pytest.fixture(scope="session")
def residual_image_model(tiny_models: dict[str, Model]) -> Model:
    """Pictures; four codebooks in a row, and a grid prior with a categorical head."""
    return tiny_models["residual-image"]


@pytest.fixture(scope="session")
def residual_audio_model(tiny_models: dict[str, Model]) -> Model:
    """Sounds; four codebooks in a row, and a frames prior with a categorical head."""
    return tiny_models["residual-speech"]
