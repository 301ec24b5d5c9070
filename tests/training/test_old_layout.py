"""Runs of versions before 0.2.0 go on as they would have then.

`old_run.tar.xz` was written by such a version: four joint steps on the pictures of `pictures`, then
three of the prior. The losses of the next steps are those that it computed then.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import noise_picture
from torch.nn import functional

from vqcodec.networks.priors import build_prior_network
from vqcodec.priors.order import known_taps, phase_offsets
from vqcodec.signals.picture_files import write_picture
from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions
from vqcodec.training.old_layout import in_order_of, with_known_taps
from vqcodec.training.prior import PriorTraining
from vqcodec.training.recipe import read_recipe
from vqcodec.training.start import weights_of

NEXT_LOSSES = [2.5045251846313477, 3.8740904331207275]
NEXT_PRIOR_LOSSES = [2.9986820220947266, 2.9953219890594482]
SEED = 3


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(6):
        with (folder / f"picture{number}.png").open("wb") as file:
            write_picture(noise_picture(64, 48, seed=number), file, "PNG")
    return folder


@pytest.fixture
def old_run(tmp_path):
    with tarfile.open(Path(__file__).with_name("old_run.tar.xz")) as archive:
        archive.extractall(tmp_path / "run", filter="data")
    return tmp_path / "run"


def begun(run, data):
    recipe, _ = read_recipe(str(run / "recipe.toml"))
    training = AutoencoderTraining(
        recipe, TrainingOptions(run=run, data=[data], seed=SEED), joint=True
    )
    training.begin()
    return training


def test_an_old_run_goes_on_with_the_losses_of_the_old_version(old_run, pictures):
    training = begun(old_run, pictures)
    assert training.step == 4
    found = [training.train_step()["total"] for _ in NEXT_LOSSES]
    assert found == pytest.approx(NEXT_LOSSES, rel=1e-5)


def test_an_old_prior_goes_on_with_the_losses_of_the_old_version(old_run, pictures):
    begun(old_run, pictures)  # writes the manifest
    training = PriorTraining(old_run, None, "cpu")
    assert training.step == 3
    found = [training.train_step()["bits_per_index"] for _ in NEXT_PRIOR_LOSSES]
    assert found == pytest.approx(NEXT_PRIOR_LOSSES, rel=1e-5)


def test_averages_of_gradients_move_with_their_weights(old_run, pictures):
    old = torch.load(old_run / "checkpoint.pt", weights_only=True)
    training = begun(old_run, pictures)
    names = [name for name, _ in training.module.named_parameters()]
    weights = dict(training.module.named_parameters())
    assert old["module"]["prior.predictors.0.context"].dim() == 5
    for number, (name, weight) in enumerate(zip(names, training.optimizer.state, strict=True)):
        own, before = training.optimizer.state[weight], old["optimizer"]["state"][number]
        for kind in ("exp_avg", "exp_avg_sq"):
            if name.endswith(".context"):
                moved = with_known_taps({"module": {name: before[kind]}})["module"][name]
            elif weights[name].dim() == 4 and not weights[name].is_contiguous():
                moved = before[kind].permute(0, 2, 3, 1)
            else:
                moved = before[kind]
            assert torch.equal(own[kind], moved), name
        assert own["step"] == before["step"]


def test_a_new_training_can_start_from_an_old_run(old_run):
    weights = weights_of(str(old_run))
    assert weights["prior.predictors.0.context"].dim() == 3


@pytest.mark.parametrize(("period", "kernel_size"), [(1, 3), (2, 3), (2, 5), (4, 3)])
def test_a_converted_context_predicts_as_masked_kernels_did(period, kernel_size):
    table = {
        "kind": "grid",
        "groups": [2, 1],
        "width": 8,
        "period": period,
        "kernel_size": kernel_size,
    }
    predictor = build_prior_network(table, (9, 9, 9)).predictors[0]
    num_features = predictor.context.shape[-1]
    generator = torch.Generator().manual_seed(period)
    shape = (period**2, 8, num_features, kernel_size, kernel_size)
    old = torch.randn(shape, generator=generator)
    taps = with_known_taps({"module": {"context": old}})["module"]["context"]
    assert taps.shape == predictor.context.shape
    features = torch.randn((2, num_features, 7, 9), generator=generator)
    reach = kernel_size // 2
    expected = torch.zeros(2, 8, 7, 9)
    masked = old * torch.from_numpy(known_taps((period,) * 2, (kernel_size,) * 2))[:, None, None]
    for (row, column), kernel in zip(phase_offsets((period, period)), masked, strict=True):
        around = functional.pad(features, (reach,) * 4)[..., row:, column:]
        expected[..., row::period, column::period] = functional.conv2d(
            around, kernel, stride=period
        )
    with torch.no_grad():
        predictor.context.copy_(taps)
        found = predictor.context_of(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert np.allclose(found, expected, atol=1e-5)


def test_kernels_of_one_shape_in_both_orders_are_moved_too():
    weights = [torch.zeros(4, 3, 3, 3), torch.zeros(4, 2, 3, 3), torch.zeros(4, 2, 1, 1)]
    weights = [w.contiguous(memory_format=torch.channels_last) for w in weights]
    weights[2] = weights[2].contiguous()
    averages = [torch.rand(weight.shape) for weight in weights]
    state = {"state": {n: {"exp_avg": a, "step": 1} for n, a in enumerate(averages)}}
    moved = [own["exp_avg"] for own in in_order_of(weights, state)["state"].values()]
    assert torch.equal(moved[0], averages[0].permute(0, 2, 3, 1))
    assert torch.equal(moved[1], averages[1].permute(0, 2, 3, 1))
    assert torch.equal(moved[2], averages[2])
    again = {"state": {n: {"exp_avg": a, "step": 1} for n, a in enumerate(moved)}}
    assert in_order_of(weights, again) is again
