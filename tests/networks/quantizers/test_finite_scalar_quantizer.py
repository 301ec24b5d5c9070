"""Finite scalar quantization: exact levels, one index a position."""

from __future__ import annotations

import itertools

import pytest
import torch

from vqcodec.errors import ConfigError
from vqcodec.networks.quantizers import build_quantizer_module
from vqcodec.networks.quantizers.finite_scalar import FiniteScalarModule
from vqcodec.quantizers.configs import FiniteScalarConfig

LEVELS = (7, 3, 5)
RATE = torch.zeros(1, dtype=torch.int64)


def quantizer_of(levels: tuple[int, ...] = LEVELS) -> FiniteScalarModule:
    torch.manual_seed(0)
    return FiniteScalarModule(FiniteScalarConfig(levels=levels))


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 2), (1, 3, 1)])
def test_shapes_and_round_trip(shape):
    quantizer, latents = quantizer_of(), 2 * torch.randn(shape)
    rate = quantizer.sample_rates(shape[0])
    quantized = quantizer(latents, rate, relax=True)
    indices = quantizer.quantize(latents, rate)
    assert indices.shape == (shape[0], 1, *shape[2:])
    assert indices.dtype == torch.int64
    assert torch.equal(indices, quantized.indices)
    assert torch.equal(quantizer.dequantize(indices, rate), quantized.latents)
    assert quantized.relaxed.shape == (*indices.shape, 7 * 3 * 5)
    assert quantized.loss == 0


def test_every_combination_of_levels_has_its_own_index_and_comes_back_exactly():
    quantizer = quantizer_of()
    assert quantizer.codebook_sizes == (105,)
    latents = quantizer.dequantize(torch.arange(105).reshape(1, 1, -1), RATE)  # [1, 3, 105]
    axes = [torch.linspace(-1, 1, level).tolist() for level in LEVELS]
    # The first channel's level is the lowest digit, so it changes fastest.
    expected = [place[::-1] for place in itertools.product(*axes[::-1])]
    assert torch.allclose(latents[0].T, torch.tensor(expected), atol=1e-6)
    inner = torch.atanh(latents * 0.999)
    assert torch.equal(quantizer.quantize(inner, RATE).flatten(), torch.arange(105))


def test_latents_of_any_size_stay_in_bounds():
    latents = torch.tensor([-1e6, 0.0, 1e6])[None, None].expand(1, 3, 3)
    indices = quantizer_of().quantize(latents, RATE)
    assert indices.flatten().tolist() == [0, 52, 104]


def test_the_gradient_is_that_of_the_bound():
    latents = torch.randn(2, 3, 5, requires_grad=True)
    quantizer_of()(latents, RATE.expand(2)).latents.sum().backward()
    assert latents.grad is not None
    assert torch.allclose(latents.grad, 1 - torch.tanh(latents.detach()).square(), atol=1e-6)


def test_soft_choices_follow_the_nearest_levels_and_carry_a_gradient():
    quantizer, latents = quantizer_of(), torch.randn(2, 3, 50, requires_grad=True)
    quantized = quantizer(latents, RATE.expand(2), relax=True)
    assert torch.allclose(quantized.relaxed.sum(-1), torch.ones(2, 1, 50))
    assert torch.equal(quantized.relaxed.argmax(-1), quantized.indices)
    quantized.relaxed[..., 0].sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0


def test_there_is_one_rate_and_nothing_to_store():
    quantizer = quantizer_of()
    quantizer.init_from_data(torch.randn(2, 3, 5), None)
    assert {quantizer.config.rate_of(quality) for quality in (1, 5, 10)} == {0}
    assert quantizer.rate_fraction(torch.tensor([0, 0])).tolist() == [0, 0]
    assert quantizer.in_use(RATE) is None
    assert quantizer.config.codebooks_at(0) == 1
    assert quantizer.state_dict() == {}


@pytest.mark.parametrize("levels", [[], [4], [1], [7, 2], [33, 33, 33]])
def test_levels_that_are_even_few_or_too_many_are_refused(levels):
    with pytest.raises(ConfigError, match=r"quantizer\.levels"):
        build_quantizer_module({"kind": "finite_scalar", "levels": levels})
