"""Excerpts of recordings, as training draws them."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.errors import ConfigError
from vqcodec.modalities.audio.dataset import AudioDataConfig, AudioExcerpts

LENGTH = 800


def excerpts(recordings, **config):
    return AudioExcerpts(recordings, AudioDataConfig(**config), LENGTH)


def mostly_silent():
    """A recording of which a tenth is not silent."""
    recording = np.zeros(100_000, np.int16)
    recording[40_000:50_000] = np.random.default_rng(0).integers(-9000, 9000, 10_000)
    return recording


def share_of_quiet(dataset):
    batch = dataset.batch(300, np.random.default_rng(1))
    return float((batch.square().mean(dim=(1, 2)) < 1e-5).float().mean())


def test_pauses_are_mostly_passed_over():
    kept = share_of_quiet(excerpts([mostly_silent()], quiet_share=1.0, mix_share=0))
    passed_over = share_of_quiet(excerpts([mostly_silent()], quiet_share=0.0, mix_share=0))
    assert kept > 0.8
    assert passed_over < 0.6


def test_silent_and_short_recordings_are_taken_as_they_are():
    recordings = [np.zeros(5 * LENGTH, np.int16), np.full(10, 100, np.int16)]
    batch = excerpts(recordings).batch(8, np.random.default_rng(0))
    assert batch.shape == (8, 1, LENGTH)
    assert batch.isfinite().all()


def test_the_same_generator_draws_the_same_excerpts():
    dataset = excerpts([mostly_silent()])
    first, second = (dataset.batch(4, np.random.default_rng(5)) for _ in range(2))
    assert first.equal(second)


@pytest.mark.parametrize("config", [{"frames": 3}, {"speed_change": 0.9}, {"quiet_share": 1.5}])
def test_impossible_settings_are_refused(config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        AudioDataConfig(**config)
