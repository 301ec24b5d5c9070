"""Frequencies that a training counts for the tables of its prior."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_recipes import IMAGE

from vqcodec import load
from vqcodec.networks.priors import build_prior_network
from vqcodec.priors import build_prior
from vqcodec.priors.hurdle_coding import HurdleCoding
from vqcodec.priors.logistic import (
    PRIOR_COUNT,
    TOTAL_BITS,
    make_hurdle_tables,
    make_logistic_tables,
    read_logistic_tables,
    with_counts,
)
from vqcodec.training import counted_tables
from vqcodec.training.commands import export_model
from vqcodec.training.frozen_prior import freeze_prior
from vqcodec.training.prior import PriorTraining
from vqcodec.training.trained_run import load_run

PAIRS = IMAGE.replace('modality = "image"', 'modality = "audio"')
PAIRS = PAIRS[: PAIRS.index("[network]")] + """
[network]
kind = "blocks"
sample_rate = 8_000
hop_length = 128
num_bands = 4
num_slots = 4
decoder_width = 8

[quantizer]
kind = "lattice"
dim = 272
limit = 63
coarsest_step = 2.0
finest_step = 0.25
learn_steps = false
num_integers = 16

[prior]
kind = "plane"
groups = [2, 1, 1, 32, 32]
num_bands = 4
num_exact = 3
starts = [0, 1, 2, 3]
width = 8
skip_certain = true
magnitudes = true

[data]
frames = 16
valid_fraction = 0.3

""" + IMAGE[IMAGE.index("[objective]") :]  # fmt: skip
NAMES = ("tables", "hurdle_tables")


@pytest.fixture(scope="module", autouse=True)
def _fewer_excerpts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counted_tables, "BATCHES", 8)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory, train):
    folder = tmp_path_factory.mktemp("counted") / "run"
    train(folder, PAIRS, steps=1)
    PriorTraining(folder, None, "cpu").run_to(None)
    return folder


def bytes_with(trained, tensors, seed):
    recipe, quantizer = trained.recipe, trained.autoencoder.quantizer
    prior = build_prior(recipe.prior, quantizer.codebook_sizes, tensors)
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(1, 2, 128 * 60)).astype(np.float32) * 0.2
    total = 0
    for rate in (10, 120, 240):
        indices = trained.autoencoder.indices_of(torch.from_numpy(noise), torch.tensor([rate]))
        total += sum(map(len, prior.compress([indices[0].numpy()], rate)))
    return total


def test_counted_tables_need_fewer_bytes_for_other_sounds_of_that_kind(run):
    trained = load_run(run)
    counted = freeze_prior(trained)
    of_formula = counted | {"tables": make_logistic_tables(), "hurdle_tables": make_hurdle_tables()}
    assert bytes_with(trained, counted, 5) < 0.99 * bytes_with(trained, of_formula, 5)


def equal(one, other):
    return all(np.array_equal(one[name], other[name]) for name in NAMES)


def test_counted_tables_stay_when_a_training_goes_on_and_in_a_model_file(run, tmp_path):
    tables = load_run(run).prior.tables
    assert equal(PriorTraining(run, None, "cpu").prior.tables, tables)
    export_model(run=run, output=tmp_path / "model.safetensors", name="counted")
    stored = load(tmp_path / "model.safetensors").parts.prior.tensors()
    assert equal(stored, tables)
    rates = torch.arange(256) / 255
    network = build_prior_network(load_run(run).recipe.prior, (127,) * 272)
    network.thaw(stored, rates)
    assert equal(network.freeze(rates), tables)


def test_counting_again_changes_nothing(run):
    before = load_run(run).prior.tables
    PriorTraining(run, None, "cpu").run_to(None)
    assert equal(load_run(run).prior.tables, before)


def test_the_prior_of_pictures_keeps_the_formula(tmp_path, train):
    train(tmp_path / "run", IMAGE, steps=1)
    PriorTraining(tmp_path / "run", None, "cpu").run_to(2)
    assert np.array_equal(load_run(tmp_path / "run").prior.tables["tables"], make_logistic_tables())


@pytest.mark.parametrize("make", [make_logistic_tables, make_hurdle_tables])
def test_tables_without_counts_stay_as_they_are(make):
    stored = make()
    rows = read_logistic_tables(stored).freqs
    again = with_counts(rows, np.zeros(rows.shape, np.int64))
    longest = np.count_nonzero(rows, axis=1).max()  # by so much, rounding may move the likeliest
    assert np.abs(again.astype(int) - stored.astype(int)).max() <= longest


def test_frequencies_follow_counts_and_the_formula_counts_as_some_symbols():
    rows = read_logistic_tables(make_hurdle_tables()).freqs
    counts = np.zeros(rows.shape, np.int64)
    counts[500, :3] = 10_000, 20_000, 70_000
    counts[501, 1] = PRIOR_COUNT
    again = read_logistic_tables(with_counts(rows, counts)).freqs / 2**TOTAL_BITS
    assert np.array_equal(again > 0, rows > 0)
    assert again[500, :3] == pytest.approx([0.1, 0.2, 0.7], abs=0.01)
    assert again[501, 1] == pytest.approx(0.5 + rows[501, 1] / 2 / 2**TOTAL_BITS, abs=1e-3)
    assert HurdleCoding(with_counts(rows, counts), 31).tables.freqs.shape == rows.shape
