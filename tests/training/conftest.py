"""Folders of small files, and trainings on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import noise_clip, noise_picture
from training_recipes import IMAGE, SEED

from vqcodec.signals.picture_files import write_picture
from vqcodec.signals.sound_files import write_clip


@pytest.fixture(scope="session", autouse=True)
def _remembered_graphs(remembered_graphs: object) -> None:
    """All these tests export."""


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small pictures, and six short sounds by three speakers."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(6):
        with (folder / f"picture{number}.png").open("wb") as file:
            write_picture(noise_picture(64, 48, seed=number), file, "PNG")
        with (folder / f"{'abc'[number // 2]}-{number}.wav").open("wb") as file:
            write_clip(noise_clip(6000, sample_rate=8_000, seed=number), file, "WAV")
    return folder


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The path of a recipe out of its text."""
    folder = tmp_path_factory.mktemp("recipes")

    def write(text: str) -> str:
        path = folder / f"{abs(hash(text))}.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


Train = Callable[..., None]


@pytest.fixture(scope="session")
def train(data_folder: Path, recipes: Callable[[str], str]) -> Train:
    """Trains networks in a folder, up to a step."""
    from vqcodec.training.commands import train_joint, train_vqvae

    def run(
        folder: Path,
        text: str,
        *,
        steps: int | None = None,
        joint: bool = True,
        start_from: Path | str | None = None,
        seed: int = SEED,
    ) -> None:
        options: dict[str, Any] = {
            "data": [data_folder],
            "recipe": recipes(text),
            "run": folder,
            "steps": steps,
            "seed": seed,
            "device": "cpu",
        }
        if joint:
            train_joint(**options, start_from=start_from and str(start_from))
        else:
            train_vqvae(**options)

    return run


@pytest.fixture(scope="session")
def joint_run(tmp_path_factory: pytest.TempPathFactory, train: Train) -> Path:
    """A finished joint training for pictures; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("joint")
    train(folder, IMAGE)
    return folder
