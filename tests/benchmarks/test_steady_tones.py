"""The fluctuation of partials."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import steady_tones

from vqcodec.signals.sound import AudioClip


@pytest.mark.parametrize("chord", steady_tones.CHORDS)
def test_the_original_does_not_fluctuate(chord):
    frequencies = steady_tones.alone(chord)
    assert frequencies
    assert steady_tones.fluctuations(steady_tones.tone(chord), frequencies).max() < 0.001


def test_a_tremolo_fluctuates_by_its_depth():
    tone = steady_tones.tone((220.0,))
    times = np.arange(tone.num_samples) / tone.sample_rate
    tremolo = (1 + 0.2 * np.sin(2 * np.pi * 10 * times)).astype(np.float32)
    found = steady_tones.fluctuations(
        AudioClip(tone.waveform * tremolo, tone.sample_rate), [220.0, 440.0]
    )
    assert found == pytest.approx([0.2 / np.sqrt(2)] * 2, rel=0.15)


def test_partials_near_others_are_left_out():
    assert steady_tones.alone((220.0, 270.0))[0] != 220.0


def test_a_lost_partial_is_no_steady_one():
    silence = AudioClip(np.zeros((2, 192_000), np.float32), 48_000)
    assert steady_tones.fluctuations(silence, [220.0]).tolist() == [1.0]
