"""The lattice: a grid whose step depends on channel and rate."""

from __future__ import annotations

import pytest
import torch

from vqcodec.errors import ConfigError
from vqcodec.networks.quantizers import build_quantizer_module
from vqcodec.networks.quantizers.lattice import LatticeModule
from vqcodec.quantizers.configs import LatticeConfig
from vqcodec.quantizers.lattice import LatticeQuantizer

LIMIT = 15


def quantizer_of(limit: int = LIMIT) -> LatticeModule:
    torch.manual_seed(0)
    return LatticeModule(LatticeConfig(dim=3, limit=limit))


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 2), (1, 3, 1)])
def test_shapes_and_round_trip(shape):
    quantizer, latents = quantizer_of(), torch.randn(shape)
    rate = torch.arange(shape[0]) * 200
    quantized = quantizer(latents, rate, relax=True)
    indices = quantizer.quantize(latents, rate)
    assert indices.dtype == torch.int64
    assert torch.equal(indices, quantized.indices)
    assert torch.allclose(quantizer.dequantize(indices, rate), quantized.latents, atol=1e-5)
    assert quantized.relaxed.shape == indices.shape == latents.shape
    assert quantizer.codebook_sizes == (2 * LIMIT + 1,) * 3


def test_latents_come_back_within_half_a_step_and_quantize_to_the_same_indices():
    quantizer, latents = quantizer_of(), torch.randn(4, 3, 50)
    rate = torch.tensor([0, 90, 180, 255])
    indices = quantizer.quantize(latents, rate)
    restored = quantizer.dequantize(indices, rate)
    half_step = 0.5 / quantizer.gain(rate, 3)
    inside = (indices > 0) & (indices < 2 * LIMIT)
    assert ((latents - restored).abs() <= half_step * 1.001)[inside].all()
    assert torch.equal(quantizer.quantize(restored, rate), indices)


def test_indices_stay_in_the_codebook():
    indices = quantizer_of().quantize(torch.tensor([[[-1e6], [0.0], [1e6]]]), torch.tensor([255]))
    assert indices.flatten().tolist() == [0, LIMIT, 2 * LIMIT]


def test_a_finer_rate_loses_less():
    quantizer, latents = quantizer_of(255), torch.randn(1, 3, 200)
    errors = []
    for quality in (1, 4, 7, 10):
        rate = torch.tensor([quantizer.config.rate_of(quality)])
        restored = quantizer.dequantize(quantizer.quantize(latents, rate), rate)
        errors.append(float((latents - restored).detach().square().mean()))
    assert errors == sorted(errors, reverse=True)


def test_the_gradient_goes_straight_through():
    quantizer, latents = quantizer_of(255), torch.randn(2, 3, 5, requires_grad=True)
    quantizer(latents, torch.tensor([100, 200])).latents.sum().backward()
    assert latents.grad is not None
    assert torch.allclose(latents.grad, torch.ones(2, 3, 5))


def test_noise_stands_for_rounding_and_carries_a_gradient_to_latents_and_steps():
    quantizer, latents = quantizer_of(255), torch.randn(2, 3, 500, requires_grad=True)
    rate = torch.tensor([100, 200])
    relaxed = quantizer(latents, rate, relax=True).relaxed
    noise = (relaxed - latents * quantizer.gain(rate, 3)).detach()
    assert noise.abs().max() <= 0.5
    assert abs(float(noise.square().mean()) - 1 / 12) < 0.01
    relaxed.sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().min() > 0
    assert quantizer.log_gain.grad is not None


def test_noise_is_made_only_when_asked_for():
    assert quantizer_of()(torch.randn(1, 3, 5), torch.tensor([0])).relaxed is None


def test_steps_start_the_same_in_the_units_of_the_signal():
    quantizer, deviations = quantizer_of(), torch.tensor([10.0, 1.0, 0.1])
    before = quantizer.gain(torch.tensor([0, 255]), 3)
    quantizer.init_from_data(torch.zeros(1, 3, 1), deviations)
    after = quantizer.gain(torch.tensor([0, 255]), 3)
    assert torch.allclose(after, before * deviations[:, None])


def test_rates_are_bytes_from_coarse_to_fine():
    quantizer = quantizer_of()
    assert [quantizer.config.rate_of(quality) for quality in (1, 10)] == [0, 255]
    assert quantizer.rate_fraction(torch.tensor([0, 255])).tolist() == [0, 1]
    rates = quantizer.sample_rates(2000)
    assert 0 <= rates.min() < 20
    assert 235 < rates.max() <= 255
    assert quantizer.in_use(rates) is None
    assert quantizer.config.codebooks_at(0) == 3


@pytest.mark.parametrize(("key", "value"), [("dim", 0), ("limit", 0), ("limit", 2048)])
def test_a_bad_table_is_refused_by_its_key(key, value):
    with pytest.raises(ConfigError, match=f"quantizer.{key}"):
        build_quantizer_module({"kind": "lattice", key: value})


def test_rounding_widens_the_interval_of_zero_and_runtime_and_training_agree():
    config = LatticeConfig(
        dim=1, limit=3, coarsest_step=1.0, finest_step=1.0, learn_steps=False, rounding=0.6
    )
    module = LatticeModule(config)
    values = torch.tensor([-5.0, -1.59, -0.61, -0.59, 0.0, 0.59, 0.61, 1.59, 1.61])[None, None]
    wanted = [-3, -1, -1, 0, 0, 0, 1, 1, 2]
    rate = torch.tensor([100])
    assert (module.quantize(values, rate)[0, 0] - 3).tolist() == wanted
    assert module(values, rate).latents[0, 0].detach().round().tolist() == wanted
    runtime = LatticeQuantizer(config, {"log_gain": module.log_gain.detach().numpy()})
    assert (runtime.quantize(values.numpy(), 100)[0, 0] - 3).tolist() == wanted
