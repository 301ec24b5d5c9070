"""Vector quantization, by one codebook and by several in a row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from vqcodec.errors import ConfigError
from vqcodec.networks.quantizers import build_quantizer_module
from vqcodec.networks.quantizers.residual import ResidualModule

SHAPES = [(2, 4, 5), (2, 4, 3, 2), (1, 4, 1)]


def quantizer_of(num_codebooks: int = 3, **keys: Any) -> ResidualModule:
    torch.manual_seed(0)
    table = {"kind": "residual", "dim": 4, "num_codebooks": num_codebooks, "codebook_size": 8}
    quantizer = build_quantizer_module({**table, **keys})
    assert isinstance(quantizer, ResidualModule)
    quantizer.init_from_data(torch.randn(16, 4, 40), None)
    return quantizer


def full(quantizer: ResidualModule, batch_size: int) -> Tensor:
    return torch.full((batch_size,), quantizer.num_codebooks)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_those_of_latents_and_of_indices(shape):
    quantizer, latents = quantizer_of(), torch.randn(shape)
    quantized = quantizer(latents, full(quantizer, len(latents)), relax=True)
    assert quantized.latents.shape == latents.shape
    assert quantized.indices.shape == (shape[0], 3, *shape[2:])
    assert quantized.indices.dtype == torch.int64
    assert quantized.relaxed.shape == (shape[0], 3, *shape[2:], 8)
    assert quantized.loss.shape == ()


@pytest.mark.parametrize("shape", SHAPES)
def test_indices_decode_to_the_latents_of_training(shape):
    quantizer, latents = quantizer_of().eval(), torch.randn(shape)
    rate = full(quantizer, len(latents))
    quantized = quantizer(latents, rate)
    indices = quantizer.quantize(latents, rate)
    assert torch.equal(indices, quantized.indices)
    assert torch.allclose(quantizer.dequantize(indices, rate), quantized.latents, atol=1e-6)


def test_one_codebook_gives_the_nearest_entry():
    quantizer, latents = quantizer_of(1).eval(), torch.randn(2, 4, 50)
    indices = quantizer.quantize(latents, full(quantizer, 2))
    distances = torch.cdist(latents.movedim(1, -1), quantizer.codebooks[0].entries)
    assert torch.equal(indices[:, 0], distances.argmin(-1))


def test_the_gradient_goes_straight_through():
    quantizer = quantizer_of(commitment=0.0)
    latents = torch.randn(2, 4, 5, requires_grad=True)
    weights = torch.randn(2, 4, 5)
    (quantizer(latents, full(quantizer, 2)).latents * weights).sum().backward()
    assert latents.grad is not None
    assert torch.equal(latents.grad, weights)


def test_the_commitment_term_draws_latents_to_their_entries():
    quantizer = quantizer_of(1, commitment=0.25).eval()
    latents = torch.randn(2, 4, 5, requires_grad=True)
    quantized = quantizer(latents, full(quantizer, 2))
    quantized.loss.backward()
    away = latents.detach() - quantized.latents.detach()
    assert latents.grad is not None
    assert torch.allclose(quantized.loss.detach(), 0.25 * away.square().mean())
    assert torch.allclose(latents.grad, 0.25 * 2 * away / away.numel(), atol=1e-7)


def test_the_codebook_term_draws_entries_that_learn_by_gradient():
    quantizer = quantizer_of(update="gradient", commitment=0.0)
    quantizer(torch.randn(8, 4, 20), full(quantizer, 8)).loss.backward()
    for codebook in quantizer.codebooks:
        assert codebook.entries.grad.abs().max() > 0


def test_averaged_entries_have_no_gradient_and_no_optimizer():
    assert list(quantizer_of().parameters()) == []


def test_entries_learn_only_in_training():
    quantizer, latents = quantizer_of(), torch.randn(4, 4, 20)
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer.eval()(latents, full(quantizer, 4))
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())
    quantizer.train()(latents, full(quantizer, 4))
    assert not torch.equal(before["codebooks.0.entries"], quantizer.codebooks[0].entries)


def test_every_codebook_brings_the_latents_nearer():
    quantizer, latents = quantizer_of().eval(), torch.randn(16, 4, 40)
    errors = []
    for number in (1, 2, 3):
        rate = torch.full((16,), number)
        restored = quantizer.dequantize(quantizer.quantize(latents, rate), rate)
        errors.append(float((latents - restored).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.7 * errors[0]


def test_an_item_uses_as_many_codebooks_as_its_rate_says():
    quantizer, latents = quantizer_of().eval(), torch.randn(3, 4, 5)
    rate = torch.tensor([1, 2, 3])
    quantized = quantizer(latents, rate)
    for item, number in enumerate(rate.tolist()):
        own = quantizer.quantize(latents[item : item + 1], rate[item : item + 1])
        assert own.shape == (1, number, 5)
        restored = quantizer.dequantize(own, rate[item : item + 1])
        assert torch.allclose(restored[0], quantized.latents[item], atol=1e-6)
    expected = [[True, False, False], [True, True, False], [True, True, True]]
    assert quantizer.in_use(rate).tolist() == expected


def test_a_rate_byte_is_a_number_of_codebooks():
    quantizer = quantizer_of()
    assert [rate for rate in range(256) if quantizer.config.has_rate(rate)] == [1, 2, 3]
    for rate in (1, 2, 3):
        assert quantizer.config.codebooks_at(rate) == rate
        assert quantizer.quantize(torch.randn(1, 4, 5), torch.tensor([rate])).shape == (1, rate, 5)


def test_qualities_go_from_few_codebooks_to_all():
    quantizer = quantizer_of()
    rates = [quantizer.config.rate_of(quality) for quality in (1, 2.5, 5, 7.5, 10)]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (1, 3)
    assert quantizer.rate_fraction(torch.tensor([3])).item() == 1


def test_training_rates_cover_all_numbers_and_favour_all_codebooks():
    rates = quantizer_of().sample_rates(3000)
    counts = torch.bincount(rates, minlength=4)
    assert counts[0] == 0
    assert counts[3] > counts[1] > 500
    assert counts[3] > counts[2] > 500


def test_soft_choices_carry_a_gradient_through_every_codebook():
    quantizer = quantizer_of()
    for number in range(3):
        latents = torch.randn(2, 4, 5, requires_grad=True)
        quantized = quantizer(latents, full(quantizer, 2), relax=True)
        assert torch.allclose(quantized.relaxed.sum(-1), torch.ones(2, 3, 5))
        quantized.relaxed[:, number, ..., 0].sum().backward()
        assert latents.grad is not None
        assert latents.grad.abs().max() > 0


def test_soft_choices_are_made_only_when_asked_for():
    quantizer = quantizer_of()
    assert quantizer(torch.randn(1, 4, 5), full(quantizer, 1)).relaxed is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_codebooks", 0), ("num_codebooks", 65), ("codebook_size", 1), ("dim", 0), ("update", "")],
)
def test_a_bad_table_is_refused_by_its_key(key, value):
    with pytest.raises(ConfigError, match=f"quantizer.{key}"):
        quantizer_of(**{key: value})


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match=r"quantizer\.kind"):
        build_quantizer_module({"kind": "nonsense"})
