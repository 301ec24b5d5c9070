"""SOAP: it needs fewer steps than Adam where the gradients of batches are correlated."""

from __future__ import annotations

import pytest
import torch

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


def test_bases_are_orthonormal_and_sorted():
    weight = torch.nn.Parameter(torch.ones(6, 3, 3, 5))
    optimizer = soap([weight])
    scale = torch.linspace(1, 3, 6)[:, None, None, None] * torch.linspace(4, 1, 5)
    generator = torch.Generator().manual_seed(0)
    for _ in range(FIRST_STEPS + 12 * BASIS_EVERY):
        weight.grad = torch.randn(weight.shape, generator=generator) * scale
        optimizer.step()
    state = optimizer.state[weight]
    for side in ("first", "last"):
        basis = state[f"{side}_basis"]
        assert torch.allclose(basis.T @ basis, torch.eye(len(basis)), atol=1e-5)
        variances = (basis * (state[f"{side}_covariance"] @ basis)).sum(0)
        assert variances[0] > 2 * variances[-1]
