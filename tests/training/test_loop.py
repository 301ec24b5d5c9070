"""The loop of a training."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from vqcodec.training.loop import TrainingLoop


class Counting(TrainingLoop):
    """Makes steps that do nothing, and notes at which of them it saves."""

    compiled = False

    def __init__(self):
        self.step, self.saved, self.now_s = 0, [], 0.0
        self.schedule = SimpleNamespace(steps=1_000)
        self.dataset = self.loader = self.log = SimpleNamespace(
            describe=str, close=int, note=print, report=lambda *_: None
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
def loop(monkeypatch):
    loop = Counting()
    monkeypatch.setattr("vqcodec.training.loop.time.monotonic", lambda: loop.now_s)
    monkeypatch.setattr("vqcodec.training.loop.stopping_together", lambda: nullcontext(bool))
    return loop


def test_checkpoints_are_written_after_some_steps_or_some_minutes(loop):
    loop.save_every = 10
    loop.run_to(40)
    assert loop.saved == [10, 20, 30, 40, 40]  # and at the end
    loop.save_every, loop.saved = 500, []
    loop.run_to(130)
    assert loop.saved == [40 + 43, 40 + 86, 130]  # 43 steps take 301 s
