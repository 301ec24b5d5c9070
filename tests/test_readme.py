"""What the documents tell a newcomer to type works, and what they point to is there."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
from vqcodec.cli.main import main

from vqcodec.modalities.audio.dataset import AudioDataConfig
from vqcodec.modalities.audio.encoder import AudioNetworkConfig
from vqcodec.modalities.audio.paper import PaperAudioConfig
from vqcodec.modalities.image.dataset import ImageDataConfig
from vqcodec.modalities.image.encoder import ImageNetworkConfig
from vqcodec.modalities.image.paper import PaperImageConfig
from vqcodec.priors.config import FramesPriorConfig, GridPriorConfig
from vqcodec.quantizers.finite_scalar import FiniteScalarConfig
from vqcodec.quantizers.lattice import LatticeConfig
from vqcodec.quantizers.residual import ResidualConfig
from vqcodec.training.recipe import ObjectiveConfig, ScheduleConfig, shipped_recipes

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "assets" / "samples"
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "assets").rglob("*.md")),
]
TRAINING = (ROOT / "docs" / "TRAINING.md").read_text(encoding="utf-8")

RECIPE_TABLES = {
    '`[network]`, pictures, kind = "patches"': ImageNetworkConfig,
    '`[network]`, pictures, kind = "paper"': PaperImageConfig,
    '`[network]`, sounds, kind = "mdct"': AudioNetworkConfig,
    '`[network]`, sounds, kind = "paper"': PaperAudioConfig,
    '`[quantizer]`, kind = "lattice"': LatticeConfig,
    '`[quantizer]`, kind = "residual"': ResidualConfig,
    '`[quantizer]`, kind = "finite_scalar"': FiniteScalarConfig,
    '`[prior]`, kind = "grid"': GridPriorConfig,
    '`[prior]`, kind = "frames"': FramesPriorConfig,
    "`[data]`, pictures": ImageDataConfig,
    "`[data]`, sounds": AudioDataConfig,
    "`[objective]`": ObjectiveConfig,
    "`[schedule]` and `[prior_schedule]`": ScheduleConfig,
}


def blocks(language):
    """The code blocks of the README in one language."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A newcomer's folder: the samples, and a folder of photographs."""
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(SAMPLES, folder, dirs_exist_ok=True)
    shutil.copytree(SAMPLES, folder / "photos", ignore=shutil.ignore_patterns("*.flac", "*.md"))
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """Runs a command line in the newcomer's folder."""
    monkeypatch.chdir(folder)
    handler = signal.getsignal(signal.SIGTERM)

    def run_line(line):
        program, *arguments = shlex.split(line)
        assert program == "vqcodec"
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, line

    yield run_line
    signal.signal(signal.SIGTERM, handler)


def test_the_commands_of_the_readme_run_in_their_order(run, folder):
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        assert line.startswith("$ ")
        run(line.removeprefix("$ "))
    made = {path.name for path in folder.iterdir()}
    assert {
        "giraffe.decoded.png",
        "voice_man.decoded.wav",
        "small.vqc",
        "new.wav",
        "first.safetensors",
        "first.png",
    } <= made


def test_the_python_of_the_readme_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (code,) = blocks("python")
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["restored"].pixels.shape == names["picture"].pixels.shape
    assert names["indices"].ndim == 3


def anchors(path):
    """The places in a document that a link can name."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("heading", RECIPE_TABLES)
def test_the_keys_of_recipes_are_documented_as_they_are(heading):
    section = TRAINING.split(f"### {heading}\n")[1].split("\n##")[0]
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\|.*\|$", section, re.MULTILINE)[2:]
    ]
    documented = {key: value for key, value, _ in rows}
    actual = {}
    for field in dataclasses.fields(RECIPE_TABLES[heading]):
        value = field.default
        if value is dataclasses.MISSING or value is None:
            actual[field.name] = ""
        elif isinstance(value, tuple):
            actual[field.name] = ", ".join(map(str, value))
        elif isinstance(value, bool):
            actual[field.name] = str(value).lower()
        else:
            actual[field.name] = str(value) or '""'
    assert documented == actual


def test_every_shipped_recipe_is_documented():
    section = TRAINING.split("\n## Recipes\n")[1].split("\n### ")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    }
    assert named == set(shipped_recipes())
