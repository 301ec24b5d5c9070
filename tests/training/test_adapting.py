"""Fitting of a finished model to files of one kind: what changes, what stays, and when it ends."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import noise_clip, noise_picture, tiny_model_path
from torch import nn
from training_recipes import AUDIO, IMAGE

from vqcodec.codec.loading import read_model
from vqcodec.codec.model_file import read_model_file, write_model_file
from vqcodec.errors import InputError, UsageError
from vqcodec.signals.files import write_signal
from vqcodec.training.adapt.bank import CROPS, SPANS, IndexBank
from vqcodec.training.adapt.budget import Budget
from vqcodec.training.adapt.command import adapt_model
from vqcodec.training.adapt.domain import split_domain
from vqcodec.training.adapt.fitting import CHECKS, COOLDOWN_SHARE, PATIENCE, Fitting, fit
from vqcodec.training.adapt.model import write_fitted
from vqcodec.training.start import module_of_file


def ticking(step_s=1.0):
    """A clock that goes on by itself, so that tests do not depend on the machine."""
    seconds = itertools.count()
    return lambda: step_s * next(seconds)


@pytest.fixture(autouse=True)
def fast_learning(monkeypatch):
    """Tiny models learn in few steps."""
    monkeypatch.setattr("vqcodec.training.adapt.prior.LEARNING_RATES", {1: 5e-3, 2: 5e-3})


@pytest.fixture
def pictures(tmp_path):
    """Ten small pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(10):
        with (folder / f"{number}.png").open("wb") as file:
            write_signal(noise_picture(70 + 5 * number, 64, seed=number), file, "PNG")
    return folder


@pytest.fixture
def sounds(tmp_path):
    """Six short sounds."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number in range(6):
        with (folder / f"{number}.wav").open("wb") as file:
            write_signal(noise_clip(6000 + 500 * number, seed=number), file, "WAV")
    return folder


def model_with_recipe(name, recipe, folder):
    """Write a tiny model with a recipe in its card, and return its path."""
    file = read_model_file(tiny_model_path(name))
    path = folder / f"{name}.safetensors"
    card = {"recipe": recipe, "licence": "CC0"}
    write_model_file(path, name=name, tables=file.tables, tensors=file.tensors, card=card)
    return path


def same_tensors(one, other, prefix):
    parts = one.part(prefix), other.part(prefix)
    return parts[0].keys() == parts[1].keys() and all(
        np.array_equal(parts[0][name], parts[1][name]) for name in parts[0]
    )


def test_a_fitted_prior_needs_fewer_bytes_and_decodes_its_own_streams(pictures, tmp_path):
    adapted = adapt_model(
        data=[pictures],
        model=str(tiny_model_path("image")),
        part="prior",
        minutes=1.5,
        clock=ticking(),
    )
    assert adapted.gained
    assert adapted.file.fingerprint != adapted.base.fingerprint
    assert same_tensors(adapted.file, adapted.base, "decoder.")
    assert same_tensors(adapted.file, adapted.base, "quantizer.")
    path = tmp_path / "mine.safetensors"
    assert (
        write_fitted(path, adapted.file, name="mine", card=adapted.card())
        == read_model(path).fingerprint
    )
    model, picture = read_model(path), noise_picture(80, 50, seed=99)
    assert model.decompress(model.compress(picture)).pixels.shape == picture.pixels.shape
    assert model.card["adapted_parts"] == ["prior"]


def test_a_fitted_decoder_keeps_the_fingerprint_and_the_streams(sounds, tmp_path):
    path = model_with_recipe("speech", AUDIO, tmp_path)
    adapted = adapt_model(
        data=[sounds], model=str(path), part="decoder", minutes=0.3, clock=ticking()
    )
    assert adapted.file.fingerprint == adapted.base.fingerprint
    for prefix in ("encoder.", "quantizer.", "prior.", "graph."):
        assert same_tensors(adapted.file, adapted.base, prefix)
    assert not same_tensors(adapted.file, adapted.base, "decoder.")
    assert [r.size_bytes for r in adapted.before] == [r.size_bytes for r in adapted.after]


def test_prior_and_decoder_are_fitted_one_after_the_other(sounds, tmp_path):
    path = model_with_recipe("speech", AUDIO, tmp_path)
    adapted = adapt_model(data=[sounds], model=str(path), part="both", minutes=0.6, clock=ticking())
    assert list(adapted.fits) == ["prior", "decoder"]
    assert same_tensors(adapted.file, adapted.base, "encoder.")
    for prefix in ("decoder.", "prior."):
        assert not same_tensors(adapted.file, adapted.base, prefix)


def test_a_fitting_that_gets_no_time_changes_nothing(sounds, tmp_path):
    path = model_with_recipe("speech", AUDIO, tmp_path)
    adapted = adapt_model(
        data=[sounds], model=str(path), part="both", minutes=0.05, clock=ticking(10)
    )
    assert [fitted.steps for fitted in adapted.fits.values()] == [0, 0]
    assert adapted.file.fingerprint == adapted.base.fingerprint
    assert not adapted.gained


def test_everything_is_fitted_together_and_then_the_prior_again(pictures, tmp_path):
    path = model_with_recipe("image", IMAGE, tmp_path)
    adapted = adapt_model(
        data=[pictures], model=str(path), part="all", minutes=0.6, clock=ticking()
    )
    assert list(adapted.fits) == ["all", "prior"]
    for prefix in ("encoder.", "decoder.", "quantizer.", "prior."):
        assert not same_tensors(adapted.file, adapted.base, prefix)
    assert same_tensors(adapted.file, adapted.base, "graph.")
    assert adapted.card()["licence"] == "CC0"


@pytest.mark.parametrize("name", ["residual-speech", "histogram-speech"])
def test_codebooks_are_fitted_if_their_prior_is_learnt(sounds, name):
    fitting = {"data": [sounds], "model": str(tiny_model_path(name)), "part": "prior"}
    if name.startswith("histogram"):
        with pytest.raises(UsageError, match="not learnt"):
            adapt_model(**fitting, minutes=1)
    else:
        adapted = adapt_model(**fitting, minutes=2, clock=ticking())
        assert adapted.fits["prior"].after < adapted.fits["prior"].before


def test_bad_files_are_found_before_the_fitting_begins(pictures, tmp_path, capsys):
    (pictures / "bad.png").write_bytes(b"no picture")
    settings = {"data": [pictures], "model": str(tiny_model_path("image")), "part": "prior"}
    with pytest.raises(InputError, match="1 of 11 inputs"):
        adapt_model(**settings, minutes=100)
    adapted = adapt_model(**settings, minutes=0.5, skip_bad=True, clock=ticking())
    assert "bad.png" in capsys.readouterr().err
    domain = adapted.domain
    assert len(domain.train + domain.stopping + domain.judged) == 10


def test_networks_cannot_be_fitted_without_a_recipe(pictures):
    with pytest.raises(UsageError, match="no recipe"):
        adapt_model(data=[pictures], model=str(tiny_model_path("image")), part="all", minutes=1)


def test_a_split_has_three_parts_that_do_not_overlap():
    files = [Path(f"{number}.png") for number in range(100)]
    domain = split_domain(files, seed=3)
    assert (len(domain.judged), len(domain.stopping)) == (10, 5)
    assert sorted(domain.train + domain.stopping + domain.judged) == sorted(files)
    assert split_domain(files[::-1], seed=3) == domain
    assert split_domain(files, seed=4) != domain
    assert {len(part) for part in vars_of(split_domain(files[:3], 0))} == {1}
    with pytest.raises(UsageError, match="2 files"):
        split_domain(files[:2], 0)


def vars_of(domain):
    return domain.train, domain.stopping, domain.judged


class Constant(Fitting):
    """Never gets better."""

    learning_rate = 0.1

    def __init__(self):
        self.module = nn.Linear(1, 1)

    def loss(self, generator):  # noqa: ARG002
        return self.module.weight.sum()

    def held_out(self):
        return 1.0


class Worse(Constant):
    """Gets worse with every step."""

    def held_out(self):
        return -float(self.module.weight.detach().sum())


class Interrupted(Constant):
    """Receives Ctrl-C in the third step."""

    calls = 0

    def loss(self, generator):
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().loss(generator)


def test_a_fitting_ends_when_held_out_bits_no_longer_fall():
    fitted = fit(Constant(), Budget(10_000, ticking()), seed=0)
    plateau = (PATIENCE + 1) / CHECKS * 10_000  # the first check may be a gain
    assert plateau < fitted.seconds < 1.1 * (1 + COOLDOWN_SHARE) * plateau


def test_the_best_weights_are_kept():
    fitting = Worse()
    before = fitting.module.weight.detach().clone()
    fitted = fit(fitting, Budget(1_000, ticking()), seed=0)
    assert fitted.after == fitted.before
    assert torch.equal(fitting.module.weight, before)


def test_an_interruption_ends_the_fitting_early():
    fitted = fit(Interrupted(), Budget(10_000, ticking()), seed=0)
    assert fitted.interrupted
    assert fitted.steps == 2


def bank_of(name):
    file = read_model_file(tiny_model_path(name))
    module = module_of_file(file)
    return IndexBank(read_model(tiny_model_path(name)).parts, module["autoencoder"].quantizer)


def test_a_bank_holds_the_indices_of_streams(audio_model):
    bank = bank_of("speech")
    clip = noise_clip(5000)
    bank.add(clip, audio_model.rate_of(5))
    (stored,) = bank.entries
    assert np.array_equal(stored.indices, audio_model.encode(clip, quality=5))


def test_a_batch_says_which_positions_are_known():
    bank = bank_of("residual-speech")
    bank.add(noise_clip(32 * 20), 2)
    bank.add(noise_clip(32 * 400), 4)
    batch = bank.batch(40 * CROPS[1], np.random.default_rng(0))
    assert batch.indices.shape == (40, 4, CROPS[1])
    lengths = batch.known.sum(dim=(1, 2))
    for length, rate, indices in zip(lengths, batch.rate, batch.indices, strict=True):
        assert length == (CROPS[1] if rate == 4 else bank.entries[0].indices.shape[1])
        assert rate == 4 or not indices[2:, : int(length)].any()


def test_large_files_are_encoded_in_part():
    bank = bank_of("image")
    bank.add(noise_picture(16 * (SPANS[2] + 9), 40), 100, np.random.default_rng(0))
    assert bank.entries[0].indices.shape[1:] == (3, SPANS[2])


def test_files_without_samples_are_refused(tmp_path):
    bank = bank_of("speech")
    path = tmp_path / "empty.wav"
    with path.open("wb") as file:
        write_signal(noise_clip(0), file, "WAV")
    with pytest.raises(InputError, match="no samples"):
        bank.fill([path], Budget(10, ticking()), np.random.default_rng(0))
