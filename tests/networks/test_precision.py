"""Mixed precision: bfloat16 products in training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vqcodec.networks import precision
from vqcodec.networks.precision import (
    UnitStack,
    gains_by_bfloat16,
    in_memory_order,
    lay_channels_last,
    use_bfloat16,
)


@pytest.mark.parametrize(
    ("flags", "gains"),
    [("fpu amx_bf16 avx", True), ("fpu avx512f avx512_bf16", True), ("fpu avx512f avx2", False)],
)
def test_bfloat16_is_used_on_processors_that_support_it(tmp_path, monkeypatch, flags, gains):
    facts = tmp_path / "cpuinfo"
    facts.write_text(f"model name\t: some\nflags\t\t: {flags}\n")
    monkeypatch.setattr(precision, "PROCESSOR_FACTS", facts)
    assert gains_by_bfloat16("cpu") is gains
    assert not gains_by_bfloat16("mps")


def test_bfloat16_is_not_used_on_unknown_processors(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "PROCESSOR_FACTS", tmp_path / "missing")
    assert not gains_by_bfloat16("cpu")


def test_a_bfloat16_stack_has_32_bit_inputs_and_outputs():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 8), UnitStack(nn.Linear(8, 8), nn.Linear(8, 8)))
    features = torch.randn(3, 8)
    exact = network(features)
    use_bfloat16(network)
    rounded = network(features)
    assert rounded.dtype == torch.float32
    assert not rounded.equal(exact)
    assert torch.allclose(rounded, exact, atol=0.03)
    rounded.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in network.parameters())


def test_the_names_of_weights_are_those_of_plain_sequences():
    assert set(UnitStack(nn.Linear(2, 2)).state_dict()) == {"0.weight", "0.bias"}


def test_channels_last_kernels_compute_the_same_and_have_contiguous_views():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Conv2d(6, 2, 1))
    image = torch.randn(1, 4, 5, 5)
    before = network(image)
    lay_channels_last(network)
    assert torch.allclose(network(image), before, atol=1e-6)
    kernel = network[0].weight
    own = in_memory_order(kernel)
    assert own.shape == (6, 3, 3, 4)
    assert own.is_contiguous()
    own.zero_()  # it is the same memory
    assert not kernel.any()
    assert in_memory_order(network[1].weight).shape == (2, 6, 1, 1)
