"""Imports: layers, third-party packages, cycles, and the separation of runtime and torch."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import TABLES, noise_clip, noise_picture, tiny_model_path

from vqcodec.signals.files import write_signal

ROOT = Path(__file__).parents[1]

# For each part: the other parts that it may import.
ONE = {"errors", "notes", "registry", "config", "rate", "numbers", "files", "cores", "pool"}
ONE |= {"extras", "interrupts", "stderr", "urls", "url_schemes", "storage", "cluster"}
TWO = ONE | {"entropy", "bitstream"}
THREE = TWO | {"signals", "layout"}
RUNTIME_FOUR = THREE | {"modalities", "quantizers", "priors"}
FIVE = RUNTIME_FOUR | {"codec"}
BEHIND_THE_WALL = {"networks", "training"}
MAY_IMPORT = {
    **dict.fromkeys(ONE, ONE),
    "cluster": ONE | {""},
    "entropy": ONE,
    "bitstream": ONE,
    "signals": TWO | {"layout"},
    "layout": TWO | {"signals"},
    "modalities": THREE,
    "quantizers": THREE,
    "priors": THREE,
    "networks": RUNTIME_FOUR,
    "codec": RUNTIME_FOUR,
    "training": FIVE | {"networks"},
    "evaluation": FIVE,
    "tokens": FIVE,
    "arguments": FIVE,
    "api": FIVE | {"arguments"},
    "cli": FIVE | {"training", "evaluation", "api", "tokens", ""},
    "__main__": {"cli"},
    "": {"api", "codec", "signals", "errors", "notes"},  # vqcodec/__init__.py: the entrance
}

# Third-party packages.
MAY_USE = {
    **{part: set() for part in ONE},
    "url_schemes": {"fsspec"},
    "cluster": {"ray"},
    "entropy": {"numpy", "constriction"},
    "bitstream": set(),
    "signals": {
        *("numpy", "PIL", "simplejpeg", "soundfile", "miniaudio", "soxr"),
        *("av", "pillow_heif"),
    },
    "layout": {"numpy"},
    "modalities": {"numpy"},
    "quantizers": {"numpy"},
    "priors": {"numpy", "threadpoolctl"},
    "networks": {"numpy", "torch"},
    "codec": {"numpy", "onnxruntime", "safetensors"},
    "training": {"numpy", "torch", "torchaudio", "onnx", "matplotlib", "safetensors", "PIL"},
    "evaluation": {"numpy", "scipy", "matplotlib", "PIL", "pesq", "pystoi"},
    "tokens": {"numpy", "pyarrow"},
    "arguments": {"numpy", "PIL"},
    "api": set(),
    "cli": {"typer", "rich", "numpy", "pyarrow"},
    "__main__": set(),
    "": set(),
}

# Single metrics that need packages of training.
TORCH_METRICS = {
    "vqcodec/evaluation/metrics/speaker.py",
}
HEAVY = {"torch", "torchaudio", "onnx", "onnxscript"}
CONCRETE_CLASSES = {"ImageModality", "AudioModality", "ImageTraining", "AudioTraining"}


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of the package by its full name."""
    found = {}
    for folder in ("vqcodec", "cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = ("vqcodec", *parts) if folder == "cli" else parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def part_of(module: str) -> str:
    """The part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def targets(module: str, node: ast.AST) -> list[str]:
    """The modules of an import statement; third-party modules by top-level name."""
    if isinstance(node, ast.Import):
        named = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            is_package = modules()[module].name == "__init__.py"
            package = module.split(".") if is_package else module.split(".")[:-1]
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
        named = [
            inner if (inner := f"{base}.{alias.name}") in modules() else base
            for alias in node.names
        ]
    else:
        return []
    return [name if name.startswith("vqcodec") else name.partition(".")[0] for name in named]


@functools.cache
def imports(module: str) -> list[str]:
    """All imports of a module."""
    return [name for node in ast.walk(tree(modules()[module])) for name in targets(module, node)]


@functools.cache
def imports_that_run(module: str, *, in_functions: bool) -> list[str]:
    """The imports that are not for types only: at once, or also when a function is called."""

    def walk(nodes):
        for node in nodes:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if is_function and not in_functions:
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                yield from walk(node.orelse)
                continue
            yield from targets(module, node)
            yield from walk(ast.iter_child_nodes(node))

    return list(walk(tree(modules()[module]).body))


def imports_at_once(module: str) -> list[str]:
    """The imports that run when a module is imported."""
    return imports_that_run(module, in_functions=False)


# One test for all modules: hundreds of tests would take longer to start than to run.


def test_every_module_imports_only_allowed_parts():
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        for name in imports(module)
        if name.startswith("vqcodec")
        and part_of(name) not in MAY_IMPORT[part_of(module)] | {part_of(module)}
    ]
    assert not wrong


def may_use(module: str) -> set[str]:
    """The third-party packages that a module may import."""
    allowed = MAY_USE[part_of(module)]
    return allowed | HEAVY if uses_torch(module) else allowed


def uses_torch(module: str) -> bool:
    """Whether a module is one of the metrics that need torch."""
    return modules()[module].relative_to(ROOT).as_posix() in TORCH_METRICS


def test_every_module_imports_only_allowed_packages():
    wrong = [
        f"{module} uses {name}"
        for module in modules()
        for name in set(imports(module)) - may_use(module) - sys.stdlib_module_names
        if not name.startswith("vqcodec")
    ]
    assert not wrong


def test_every_part_is_in_the_tables():
    assert {part_of(module) for module in modules()} <= set(MAY_IMPORT)
    assert set(MAY_IMPORT) == set(MAY_USE)


def test_only_training_code_imports_torch():
    """Only networks, training and single metrics import torch; no other part imports these."""
    for module in modules():
        if part_of(module) in BEHIND_THE_WALL:
            continue
        used = set(imports(module))
        assert uses_torch(module) or not used & HEAVY, module
        # Commands import training when they run, not before.
        if part_of(module) == "cli":
            used = set(imports_at_once(module))
        behind = {name for name in used if part_of(name) in BEHIND_THE_WALL}
        assert not behind, module


def test_listed_metrics_exist_and_need_torch():
    for place in TORCH_METRICS:
        module = place.removesuffix(".py").replace("/", ".")
        assert set(imports(module)) & HEAVY, place


def test_there_are_no_import_cycles_even_through_imports_in_functions():
    edges = {
        module: {
            name
            for name in imports_that_run(module, in_functions=True)
            if name in modules() and name != module
        }
        for module in modules()
    }
    done: set[str] = set()

    def visit(module: str, above: list[str]) -> None:
        assert module not in above, " -> ".join([*above[above.index(module) :], module])
        if module not in done:
            for other in sorted(edges[module]):
                visit(other, [*above, module])
            done.add(module)

    for module in edges:
        visit(module, [])


def test_the_codec_knows_parts_only_by_their_base_class_and_registry():
    for module in modules():
        if part_of(module) not in ("codec", "bitstream"):
            continue
        for name in imports(module):
            folder, _, inner = name.removeprefix("vqcodec.").partition(".")
            if folder in ("modalities", "quantizers", "priors"):
                assert inner in ("", "base"), f"{module} imports {name}"


def test_only_a_few_modules_of_the_codec_ask_whether_a_signal_is_a_picture():
    kinds = {"Picture", "Sound", "AudioClip", "AudioFacts", "ImageFacts"}
    asking = set()
    for module in modules():
        if part_of(module) != "codec":
            continue
        code = tree(modules()[module])
        asserted = {
            call
            for node in ast.walk(code)
            if isinstance(node, ast.Assert)
            for call in ast.walk(node)
        }
        for node in ast.walk(code):
            is_call = isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
            if is_call and node not in asserted:
                names = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                asking |= {module.rpartition(".")[2]} if names & kinds else set()
    assert asking == {"complete", "decompress", "inspect", "zoo"}  # docs/ARCHITECTURE.md says why


def test_modules_do_not_test_for_a_modality():
    for module in modules():
        if ".image" in module or ".audio" in module:
            continue
        for node in ast.walk(tree(modules()[module])):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in ("isinstance", "issubclass"):
                names = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                assert not names & CONCRETE_CLASSES, f"{module}: {ast.unparse(node)}"


@pytest.mark.parametrize(("folder", "other"), [("audio", "image"), ("image", "audio")])
@pytest.mark.parametrize("part", ["modalities", "networks", "training"])
def test_modalities_do_not_import_each_other(part, folder, other):
    for module in modules():
        if module.startswith(f"vqcodec.{part}.{folder}"):
            known = f"vqcodec.{part}.{other}", f"vqcodec.modalities.{other}"
            assert not [name for name in imports(module) if name.startswith(known)], module


def test_constriction_is_imported_by_coders_and_tables_alone():
    users = {module for module in modules() if "constriction" in imports(module)}
    assert users == {"vqcodec.entropy.range_coder", "vqcodec.entropy.tables"}


WITHOUT_TORCH = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchaudio", "onnx"):
            raise ImportError(f"{name} does not belong to the runtime")

sys.meta_path.insert(0, Wall())
from vqcodec.cli.main import main

model, source, suffix, size = sys.argv[1:]
for words in (
    ["compress", source, "--model", model, "-o", "x.vqc", "-q"],
    ["decompress", "x.vqc", "-o", "back" + suffix, "-q"],
    ["info", "x.vqc", "--json"],
    ["verify", "x.vqc"],
    ["models"],
    ["sample", "--model", model, "--seed", "1", *size.split(), "-o", "new" + suffix, "-q"],
):
    sys.argv = ["vqcodec", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("name", list(TABLES))
def test_coding_runs_without_torch(name, tiny_folder, tmp_path):
    is_image = TABLES[name]["modality"] == "image"
    signal = noise_picture(33, 17) if is_image else noise_clip(3_000)
    suffix, kind = (".png", "PNG") if is_image else (".wav", "WAV")
    with (tmp_path / f"source{suffix}").open("wb") as file:
        write_signal(signal, file, kind)
    size = "--width 24 --height 16" if is_image else "--duration 0.1"
    words = [str(tiny_model_path(name)), f"source{suffix}", suffix, size]
    subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "VQCODEC_MODELS": str(tiny_folder)},
        timeout=120,
    )
    assert (tmp_path / f"back{suffix}").stat().st_size > 0
    assert (tmp_path / f"new{suffix}").stat().st_size > 0
