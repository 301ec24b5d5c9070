"""The prior of pictures in training: matrix products equal convolutions over known neighbours."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vqcodec.networks.precision import use_bfloat16
from vqcodec.networks.priors.grid import (
    GridPriorNetwork,
    GroupPredictor,
    NarrowUpdate,
    stored_update,
)
from vqcodec.priors.config import GridPriorConfig
from vqcodec.priors.order import Size, known_taps, phase_offsets

NUM_FEATURES = 6
GRIDS = [((1, 1), (3, 3)), ((2, 2), (3, 3)), ((4, 4), (5, 5)), ((8, 1), (9, 1)), ((4, 1), (5, 1))]


def make_predictor(cell: Size, kernel: Size) -> GroupPredictor:
    torch.manual_seed(cell[0])
    predictor = GroupPredictor(8, cell, kernel, (3, 3), NUM_FEATURES, 4)
    torch.nn.init.normal_(predictor.phase_bias)
    return predictor


def kernels_of(predictor: GroupPredictor) -> Tensor:
    """The context's weights [P, *kernel, C, W] as they are stored."""
    return torch.from_numpy(predictor.stored_context("context").stored_weight()).float()


def convolved(predictor: GroupPredictor, features: Tensor) -> Tensor:
    """The context by one strided convolution a phase, with kernels that are zero elsewhere."""
    high, wide = predictor.cell
    above, left = predictor.kernel[0] // 2, predictor.kernel[1] // 2
    images = features.permute(0, 3, 1, 2)
    result = torch.zeros(*features.shape[:3], 8)
    kernels = kernels_of(predictor).permute(0, 4, 3, 1, 2)  # [P, W, C, *kernel]
    phases = zip(phase_offsets(predictor.cell), kernels, predictor.phase_bias, strict=True)
    for (row, column), kernel, bias in phases:
        around = functional.pad(images, (left, left, above, above))[..., row:, column:]
        if row < features.shape[1] and column < features.shape[2]:
            part = functional.conv2d(around, kernel, bias, stride=(high, wide))
            result[:, row::high, column::wide] = part.permute(0, 2, 3, 1)
    return result


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (5, 7), (8, 6)])
@pytest.mark.parametrize(("cell", "kernel"), [*GRIDS, ((2, 2), (1, 1)), ((2, 2), (5, 5))])
def test_the_context_is_a_convolution_over_known_neighbours(cell, kernel, size):
    predictor = make_predictor(cell, kernel)
    features = torch.randn(2, *size, NUM_FEATURES)
    context = predictor.context_of(features)
    assert torch.allclose(context, convolved(predictor, features), atol=1e-5)


@pytest.mark.parametrize(("cell", "kernel"), GRIDS)
def test_only_known_neighbours_have_weights(cell, kernel):
    predictor = make_predictor(cell, kernel)
    known = torch.from_numpy(known_taps(cell, kernel))
    assert predictor.context.shape == (8, int(known.sum()), NUM_FEATURES)
    kernels = kernels_of(predictor)
    assert kernels.shape == (cell[0] * cell[1], *kernel, NUM_FEATURES, 8)
    assert bool((kernels[known] != 0).any()) is bool(known.any())
    assert not kernels[~known].any()


@pytest.mark.parametrize("kernel", [(1, 1), (3, 1), (3, 3)])
def test_a_narrow_update_is_the_convolution_that_is_stored(kernel):
    torch.manual_seed(1)
    update = NarrowUpdate(8, NUM_FEATURES, kernel)
    stored = torch.from_numpy(stored_update("update", update).stored_weight()).float()
    assert stored.shape == (*kernel, 8 + NUM_FEATURES, 8)
    assert (stored[..., 8:, :] != 0).all()
    around = torch.ones(kernel, dtype=torch.bool)
    around[kernel[0] // 2, kernel[1] // 2] = False
    assert (stored[~around][:, :8] != 0).all()
    assert not stored[around][:, :8].any()
    known = torch.randn(2, 8 + NUM_FEATURES, 5, 4)
    padding = (kernel[0] // 2, kernel[1] // 2)
    expected = functional.conv2d(known, stored.permute(3, 2, 0, 1), update.bias, padding=padding)
    assert torch.allclose(update(known), expected, atol=1e-5)


def test_products_in_bfloat16_predict_nearly_the_same():
    torch.manual_seed(0)
    config = GridPriorConfig(groups=(2, 4), width=16)
    network = GridPriorNetwork(config, (127,) * 6)
    for predictor in network.predictors:
        torch.nn.init.normal_(predictor.get_submodule("head").weight, std=0.1)
    indices, rate = torch.randint(60, 67, (2, 6, 5, 4)), torch.tensor([0.2, 0.9])
    exact = network.bits(indices, rate)
    use_bfloat16(network)
    rounded = network.bits(indices, rate)
    assert rounded.dtype == torch.float32
    assert not rounded.equal(exact)
    assert torch.allclose(rounded, exact, atol=0.1)
