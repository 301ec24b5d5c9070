"""A model file is a stranger's: what it may ask for is bounded, and any integers are exact."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tiny import tiny_model_path

from vqcodec.codec.loading import read_model
from vqcodec.codec.model_file import read_model_file, write_model_file
from vqcodec.entropy.frequencies import make_exp2_table
from vqcodec.errors import ConfigError, ModelFileError
from vqcodec.networks.priors import build_prior_network
from vqcodec.priors import build_prior

LATTICE = (511,) * 192
GRID = {"kind": "grid", "groups": [192]}
FRAMES = {"kind": "frames", "groups": [192], "head": "logistic"}
RESIDUAL = {"groups": [32, 32], "head": "categorical"}


@pytest.mark.parametrize("build", [build_prior_network, lambda *shape: build_prior(*shape, {})])
@pytest.mark.parametrize(
    ("table", "sizes", "message"),
    [
        ({**GRID, "width": 1024, "period": 8, "kernel_size": 9}, LATTICE, "weights"),
        ({**GRID, "groups": [1] * 4096, "width": 256}, (511,) * 4096, "weights"),
        ({**GRID, "groups": [2048]}, (511,) * 2048, "4096 features in a group"),
        ({**FRAMES, "dilations": [1] * 1000, "width": 1024}, LATTICE, "weights"),
        ({**FRAMES, "dilations": [256] * 20}, LATTICE, "1310720 states of earlier frames"),
        ({"kind": "grid", **RESIDUAL, "width": 8}, (4096,) * 64, "131072 outputs in a group"),
        ({"kind": "frames", **RESIDUAL, "width": 8}, (4096,) * 64, "131072 outputs in a group"),
        (
            {"kind": "frames", "groups": [4] * 16, "embedding_dim": 256},
            (4096,) * 64,
            "weights",
        ),
    ],
)
def test_a_prior_that_asks_for_too_much_is_refused_before_it_is_built(build, table, sizes, message):
    with pytest.raises(ConfigError, match=f"^prior: .*{message}, but [0-9]+ is the most$"):
        build(table, sizes)


def test_a_model_file_that_asks_for_too_much_is_refused(tmp_path):
    file = read_model_file(tiny_model_path("image"))
    prior = {**file.tables["prior"], "width": 1024, "period": 8, "kernel_size": 9}
    path = tmp_path / "model.safetensors"
    write_model_file(
        path, name="x", tables={**file.tables, "prior": prior}, tensors=file.tensors, card={}
    )
    with pytest.raises(ModelFileError, match=r"prior: \d+ weights, but \d+ is the most"):
        read_model(path)


def test_a_uniform_prior_takes_no_memory_for_its_codebooks():
    prior = build_prior({"kind": "uniform"}, (4096,) * 4096, {})
    assert prior.tables.freqs.size == 4096


def test_symbols_in_parts_are_coded_as_all_at_once(case, monkeypatch):
    """As they are where a segment times a codebook is large."""
    rate = case.rates[-1]
    segments = [case.indices(rate, grid) for grid in case.grids]
    shapes = [segment.shape for segment in segments]
    payloads, bits = case.prior.compress(segments, rate), case.prior.bits_of(segments, rate)
    if case.prior.coding.outputs_at_once == 1 << 22:
        for limit in (1, 100):
            monkeypatch.setattr(case.prior.coding, "outputs_at_once", limit)
            assert case.prior.compress(segments, rate) == payloads
            assert all(map(np.array_equal, case.prior.bits_of(segments, rate), bits))
            assert all(map(np.array_equal, case.prior.decompress(payloads, shapes, rate), segments))


def zeros_for(table, size):
    """The tensors of a prior of one large codebook."""
    width = table["width"]
    shapes = {"hidden": (width, width), "head": (width, size)}
    if table["kind"] == "grid":
        shapes |= {"trunk": (width, width), "context": (1, 1, 1, 1, width)}
    tensors = {
        "exponents": make_exp2_table(),
        "features": np.zeros((1, size, 1), np.int16),
        "rate_state": np.zeros((256, width), np.int16),
    }
    layers = {f"groups.0.{name}": shape for name, shape in shapes.items()}
    if table["kind"] == "frames":
        layers["first"] = (1, width)
    for name, shape in layers.items():
        bias = (1, width) if name.endswith("context") else shape[-1:]
        tensors[f"{name}.weight"] = np.zeros(shape, np.int16)
        tensors[f"{name}.bias"] = np.zeros(bias, np.int64)
        tensors[f"{name}.shift"] = np.array(0, np.int32)
    return tensors


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        ({"kind": "grid", "period": 1, "kernel_size": 1}, (1, 128, 64)),
        ({"kind": "frames", "dilations": []}, (1, 8192)),
    ],
)
def test_memory_does_not_grow_with_the_segment_times_the_codebook(table, shape):
    size = 4096
    table = {**table, "groups": [1], "head": "categorical", "width": 8, "embedding_dim": 1}
    prior = build_prior(table, (size,), zeros_for(table, size))
    tracemalloc.start()
    try:
        bits = prior.bits_of([np.zeros(shape, np.int64)], 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.allclose(bits[0], 12)
    assert peak < 8 * np.prod(shape) * size  # less than the outputs alone take


def test_any_sixteen_bits_are_exact(case):
    """FORMAT.md allows them in weights, features and rate states; -32768 too."""
    generator = np.random.default_rng(0)
    tensors = dict(case.prior.tensors())
    for name, tensor in tensors.items():
        if tensor.dtype == np.int16:
            extreme = generator.choice(np.array([-32768, 32767], np.int16), tensor.shape)
            tensors[name] = np.where(generator.random(tensor.shape) < 0.3, extreme, tensor)
    sizes = case.quantizer.codebook_sizes
    own, reference = (build_prior(case.table, sizes, tensors, t) for t in (np.float64, np.int64))
    rate = case.rates[-1]
    segments = [case.indices(rate, grid) for grid in case.grids]
    payloads = own.compress(segments, rate)
    assert payloads == reference.compress(segments, rate)
    shapes = [segment.shape for segment in segments]
    assert all(map(np.array_equal, reference.decompress(payloads, shapes, rate), segments))
