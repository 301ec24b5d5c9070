"""The commands in the documents work, and their links have targets."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
from vqcodec.cli.main import main

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "assets" / "samples"
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "assets").rglob("*.md")),
]
TRAINING = (ROOT / "docs" / "TRAINING.md").read_text(encoding="utf-8")

# Where each table of a recipe is defined: imported when needed, since some need torch.
RECIPE_TABLES = {
    '`[network]`, pictures, kind = "patches"': "modalities.image.config:PatchesConfig",
    '`[network]`, pictures, kind = "paper"': "modalities.image.config:PaperImageConfig",
    '`[network]`, sounds, kind = "mdct"': "modalities.audio.config:MdctConfig",
    '`[network]`, sounds, kind = "blocks"': "modalities.audio.config:BlocksConfig",
    '`[network]`, sounds, kind = "paper"': "modalities.audio.config:PaperAudioConfig",
    '`[quantizer]`, kind = "lattice"': "quantizers.configs:LatticeConfig",
    '`[quantizer]`, kind = "residual"': "quantizers.configs:ResidualConfig",
    '`[quantizer]`, kind = "finite_scalar"': "quantizers.configs:FiniteScalarConfig",
    '`[prior]`, kind = "grid"': "priors.config:GridPriorConfig",
    '`[prior]`, kind = "plane"': "priors.config:PlanePriorConfig",
    '`[prior]`, kind = "frames"': "priors.config:FramesPriorConfig",
    "`[data]`, pictures": "training.image.dataset:ImageDataConfig",
    "`[data]`, sounds": "training.audio.dataset:AudioDataConfig",
    "`[data]`, sounds of two channels": "training.audio.pairs:PairDataConfig",
    "`[objective]`": "training.recipe:ObjectiveConfig",
    "`[schedule]` and `[prior_schedule]`": "training.recipe:ScheduleConfig",
}


def blocks(language):
    """The code blocks of the README in one language."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A new user's folder: the samples, and a folder of photographs."""
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(SAMPLES, folder, dirs_exist_ok=True)
    shutil.copytree(SAMPLES, folder / "photos", ignore=shutil.ignore_patterns("*.flac", "*.md"))
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """Run a command line in the new user's folder."""
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


@pytest.mark.slow
@pytest.mark.usefixtures("remembered_graphs")
def test_the_commands_of_the_readme_run_in_order(run, folder):
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


@pytest.mark.slow
def test_the_python_of_the_readme_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (code,) = blocks("python")
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["restored"].pixels.shape == names["picture"].pixels.shape
    assert names["indices"].ndim == 3


def anchors(path):
    """The link targets in a document."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_has_a_target(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("heading", RECIPE_TABLES)
def test_the_documented_keys_of_recipes_match_the_code(heading):
    section = TRAINING.split(f"### {heading}\n")[1].split("\n##")[0]
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\|.*\|$", section, re.MULTILINE)[2:]
    ]
    documented = {key: value for key, value, _ in rows}
    actual = {}
    module, _, name = RECIPE_TABLES[heading].partition(":")
    for field in dataclasses.fields(getattr(importlib.import_module(f"vqcodec.{module}"), name)):
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
    from vqcodec.training.recipe import shipped_recipes

    section = TRAINING.split("\n## Recipes\n")[1].split("\n### ")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    }
    assert named == set(shipped_recipes())
