"""NumPy quantizers and torch modules give equal indices, latents and targets."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from vqcodec.errors import ConfigError, ModelFileError
from vqcodec.networks.quantizers import QuantizerModule, build_quantizer_module
from vqcodec.quantizers import QUANTIZERS, build_quantizer, quality_of
from vqcodec.quantizers.base import Quantizer

TABLES = {
    "finite_scalar": {"kind": "finite_scalar", "levels": [7, 3, 5]},
    "lattice": {"kind": "lattice", "dim": 3, "limit": 15, "num_knots": 5},
    "residual": {"kind": "residual", "dim": 3, "num_codebooks": 4, "codebook_size": 16},
    "one codebook": {"kind": "residual", "dim": 3, "codebook_size": 32, "update": "gradient"},
}
RATES = {
    "finite_scalar": [0],
    "lattice": [0, 1, 100, 128, 254, 255],
    "residual": [1, 2, 4],
    "one codebook": [1],
}
SHAPES = [(1, 3, 1), (2, 3, 50), (1, 3, 1, 1), (1, 3, 7, 5)]
CASES = [(name, rate) for name, rates in RATES.items() for rate in rates]


def twins(name: str) -> tuple[Quantizer, QuantizerModule]:
    torch.manual_seed(0)
    module = build_quantizer_module(TABLES[name]).eval()
    for tensor in module.state_dict().values():
        tensor.add_(torch.randn_like(tensor) / 4)
    tensors = {key: value.numpy().copy() for key, value in module.state_dict().items()}
    return build_quantizer(TABLES[name], tensors), module


def latents_of(shape: tuple[int, ...]) -> np.ndarray:
    return 2 * np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def test_averages_that_never_move_are_refused():
    with pytest.raises(ConfigError, match=r"quantizer\.decay: 1"):
        build_quantizer_module({**TABLES["one codebook"], "decay": 1.0})


def test_all_kinds_are_tested():
    assert {table["kind"] for table in TABLES.values()} == set(QUANTIZERS)


@pytest.mark.parametrize(("name", "rate"), CASES)
@pytest.mark.parametrize("shape", SHAPES)
def test_both_give_the_same_indices_and_latents(name, rate, shape):
    quantizer, module = twins(name)
    latents, rates = latents_of(shape), torch.full((shape[0],), rate)
    indices = quantizer.quantize(latents, rate)
    assert indices.dtype == np.int64
    assert indices.shape == (shape[0], quantizer.config.codebooks_at(rate), *shape[2:])
    with torch.no_grad():
        assert np.array_equal(indices, module.quantize(torch.from_numpy(latents), rates).numpy())
        expected = module.dequantize(torch.from_numpy(indices), rates).numpy()
    restored = quantizer.dequantize(indices, rate)
    assert restored.dtype == np.float32
    assert restored.shape == shape
    assert np.allclose(restored, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "rate"), CASES)
def test_targets_round_to_the_indices(name, rate):
    quantizer, module = twins(name)
    latents = latents_of((2, 3, 9))
    targets = quantizer.targets(latents, rate)
    nearest = np.rint(targets).clip(0, quantizer.codebook_sizes[0] - 1)
    assert np.array_equal(nearest, quantizer.quantize(latents, rate))
    if name == "lattice":
        gain = module.gain(torch.tensor([rate]), 3).detach().numpy()  # type: ignore[operator]
        assert np.allclose(targets, latents * gain + 15, rtol=1e-5, atol=1e-5)
    else:
        assert targets.dtype == np.int64


@pytest.mark.parametrize("name", TABLES)
def test_both_have_the_same_codebooks(name):
    quantizer, module = twins(name)
    assert quantizer.codebook_sizes == module.codebook_sizes
    assert quantizer.num_codebooks == module.num_codebooks
    assert quantizer.config == module.config
    assert quantizer.kind == TABLES[name]["kind"]


def test_many_vectors_are_compared_in_batches(monkeypatch):
    quantizer, _ = twins("residual")
    latents = latents_of((1, 3, 50))
    whole = quantizer.quantize(latents, 4)
    monkeypatch.setattr("vqcodec.quantizers.residual._VECTORS_AT_ONCE", 7)
    assert np.array_equal(quantizer.quantize(latents, 4), whole)


@pytest.mark.parametrize(
    ("name", "tensor"), [("lattice", "log_gain"), ("residual", "codebooks.3.entries")]
)
@pytest.mark.parametrize("change", [None, np.zeros(3, np.float32), "as float64"])
def test_tensors_that_do_not_fit_are_refused(name, tensor, change):
    _, module = twins(name)
    tensors = {key: value.numpy() for key, value in module.state_dict().items()}
    if change is None:
        del tensors[tensor]
    else:
        wide = tensors[tensor].astype(np.float64)
        tensors[tensor] = wide if isinstance(change, str) else change
    with pytest.raises(ModelFileError, match=rf"quantizer\.{tensor}"):
        build_quantizer(TABLES[name], tensors)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match=r"quantizer\.kind"):
        build_quantizer({"kind": "nonsense"}, {})


@pytest.mark.parametrize("quality", [1.0, 5.0, 5.1, 7.3, 10.0])
def test_the_quality_of_a_rate_is_told_with_few_decimals(quality):
    quantizer, _ = twins("lattice")
    assert quality_of(TABLES["lattice"], quantizer.config.rate_of(quality)) == quality


@pytest.mark.parametrize(("name", "rate"), CASES)
def test_the_quality_of_a_rate_gives_that_rate(name, rate):
    quality = quality_of(TABLES[name], rate)
    if name in ("finite_scalar", "one codebook"):
        assert quality is None  # all qualities are the same
        return
    quantizer, _ = twins(name)
    assert quality is not None
    assert quantizer.config.rate_of(quality) == rate


def test_the_quality_of_a_rate_is_told_without_numpy():
    script = (
        "import sys; from vqcodec.quantizers import QUANTIZERS, quality_of\n"
        f"for table in {list(TABLES.values())!r}: quality_of(table, 0)\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_rate_that_no_quality_gives_has_none():
    assert quality_of(TABLES["residual"], 0) is None
