"""A larger network that starts from a smaller one computes the same, or better."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from training_recipes import IMAGE

from vqcodec.networks.precision import in_full_precision
from vqcodec.networks.priors.plane import PlanePriorNetwork
from vqcodec.priors.config import PlanePriorConfig
from vqcodec.priors.order import known_taps
from vqcodec.training import grow
from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions
from vqcodec.training.grow import grow_weights, in_phases_of, prior_can_grow
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.state import CHECKPOINT, save_state

WIDER = {
    "fine_width": IMAGE.replace("fine_width = 8", "fine_width = 11"),
    "coarse_width": IMAGE.replace("coarse_width = 8", "coarse_width = 13"),
    "units": IMAGE.replace("fine_units = 1", "fine_units = 2").replace(
        "coarse_units = 1", "coarse_units = 3"
    ),
    "prior width": IMAGE.replace("groups = [4, 8]\nwidth = 8", "groups = [4, 8]\nwidth = 12"),
    "more phases": IMAGE.replace(
        "groups = [4, 8]\nwidth = 8",
        "groups = [4, 8]\nwidth = 8\nfirst_period = 4\nfirst_kernel_size = 5",
    ),
    "gates": IMAGE.replace("coarse_units = 1", "coarse_units = 1\ngated = true"),
}
MORE_LATENTS = IMAGE.replace("dim = 12", "dim = 30").replace("[4, 8]", "[4, 8, 18]")


@pytest.fixture(autouse=True)
def few_patches(monkeypatch):
    monkeypatch.setattr(grow, "NUM_PATCHES", 800)


@pytest.fixture
def begin(tmp_path, data_folder):
    """Return a training of a recipe, begun from a source."""

    def make(text, source=None):
        options = TrainingOptions(run=tmp_path, data=[data_folder], start_from=source)
        training = AutoencoderTraining(parse_recipe(text), options, joint=True)
        training.begin()
        training.module.eval()
        return training

    return make


@pytest.fixture
def source(tmp_path, begin):
    """A run whose weights are all far from zero."""
    training = begin(IMAGE)
    for name, weight in training.module.named_parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.02 if "head" in name else 0.05)
    training.average.load(training.module.state_dict())
    folder = tmp_path / "source"
    folder.mkdir()
    save_state(folder / CHECKPOINT, {
        "module": training.module.state_dict(), "average": training.average.values
    })  # fmt: skip
    return training, str(folder)


def outputs(training):
    """Reconstructions that are not quantized, and the costs of the first 12 codebooks' indices."""
    generator = np.random.default_rng(5)
    signal = training.dataset.signals(6, generator)
    position = torch.linspace(0, 1, 6)
    indices = torch.from_numpy(generator.integers(50, 76, (6, 12, 3, 5)))
    missing = training.autoencoder.quantizer.num_codebooks - 12
    whole = torch.cat([indices, indices.new_full((6, missing, 3, 5), 63)], dim=1)
    with torch.no_grad(), in_full_precision(training.module):
        latents = training.autoencoder.encoder(signal, position)
        reconstruction = training.autoencoder.decoder(latents, position)
        bits = training.prior.bits(whole, position)[:, :12]
    return signal, reconstruction, bits


@pytest.mark.parametrize("text", WIDER.values(), ids=list(WIDER))
def test_wider_and_deeper_networks_compute_the_same(begin, source, text):
    training, folder = source
    (_, before, bits), (_, after, grown_bits) = outputs(training), outputs(begin(text, folder))
    assert torch.allclose(after, before, atol=1e-5)
    assert torch.allclose(grown_bits, bits, atol=1e-4)


@pytest.mark.parametrize("text", [*WIDER.values(), MORE_LATENTS], ids=[*WIDER, "latents"])
def test_all_new_weights_learn(begin, source, text):
    old, folder = source
    training, smaller = begin(text, folder), dict(old.module.named_parameters())
    training.module.train()
    before = {name: weight.clone() for name, weight in training.module.named_parameters()}
    for _ in range(4):
        training.train_step()
    for name, weight in training.module.named_parameters():
        changed = weight != before[name]
        if name in smaller:  # what was there before does not count
            changed[tuple(slice(0, size) for size in smaller[name].shape)] = False
            if weight.shape == smaller[name].shape:
                continue
        assert changed.any(), name


def test_more_latents_reduce_the_error(begin, source):
    training, folder = source
    signal, before, bits = outputs(training)
    grown = begin(MORE_LATENTS, folder)
    _, after, grown_bits = outputs(grown)
    assert torch.allclose(grown_bits, bits, atol=1e-4)  # of the old ones, which come first
    finest = slice(3, None)  # the regression is of what the finest rate leaves
    errors = [(x - signal)[finest].square().mean() for x in (before, after)]
    assert errors[1] < 0.7 * errors[0]
    gains = grown.autoencoder.quantizer.log_gain
    assert torch.equal(gains[:, :12], training.autoencoder.quantizer.log_gain)
    assert gains.isfinite().all()


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("size", [3, 5, 7, 9])
@pytest.mark.parametrize("square", [(1, 3), (2, 3), (4, 5), (8, 5)])
def test_contexts_in_phases_of_frames_are_left_as_they_are(period, size, square):
    def context_of(cell, kernel):
        return {
            "prior.predictors.0.context": torch.randn(8, int(known_taps(cell, kernel).sum()), 2),
            "prior.predictors.0.phase_bias": torch.randn(cell[0] * cell[1], 8),
        }

    of_frames = context_of((period, 1), (size, 1))
    of_cells = context_of((square[0],) * 2, (square[1],) * 2)
    for one, other in ((of_cells, of_frames), (of_frames, of_cells)):
        kept = in_phases_of(one, other)
        assert all(torch.equal(kept[name], weight) for name, weight in other.items())


@pytest.mark.parametrize("magnitudes", [False, True])
@pytest.mark.parametrize("narrow", [False, True])
def test_wider_priors_of_planes_compute_the_same(narrow, magnitudes):
    def network(width, starts=(0, 1, 2, 4)):
        config = PlanePriorConfig(
            groups=(2, 1, 4, 4),
            period=2,
            frame_period=4 if magnitudes else None,
            width=width,
            num_bands=6,
            num_exact=2,
            starts=starts,
            magnitudes=magnitudes,
            narrow_updates=narrow,
        )
        found = PlanePriorNetwork(config, (31,) * 66).eval()
        for weight in found.parameters():
            nn.init.normal_(weight, std=0.3)
        return found

    indices, rate = torch.randint(12, 19, (2, 66, 9)), torch.tensor([0.2, 0.7])
    small, large = network(8), network(11)
    found = {f"prior.{name}": weight for name, weight in small.state_dict().items()}
    own = {f"prior.{name}": weight for name, weight in large.state_dict().items()}
    assert prior_can_grow(own, found)
    assert not prior_can_grow(found, own)
    more_slots = network(11, (0, 1, 2, 3, 4)).state_dict()
    assert not prior_can_grow({f"prior.{name}": w for name, w in more_slots.items()}, found)
    grown = {name.removeprefix("prior."): w for name, w in grow_weights(own, found).items()}
    large.load_state_dict(grown)
    with torch.no_grad(), in_full_precision(small), in_full_precision(large):
        assert torch.allclose(large.bits(indices, rate), small.bits(indices, rate), atol=1e-4)


def test_a_prior_with_other_groups_is_initialised_anew(begin, source):
    grown = begin(IMAGE.replace("[4, 8]", "[6, 6]"), source[1])
    heads = [predictor.head.weight for predictor in grown.prior.predictors]
    assert not any(head.any() for head in heads)
    assert torch.equal(grown.prior.rate_state, source[0].prior.rate_state)
