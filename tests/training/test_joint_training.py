"""Joint training: the gradient of the rate reaches encoder and prior."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_tiny_recipes import make_data
from torch import Tensor, nn

from vqcodec.errors import ConfigError
from vqcodec.networks.priors.heads import prediction_bits
from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions
from vqcodec.training.modality import Batch
from vqcodec.training.recipe import parse_recipe, read_recipe

Make = Callable[..., AutoencoderTraining]


@pytest.fixture
def make_training(tmp_path: Path) -> Make:
    """Return a joint training of a recipe, ready for its first step."""

    def make(name: str, **prior: str) -> AutoencoderTraining:
        recipe, text = read_recipe(name)
        for key, value in prior.items():
            text = text.replace(f'{key} = "{recipe.prior[key]}"', f'{key} = "{value}"')
        data = make_data(recipe.modality, tmp_path / "data")
        (tmp_path / "run").mkdir()
        options = TrainingOptions(run=tmp_path / "run", data=[data])
        training = AutoencoderTraining(parse_recipe(text), options, joint=True)
        training.begin()
        assert training.prior is not None
        # A prior starts with equal predictions, under which no index is cheaper than another.
        for predictor in training.prior.modules():
            head = getattr(predictor, "head", None)
            if isinstance(head, nn.Linear):
                nn.init.normal_(head.weight, std=0.3)
        return training

    return make


def batch_of(training: AutoencoderTraining) -> tuple[Batch, Tensor]:
    import numpy as np

    batch = training.dataset.batch(4, np.random.default_rng(0))
    return batch, training.autoencoder.quantizer.sample_rates(4)


@pytest.mark.parametrize("name", ["tiny-image", "tiny-residual", "tiny-paper-image", "tiny-fsq"])
def test_the_rate_has_a_gradient_to_encoder_and_prior_but_not_to_the_decoder(make_training, name):
    training = make_training(name)
    training.losses(*batch_of(training))["rate"].sum().backward()

    def moved(module: nn.Module) -> bool:
        return any(p.grad is not None and bool(p.grad.abs().max() > 0) for p in module.parameters())

    assert moved(training.autoencoder.encoder)
    assert moved(training.prior)
    assert not moved(training.autoencoder.decoder)


def test_steps_along_the_gradient_of_the_rate_lower_the_rate(make_training):
    training = make_training("tiny-paper-image")
    batch = batch_of(training)
    optimizer = torch.optim.SGD(training.autoencoder.encoder.parameters(), lr=0.02)
    training.autoencoder.quantizer.eval()  # codebooks stay where they are
    rates = []
    for _ in range(20):
        rate = training.losses(*batch)["rate"].mean()
        rates.append(float(rate.detach()))
        optimizer.zero_grad()
        rate.backward()
        optimizer.step()
    assert rates[-1] < rates[0]


def test_the_head_has_to_fit_the_quantizer(make_training):
    with pytest.raises(ConfigError, match=r"prior\.head: 'categorical'.*'lattice'.*'logistic'"):
        make_training("tiny-image", head="categorical")


def test_shares_change_the_gradient_of_a_cost_and_not_its_value():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5, 1, 8, requires_grad=True)  # [B, h, w, n, N]
    indices = torch.randint(0, 8, (2, 1, 3, 5))
    shares = torch.rand(2, 1, 3, 5, 8).softmax(-1).requires_grad_()
    bits = prediction_bits("categorical", logits, indices, shares, 8)
    plain = prediction_bits("categorical", logits, indices, None, 8)
    assert torch.allclose(bits, plain)
    bits.sum().backward()
    costs = -logits.detach().log_softmax(-1) / math.log(2)  # [B, h, w, 1, N]
    assert shares.grad is not None
    assert torch.allclose(shares.grad, costs.movedim(-2, 1))
    (expected,) = torch.autograd.grad(plain.sum(), logits)
    assert logits.grad is not None
    assert torch.allclose(logits.grad, expected)
