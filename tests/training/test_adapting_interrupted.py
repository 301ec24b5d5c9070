"""Ctrl-C in `train adapt`, at every place: what is kept, what is left out, and what ends it."""

from __future__ import annotations

import itertools
import signal

import pytest
from tiny import noise_clip, tiny_model_path
from training_recipes import AUDIO

from vqcodec.codec.model_file import read_model_file, write_model_file
from vqcodec.signals.files import write_signal
from vqcodec.training.adapt import command
from vqcodec.training.adapt.command import QUALITIES, adapt_model
from vqcodec.training.adapt.interruption import Interruption
from vqcodec.training.adapt.networks import NetworksFitting
from vqcodec.training.adapt.prior import PriorFitting


@pytest.fixture
def adapt(tmp_path, monkeypatch):
    """Fit the prior, then the decoder, of a tiny model with a recipe."""
    monkeypatch.setattr("vqcodec.training.adapt.prior.LEARNING_RATES", {1: 5e-3, 2: 5e-3})
    for number in range(4):
        with (tmp_path / f"{number}.wav").open("wb") as file:
            write_signal(noise_clip(3000 + 500 * number, seed=number), file, "WAV")
    file = read_model_file(tiny_model_path("speech"))
    path, card = tmp_path / "speech.safetensors", {"recipe": AUDIO}
    write_model_file(path, name="speech", tables=file.tables, tensors=file.tensors, card=card)

    def run(**options):
        told, seconds = [], itertools.count()
        interruption = Interruption(lambda: told.append(True))
        settings = {"part": "both", "minutes": 1.5, "interruption": interruption, **options}
        before = signal.getsignal(signal.SIGINT)
        try:
            with interruption.handled():
                adapted = adapt_model(
                    data=[tmp_path], model=str(path), clock=lambda: next(seconds), **settings
                )
        finally:
            assert signal.getsignal(signal.SIGINT) is before
        assert len(told) == 1
        return adapted

    return run


def interrupt_in(monkeypatch, owner, name, call=1):
    """Send Ctrl-C when a function is called for the given time."""
    function, calls = getattr(owner, name), itertools.count(1)

    def interrupted(*arguments, **options):
        if next(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


NOTHING_KEPT = [
    (command, "read_named_file"),
    (command, "split_domain"),
    (command, "PriorFitting"),
    (PriorFitting, "held_out"),
]
PRIOR_KEPT = [
    (PriorFitting, "loss", 9),
    (PriorFitting, "held_out", 9),
    (command, "with_prior"),
    (command, "DecoderFitting"),
    (NetworksFitting, "held_out"),
]
ALL_KEPT = [
    (NetworksFitting, "loss", 5),
    (command, "with_networks"),
    (command, "_records"),
    (command, "judge", 2),
    (command, "gap_percent"),
]


@pytest.mark.parametrize("place", NOTHING_KEPT)
def test_ctrl_c_ends_the_command_before_there_are_weights_to_keep(adapt, monkeypatch, place):
    interrupt_in(monkeypatch, *place)
    with pytest.raises(KeyboardInterrupt):
        adapt()


@pytest.mark.parametrize("place", PRIOR_KEPT)
def test_ctrl_c_keeps_the_prior_and_leaves_out_the_decoder(adapt, monkeypatch, place):
    interrupt_in(monkeypatch, *place)
    adapted = adapt()
    assert list(adapted.fits) == ["prior"]
    assert adapted.fits["prior"].improved
    assert adapted.file.fingerprint != adapted.base.fingerprint
    assert len(adapted.before) == len(adapted.after) == len(QUALITIES)


@pytest.mark.parametrize("place", ALL_KEPT)
def test_ctrl_c_late_keeps_everything_and_the_judgement_goes_on(adapt, monkeypatch, place):
    interrupt_in(monkeypatch, *place)
    adapted = adapt()
    assert list(adapted.fits) == ["prior", "decoder"]
    assert len(adapted.before) == len(adapted.after) == len(QUALITIES)


def test_ctrl_c_keeps_what_was_fitted_together_and_leaves_out_the_prior(adapt, monkeypatch):
    interrupt_in(monkeypatch, command, "PriorFitting")
    adapted = adapt(part="all")
    assert list(adapted.fits) == ["all"]
    assert adapted.file.fingerprint != adapted.base.fingerprint


@pytest.mark.parametrize("first", [*PRIOR_KEPT, *ALL_KEPT[:3]])
def test_a_second_ctrl_c_ends_the_command(adapt, monkeypatch, first):
    interrupt_in(monkeypatch, *first)
    interrupt_in(monkeypatch, command, "gap_percent")
    with pytest.raises(KeyboardInterrupt):
        adapt()


def test_ctrl_c_that_waits_for_an_import_is_counted_once():
    waits = [True, False]

    def later(number, frame):
        if not waits.pop(0):
            signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, later)
    interruption = Interruption()
    try:
        with interruption.handled():
            interruption.keep()
            with interruption.ends_block():
                signal.raise_signal(signal.SIGINT)
                assert not interruption.asked
                signal.raise_signal(signal.SIGINT)
                pytest.fail("not interrupted")
            assert interruption.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption().handled():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
