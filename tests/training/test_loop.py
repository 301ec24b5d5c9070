"""The loop of a training."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from vqcodec.errors import ConfigError, InputError
from vqcodec.training.loop import TrainingLoop


class Counting(TrainingLoop):
    """Makes steps that do nothing, and notes at which of them it saves."""

    compiled = False

    def __init__(self, run):
        self.step, self.saved, self.now_s = 0, [], 0.0
        self.schedule = SimpleNamespace(steps=1_000)
        self.dataset = self.loader = self.log = SimpleNamespace(
            describe=str, close=int, note=print, report=lambda *_: None, path=run / "log.jsonl"
        )

    def begin(self):
        pass

    def train_step(self):
        self.step += 1
        self.now_s += 7
        return {}

    def save(self):
        self.saved.append(self.step)


@pytest.fixture
def loop(monkeypatch, tmp_path):
    loop = Counting(tmp_path)
    monkeypatch.setattr("vqcodec.training.loop.time.monotonic", lambda: loop.now_s)
    monkeypatch.setattr("vqcodec.training.loop.stopping_together", lambda: nullcontext(bool))
    return loop


def test_checkpoints_are_written_after_some_steps_or_some_minutes(loop):
    loop.save_every = 10
    loop.run_to(40)
    assert loop.saved == [10, 20, 30, 40]
    loop.save_every, loop.saved = 500, []
    loop.run_to(130)  # and at the end
    assert loop.saved == [40 + 43, 40 + 86, 130]  # 43 steps take 301 s


def test_the_last_steps_are_saved_before_they_are_judged(loop):
    def fail():
        raise RuntimeError("no memory")

    loop.report_held_out = fail
    with pytest.raises(RuntimeError, match="no memory"):
        loop.run_to(7)
    assert loop.saved == [7]


def test_a_file_that_breaks_costs_no_step(loop):
    def train_step():
        if loop.step == 3:
            raise InputError("a.png: damaged")
        return Counting.train_step(loop)

    loop.train_step = train_step
    with pytest.raises(InputError, match=r"a\.png"):
        loop.run_to(7)
    assert loop.saved == [3]


def test_a_training_that_has_diverged_ends_and_keeps_its_last_checkpoint(loop):
    def train_step():
        norm = float("nan") if loop.step >= 12 and loop.step != 20 else 1.0
        return {**Counting.train_step(loop), "gradient_autoencoder": norm}

    loop.train_step = train_step
    with pytest.raises(ConfigError, match="diverged: steps 22 to 71 had no finite gradient"):
        loop.run_to(None)
    assert loop.step == 71
    assert loop.saved == [43]  # after 301 s


def test_a_training_that_makes_no_step_or_fewer_than_asked_says_so(loop, capsys):
    loop.run_to(1_001)
    assert "--steps 1001: the recipe ends at step 1000" in capsys.readouterr().out
    loop.saved = []
    loop.run_to(None)
    assert "step 1000/1000: nothing left to train" in capsys.readouterr().out
    assert loop.saved == []
