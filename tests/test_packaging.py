"""The wheel: one top-level name, with commands, recipes, models and samples."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vqcodec.codec.model_file import SUFFIX
from vqcodec.codec.zoo import default_model_name, read_card
from vqcodec.modalities import MODALITIES

ROOT = Path(__file__).parents[1]
MODELS, SAMPLES = ROOT / "assets" / "models", ROOT / "assets" / "samples"
SHIPPED = sorted(MODELS.glob(f"*{SUFFIX}"))
LARGEST_MODEL_BYTES = 25_000_000
INSTALLED = {"cli": "vqcodec/cli", "assets": "vqcodec/assets", "vqcodec": "vqcodec"}


def sources():
    """Every file that a wheel must contain, by its path in the repository."""
    for folder in INSTALLED:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The unpacked wheel of a copy of the repository."""
    copy, unpacked = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("unpacked")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for path in sources():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy / path)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(copy), str(copy)]
    subprocess.run(command, check=True)
    (path,) = copy.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(unpacked)
    return unpacked


def test_a_wheel_has_one_top_level_name(wheel):
    names = {path.name for path in wheel.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"vqcodec"}


def test_a_wheel_has_all_files(wheel):
    expected = {Path(INSTALLED[path.parts[0]], *path.parts[1:]).as_posix() for path in sources()}
    found = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    assert {name for name in found if ".dist-info/" not in name} == expected
    assert any(name.endswith("/licenses/LICENSE") for name in found)


def test_the_command_of_a_wheel_finds_its_models(wheel, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(wheel), "VQCODEC_MODELS": ""}
    code = "import vqcodec.cli.main as main; print(main.__file__); main.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "models"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    module, *rows = done.stdout.splitlines()
    assert Path(module).is_relative_to(wheel)
    installed = sorted((wheel / "vqcodec" / "assets" / "models").glob(f"*{SUFFIX}"))
    for path in installed:
        assert any(str(path) in row for row in rows)


def test_the_default_models_are_shipped():
    shipped = {read_card(path).name: read_card(path).modality for path in SHIPPED}
    assert all(shipped[default_model_name(modality)] == modality for modality in MODALITIES)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_models_have_their_names_and_cards(path):
    card = read_card(path)
    assert card.name == path.stem
    assert card.size_bytes < LARGEST_MODEL_BYTES
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "## Licence of the weights" in text
    assert "## Trained on" in text


def test_every_sample_has_its_source():
    text = (SAMPLES / "SOURCES.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))
    assert named == {path.name for path in SAMPLES.iterdir()} - {"SOURCES.md"}
