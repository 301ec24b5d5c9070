"""SOAP: it needs fewer steps than Adam where the gradients of batches are correlated."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training_recipes import IMAGE

from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.training.optimizer import SoapOptimizer
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.soap import BASIS_EVERY, FIRST_STEPS, LARGEST_SIDE, Soap

RATE = 0.02


def correlation(size):
    """Return a positive definite matrix of condition number 100 that mixes all channels."""
    basis = torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(0)))[0]
    return basis @ torch.diag(torch.logspace(-2, 0, size)) @ basis.T


def trained(optimizer_of, shape, steps):
    """Return the loss of a linear regression on batches of correlated inputs; the rate falls."""
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(shape, generator=generator).flatten(1)
    outputs, inputs = correlation(shape[0]), correlation(shape[-1])
    weight = torch.nn.Parameter(torch.ones(shape))
    optimizer = optimizer_of([weight])

    def loss_of(size):
        rows = torch.randn(size, target[0].numel() // shape[-1], shape[-1], generator=generator)
        error = (rows @ inputs).flatten(1) @ (weight.flatten(1) - target).T
        return (error @ outputs).square().mean()

    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        optimizer.zero_grad()
        loss_of(16).backward()
        optimizer.step()
    return float(loss_of(1000).detach())


def soap(weights):
    return Soap(weights, torch.float32)


def adam(weights):
    return torch.optim.Adam(weights, betas=(0.9, 0.98))


@pytest.mark.parametrize("shape", [(12, 20), (12, 3, 3, 20), (1, 20)])
def test_it_needs_fewer_steps_than_adam_where_gradients_are_correlated(shape):
    first, last = (trained(one, shape, 1000) for one in (adam, soap))
    print(first, last)
    assert last < 0.5 * first


def test_a_long_side_has_no_basis():
    weight = torch.nn.Parameter(torch.ones(LARGEST_SIDE + 1, 3))
    optimizer = soap([weight])
    for _ in range(FIRST_STEPS):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert {"last_basis"} == {name for name in optimizer.state[weight] if name.endswith("basis")}


def test_no_weight_changes_before_the_first_bases():
    weight = torch.nn.Parameter(torch.ones(4, 5))
    optimizer = soap([weight])
    optimizer.param_groups[0]["lr"] = RATE
    for step in range(1, FIRST_STEPS + BASIS_EVERY):
        weight.grad = torch.randn(4, 5, generator=torch.Generator().manual_seed(step))
        optimizer.step()
        assert bool((weight == 1).all()) is (step <= FIRST_STEPS)


def test_bases_follow_the_gradients():
    weight = torch.nn.Parameter(torch.ones(6, 3, 3, 5))
    optimizer = soap([weight])
    generator = torch.Generator().manual_seed(0)

    def steps(number, first, last):
        for _ in range(number):
            noise = torch.randn(weight.shape, generator=generator)
            weight.grad = torch.tensordot(first, noise, dims=([1], [0])) @ last
            optimizer.step()

    steps(FIRST_STEPS, torch.eye(6), torch.eye(5))
    first, last = torch.diag(torch.linspace(0.2, 3, 6)), torch.diag(torch.linspace(4, 0.5, 5))
    turns = [torch.linalg.qr(torch.randn(n, n, generator=generator))[0] for n in (6, 5)]
    steps(40 * BASIS_EVERY, turns[0] @ first, last @ turns[1].T)
    state = optimizer.state[weight]
    for side, turn in zip(("first", "last"), turns, strict=True):
        (basis,) = state[f"{side}_basis"]
        assert torch.allclose(basis.T @ basis, torch.eye(len(basis)), atol=1e-5)
        true = turn.flip(1) if side == "first" else turn  # largest variance first
        assert (basis * true).sum(0).abs().min() > 0.9
    mean_squares = state["square"][0].mean(dim=(1, 2))  # [6, 5], sorted along both sides
    assert (mean_squares.mean(1).diff() < 0).all()
    assert (mean_squares.mean(0).diff() < 0).all()


def test_turned_bases_keep_the_mean():
    weight = torch.nn.Parameter(torch.ones(4, 5))
    optimizer = soap([weight])
    generator = torch.Generator().manual_seed(0)
    for _ in range(FIRST_STEPS + BASIS_EVERY // 2):
        weight.grad = torch.randn(4, 5, generator=generator)
        optimizer.step()
    state = optimizer.state[weight]
    before, basis = optimizer._turned_back(state["mean"], state), state["first_basis"].clone()
    state["first_covariance"] += torch.diag(torch.linspace(0, 9, 4))
    optimizer._turn_bases(state)
    assert not torch.allclose(state["first_basis"], basis, atol=0.1)
    assert torch.allclose(optimizer._turned_back(state["mean"], state), before, atol=1e-6)


def test_turning_sorts_by_variance():
    square = torch.arange(24.0).reshape(2, 4, 3)
    rising, falling = torch.diag(torch.arange(1.0, 5)), torch.diag(torch.arange(4.0, 0, -1))
    state = {
        "first_covariance": torch.stack([rising, falling]),
        "first_basis": torch.eye(4).expand(2, 4, 4),
        "mean": torch.zeros(2, 4, 3),
        "square": square,
    }
    soap([torch.nn.Parameter(torch.ones(4, 3))])._turn_bases(state)
    reversing = torch.stack([torch.eye(4).flip(1), torch.eye(4)])
    assert torch.allclose(state["first_basis"].abs(), reversing, atol=1e-6)
    assert torch.equal(state["square"], torch.stack([square[0].flip(0), square[1]]))


def test_weights_of_one_shape_are_updated_together_as_each_would_be_alone():
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 5), (3, 2, 2, 5), (4, 5)]
    together = [torch.nn.Parameter(torch.ones(shape)) for shape in shapes]
    alone = [torch.nn.Parameter(torch.ones(shape)) for shape in shapes]
    optimizers = [soap(together), *(soap([weight]) for weight in alone)]
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = RATE
    for _ in range(FIRST_STEPS + 2 * BASIS_EVERY):
        for one, other in zip(together, alone, strict=True):
            one.grad = other.grad = torch.randn(one.shape, generator=generator)
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(together, alone, strict=True):
        assert not torch.equal(one, torch.ones_like(one))
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_directions_without_gradients_do_not_make_large_steps(dtype):
    weight = torch.nn.Parameter(torch.zeros(3, 192))
    optimizer = Soap([weight], dtype)
    optimizer.param_groups[0]["lr"] = 1.0
    generator = torch.Generator().manual_seed(0)
    for _ in range(FIRST_STEPS + 4 * BASIS_EVERY):
        gradient = torch.randn(3, 192, generator=generator)
        gradient[:, :8] = 0
        weight.grad = gradient
        before = weight.detach().clone()
        optimizer.step()
        assert (weight.detach() - before).abs().max() < 10


def test_soap_updates_kernels_and_matrices_alone():
    tables = parse_recipe(
        IMAGE.replace("limit = 63", "limit = 63\nnum_integers = 2")
    ).model_tables()
    autoencoder = Autoencoder(tables)
    parts = nn.ModuleDict({"autoencoder": autoencoder})
    optimizer = SoapOptimizer(parts, {"autoencoder": 0.01}, 1.0, torch.float32)
    kernels = {id(kernel) for kernel in optimizer.kernels}
    of_soap = {name for name, weight in parts.named_parameters() if id(weight) in kernels}
    names = {name for name, _ in autoencoder.named_parameters(prefix="autoencoder")}
    assert of_soap == {n for n in names if n.endswith(".weight")}
    image, rate = torch.rand(2, 3, 32, 32), torch.tensor([0, 255])
    for _ in range(FIRST_STEPS + 2):
        parts.zero_grad()
        autoencoder(image, rate)[0].square().mean().backward()
        before = {name: weight.detach().clone() for name, weight in parts.named_parameters()}
        optimizer.update(1.0)
    assert (autoencoder.quantizer.log_gain[:, :2] == 0).all()
    changed = {n for n, weight in parts.named_parameters() if not torch.equal(weight, before[n])}
    assert changed >= {"autoencoder.encoder.linear.weight", "autoencoder.quantizer.log_gain"}


def test_a_weight_without_a_gradient_stays_beside_one_with_a_gradient():
    still, moved = (torch.nn.Parameter(torch.ones(4, 5)) for _ in range(2))
    optimizer = soap([still, moved])
    optimizer.param_groups[0]["lr"] = RATE
    generator = torch.Generator().manual_seed(0)
    optimizer.step()  # none has a gradient
    assert not optimizer.state
    for step in range(FIRST_STEPS + 5):
        moved.grad = torch.randn(4, 5, generator=generator)
        still.grad = torch.ones(4, 5) if step == 2 else None
        optimizer.step()
    assert torch.equal(still, torch.ones(4, 5))
    assert not torch.equal(moved, torch.ones(4, 5))


def test_a_checkpoint_of_the_older_layout_is_refused():
    parts = nn.ModuleDict({"autoencoder": nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))})
    optimizer = SoapOptimizer(parts, {"autoencoder": 0.01}, 1.0, torch.float32)
    parts["autoencoder"](torch.ones(2, 4)).sum().backward()
    optimizer.update(1.0)
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    state["soap"]["state"][0]["mean"] = torch.zeros(4, 4)
    with pytest.raises(ValueError, match="older version"):
        optimizer.load_state_dict(state)
