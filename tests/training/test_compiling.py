"""Compiled networks train as plain ones do, and their runs are the same files."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from training_recipes import IMAGE, RESIDUAL, SEED, same

from vqcodec.errors import UsageError
from vqcodec.networks import activations
from vqcodec.training import autoencoder, compiling
from vqcodec.training.commands import train_joint, train_vqvae
from vqcodec.training.compiling import check_compiling
from vqcodec.training.prior import PriorTraining
from vqcodec.training.state import load_state

# Few layers, because each takes the compiler seconds.
SMALL = RESIDUAL.replace(
    RESIDUAL[RESIDUAL.index("[network]") : RESIDUAL.index("[quantizer]")],
    '[network]\nkind = "paper"\ndim = 12\nwidth = 8\nnum_units = 0\n\n',
)
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="there is no C++ compiler"
)


def gradient_of(function, values):
    values = values.clone().requires_grad_()
    result = function(values)
    (result * torch.arange(1.0, 1.0 + result.numel())).sum().backward()
    return result.detach(), values.grad


@pytest.mark.parametrize(
    "function",
    [lambda v: activations.clamp(v, 0.0, 31.0), lambda v: activations.leaky_relu(v, 0.1)],
    ids=["clamp", "leaky_relu"],
)
def test_activations_are_the_same_when_they_are_compiled(monkeypatch, function):
    values = torch.tensor([-40.0, -1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0, 31.0, 31.5])
    plain = gradient_of(function, values)
    monkeypatch.setattr(activations, "_is_compiling", lambda: True)
    assert all(map(torch.equal, plain, gradient_of(function, values)))


def test_a_missing_compiler_is_an_error_that_says_what_is_needed():
    with (
        torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(
            UsageError, match=r"^--compile: torch.compile does not work for cpu; it needs a C"
        ),
    ):
        check_compiling("cpu")


@pytest.fixture
def train_in(data_folder, recipes):
    def run(folder, text, *, joint, steps=None, compiled=False):
        options = {"recipe": recipes(text), "run": folder, "steps": steps, "compiled": compiled}
        options |= {"data": [data_folder], "seed": SEED, "device": "cpu"}
        if joint:
            train_joint(**options, start_from=None)
        else:
            train_vqvae(**options)

    return run


def losses(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that were traced; they run without being turned into C++, which takes a minute."""
    found = []

    def keep(graph, inputs):
        found.append(graph)
        return graph.forward

    monkeypatch.setattr(compiling, "BACKEND", keep)
    return found


def check_equal(run, plain):
    """Check that two runs have the same weights, by name, but for rounding, and the same log."""
    state, expected = (load_state(folder / "checkpoint.pt") for folder in (run, plain))
    for part in ("module", "average"):
        assert state[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            assert torch.allclose(state[part][name], value, rtol=1e-2, atol=1e-3), name
    for one, other in zip(losses(run), losses(plain), strict=True):
        assert one.keys() == other.keys()
        if "total" in one:
            assert one["total"] == pytest.approx(other["total"], rel=1e-3)


def test_compiled_networks_train_as_plain_ones_and_resume_exactly(
    tmp_path, train_in, joint_run, graphs
):
    train_in(tmp_path / "whole", IMAGE, joint=True, compiled=True)
    assert len(graphs) == 3  # encoder, decoder, prior; without breaks, and none for validation
    check_equal(tmp_path / "whole", joint_run)
    for steps in (3, 6):
        train_in(tmp_path / "parts", IMAGE, joint=True, steps=steps, compiled=True)
    assert same(*(load_state(tmp_path / name / "checkpoint.pt") for name in ("parts", "whole")))


def test_networks_in_bfloat16_are_compiled_too(tmp_path, train_in, graphs, monkeypatch):
    monkeypatch.setattr(autoencoder, "gains_by_bfloat16", lambda _: True)
    for folder, compiled in (("plain", False), ("compiled", True)):
        train_in(tmp_path / folder, IMAGE, joint=True, steps=2, compiled=compiled)
    assert len(graphs) == 3
    check_equal(tmp_path / "compiled", tmp_path / "plain")


@needs_compiler
@pytest.mark.slow
def test_networks_in_cpp_train_as_plain_ones_and_resume_exactly(tmp_path, train_in):
    check_compiling("cpu")
    for folder, compiled in (("plain", False), ("compiled", True)):
        train_in(tmp_path / folder, SMALL, joint=False, steps=3, compiled=compiled)
    check_equal(tmp_path / "compiled", tmp_path / "plain")
    for steps in (1, 3):
        train_in(tmp_path / "parts", SMALL, joint=False, steps=steps, compiled=True)
    assert same(*(load_state(tmp_path / name / "checkpoint.pt") for name in ("parts", "compiled")))


def test_a_run_goes_on_with_and_without_compiling(tmp_path, train_in, graphs):
    for steps, compiled in ((2, False), (4, True), (6, False)):
        train_in(tmp_path, RESIDUAL, joint=False, steps=steps, compiled=compiled)
        assert load_state(tmp_path / "checkpoint.pt")["step"] == steps
    for steps, compiled in ((3, True), (6, False)):
        PriorTraining(tmp_path, None, "cpu", compiled=compiled).run_to(steps)
        assert load_state(tmp_path / "prior.pt")["step"] == steps
    assert len(graphs) == 3


def test_without_the_option_nothing_is_compiled(tmp_path, train_in, monkeypatch):
    for name in ("compile_autoencoder", "compile_prior"):
        monkeypatch.setattr(compiling, name, lambda *_: pytest.fail("compiled"))
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    train_in(tmp_path, RESIDUAL, joint=False, steps=1)
    PriorTraining(tmp_path, None, "cpu").run_to(1)
