"""Words are counted as edit distances, and scored for each way of speaking."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import speakers
from tiny import load_tiny_model, noise_clip


@pytest.mark.parametrize(
    ("reference", "found", "errors"),
    [
        ("", "", 0),
        ("a b c", "a b c", 0),
        ("a b c", "", 3),
        ("", "a b", 2),
        ("a b c", "a x c", 1),
        ("a b c", "b c", 1),
        ("a b c", "a b b c", 1),
        ("a b c d", "d a b c", 2),
    ],
)
def test_word_errors_are_edit_distances(reference, found, errors):
    assert speakers.word_errors(reference.split(), found.split()) == errors


class Recogniser:
    """Hears two words in an original, and one of them in what was decoded."""

    def __init__(self, originals):
        self._originals = originals

    def words(self, clip):
        return ["one", "two"] if any(clip is original for original in self._originals) else ["one"]


def test_every_way_of_speaking_is_scored(monkeypatch):
    monkeypatch.setattr(speakers, "embedding_of", embedding)
    monkeypatch.setattr(speakers, "stoi", lambda original, decoded: 0.5)  # noqa: ARG005
    halves = [(noise_clip(9_000, seed=n), noise_clip(9_000, seed=n + 9)) for n in range(3)]
    recogniser = Recogniser([first for first, _ in halves])
    found = speakers.measure(load_tiny_model("voices"), halves, 5.0, 2, recogniser)
    assert (found["n"], found["pairs"]) == (3, 6)
    spoken = found["spoken_as"]
    assert set(spoken) == {"original", "nobody", "itself", "target"}
    assert "word_error" not in spoken["original"]
    assert all(spoken[name]["word_error"] == 0.5 for name in ("nobody", "itself", "target"))
    assert 0 <= spoken["target"]["nearer"] <= 1


def embedding(waveform):
    """A vector that depends on the sound."""

    assert waveform.dtype == np.float32
    return functional.normalize(
        torch.from_numpy(waveform[:8_000].reshape(8, -1).std(axis=1)), dim=0
    )
