"""Validation by hard indices, and BD-rate to a reference."""

from __future__ import annotations

import json
import math

import pytest
import torch
from tiny import tiny_model_path
from training_recipes import AUDIO, IMAGE

from vqcodec.errors import ConfigError
from vqcodec.networks.precision import use_bfloat16
from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions
from vqcodec.training.commands import export_model
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.trained_run import load_run
from vqcodec.training.validation import NUM_RATES, held_out_terms, rate_gap


@pytest.fixture
def training(tmp_path, data_folder):
    options = TrainingOptions(run=tmp_path, data=[data_folder])
    training = AutoencoderTraining(parse_recipe(IMAGE), options, joint=True)
    training.begin()
    return training


def judge(training):
    return held_out_terms(training.module, training.valid, "default", "cpu")


def test_validation_measures_the_rate_of_hard_indices(training):
    found = judge(training)
    assert len(found) == NUM_RATES
    assert sorted(found)[0] < 5
    assert sorted(found)[-1] > 250
    rate = sorted(found)[-1]
    costs, rates = [], torch.tensor([rate])
    for signal in training.valid:
        with torch.no_grad():
            indices = training.autoencoder.indices_of(signal, rates)
            bits = training.prior.bits(indices, training.autoencoder.quantizer.rate_fraction(rates))
        costs.append(float(bits.sum()) / signal[0, 0].numel())
    assert found[rate]["rate"] == pytest.approx(sum(costs) / len(costs), rel=1e-4)
    assert found[rate]["quality_db"] + 20 * math.log10(255) == pytest.approx(
        found[rate]["psnr_db"], abs=1e-3
    )


def test_validation_of_a_bfloat16_training_uses_32_bits(training):
    exact = judge(training)
    use_bfloat16(training.module)
    assert judge(training) == exact
    assert training.autoencoder.encoder.in_bfloat16


def terms(scale=1.0, shift=0.0):
    return {
        number: {"quality_db": 30.0 + number + shift, "rate": scale * 2.0**number}
        for number in range(4)
    }


def test_the_rate_gap_is_the_rate_difference_at_equal_quality():
    assert rate_gap(terms(), terms()) == pytest.approx(0)
    assert rate_gap(terms(), terms(scale=1.1)) == pytest.approx(10)
    assert rate_gap(terms(), terms(shift=1.0)) == pytest.approx(-50)
    assert math.isnan(rate_gap(terms(), terms(shift=10.0)))


@pytest.mark.parametrize("text", [IMAGE, AUDIO], ids=["image", "audio"])
def test_the_log_compares_with_a_reference(tmp_path, train, text):
    train(tmp_path / "first", text)
    export_model(run=tmp_path / "first", output=tmp_path / "model.safetensors", name="model")
    reference = f'reference = "{tmp_path / "model.safetensors"}"\n'
    train(tmp_path / "second", reference + text, steps=1, start_from=tmp_path / "first")
    last = json.loads((tmp_path / "second" / "log.jsonl").read_text().splitlines()[-1])
    assert abs(last["valid_bd_rate"]) < 5
    assert load_run(tmp_path / "second").recipe.reference.endswith("model.safetensors")


def test_a_missing_reference_fails_before_the_first_step(tmp_path, train):
    with pytest.raises(ConfigError, match=r"reference: .*nobody"):
        train(tmp_path / "run", 'reference = "nobody"\n' + IMAGE, steps=1)
    assert not (tmp_path / "run" / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("speech", "is a model for audio"), ("uniform-image", "has no learnt prior")],
)
def test_a_reference_that_cannot_be_compared_fails_before_the_first_step(
    tmp_path, train, name, message
):
    path = tiny_model_path(name)
    with pytest.raises(ConfigError, match=f"reference: .*{message}"):
        train(tmp_path / "run", f'reference = "{path}"\n{IMAGE}', steps=1)
