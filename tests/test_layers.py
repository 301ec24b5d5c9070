"""Who imports whom: a layer knows the layers below it and its own folder, nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each part, and the parts besides itself that it may import.
ONE = {"errors", "rate", "config"}
TWO = ONE | {"entropy", "bitstream"}
THREE = TWO | {"nn", "data"}
FOUR = THREE | {"modalities", "quantizers", "priors"}
FIVE = FOUR | {"codec"}
MAY_IMPORT = {
    "errors": set(),
    "rate": {"errors"},
    "config": {"errors"},
    "entropy": ONE,
    "bitstream": ONE,
    "nn": ONE,
    "data": ONE,
    "modalities": THREE,
    "quantizers": THREE,
    "priors": THREE,
    "codec": FOUR,
    "training": FIVE,
    "evaluation": FIVE,
    "cli": FIVE | {"training", "evaluation", ""},
    "": {"codec"},  # vqcodec/__init__.py: `load`, as the entrance
}

# What is not of this program and not Python's own.
MAY_USE = {
    "errors": set(),
    "rate": set(),
    "config": set(),
    "entropy": {"numpy", "constriction"},
    "bitstream": set(),
    "nn": {"numpy", "torch", "threadpoolctl"},
    "data": set(),
    "modalities": {"numpy", "torch", "torchaudio", "soundfile", "PIL", "pesq", "pystoi"},
    "quantizers": {"numpy", "torch"},
    "priors": {"numpy", "torch"},
    "codec": {"numpy", "torch", "safetensors"},
    "training": {"numpy", "torch", "matplotlib"},
    "evaluation": {"numpy", "torch", "matplotlib", "PIL"},
    "cli": {"typer", "rich", "numpy", "torch"},
    "": set(),
}


def modules():
    for folder in ("vqcodec", "cli"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def part_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "cli":
        return "cli"
    return "" if parts[1] == "__init__" else parts[1]


def absolute(path, node):
    """The names of the modules that an import reads."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:  # only the modules of cli/, which installs as vqcodec.cli
        package = ["vqcodec", *path.relative_to(ROOT).parts][: -node.level]
        base = ".".join([*package, *filter(None, [node.module])])
    if base in ("vqcodec", "vqcodec.cli"):
        return [f"{base}.{alias.name}" for alias in node.names]
    return [base]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from absolute(path, node)


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_what_its_layer_may(path):
    part = part_of(path)
    for name in imports(path):
        first, _, rest = name.partition(".")
        if first == "vqcodec":
            target = rest.partition(".")[0]
            target = "" if target in ("__version__", "load") else target
            assert target == part or target in MAY_IMPORT[part], f"{part} imports {name}"
        elif first not in sys.stdlib_module_names:
            assert first in MAY_USE[part], f"{part} uses {name}"


@pytest.mark.parametrize(("folder", "other"), [("audio", "image"), ("image", "audio")])
def test_modalities_do_not_know_of_each_other(folder, other):
    for path in (ROOT / "vqcodec" / "modalities" / folder).glob("*.py"):
        assert not [name for name in imports(path) if f"modalities.{other}" in name], path


def test_constriction_is_imported_once():
    users = [path.name for path in modules() if "constriction" in set(imports(path))]
    assert users == ["range_coder.py"]


def test_every_part_is_in_the_table():
    assert {part_of(path) for path in modules()} <= set(MAY_IMPORT)
    assert set(MAY_IMPORT) == set(MAY_USE)
