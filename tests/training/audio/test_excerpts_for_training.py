"""Training excerpts of recordings."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.errors import ConfigError
from vqcodec.training.audio.dataset import AudioDataConfig, AudioExcerpts
from vqcodec.training.audio.pairs import PairDataConfig
from vqcodec.training.audio.recordings import HeldRecordings

LENGTH = 800
SAMPLE_RATE = 16_000


def excerpts(recordings, speakers=None, **config):
    held = HeldRecordings({f"{n}.wav": r[None] for n, r in enumerate(recordings)})
    return AudioExcerpts(held, AudioDataConfig(**config), LENGTH, SAMPLE_RATE, speakers)


def mostly_silent():
    """A recording of which a tenth is not silent."""
    recording = np.zeros(100_000, np.int16)
    recording[40_000:50_000] = np.random.default_rng(0).integers(-9000, 9000, 10_000)
    return recording


def share_of_quiet(dataset):
    batch = dataset.signals(300, np.random.default_rng(1))
    return float((batch.square().mean(dim=(1, 2)) < 1e-5).float().mean())


@pytest.mark.parametrize("config", [AudioDataConfig, PairDataConfig])
@pytest.mark.parametrize(
    ("gains", "message"),
    [
        ({"lowest_gain_db": float("nan")}, "data.lowest_gain_db: nan is not -100.0 … 100.0"),
        ({"highest_gain_db": float("inf")}, "data.highest_gain_db: inf is not"),
        ({"lowest_gain_db": 5.5}, "data.lowest_gain_db: 5.5 is above highest_gain_db"),
    ],
)
def test_gains_that_no_excerpt_can_have_are_refused(config, gains, message):
    with pytest.raises(ConfigError, match=message):
        config(**gains)


def test_pauses_are_mostly_passed_over():
    kept = share_of_quiet(excerpts([mostly_silent()], quiet_share=1.0, mix_share=0))
    passed_over = share_of_quiet(excerpts([mostly_silent()], quiet_share=0.0, mix_share=0))
    assert kept > 0.8
    assert passed_over < 0.6


def test_silent_and_short_recordings_are_taken_as_they_are():
    recordings = [np.zeros(5 * LENGTH, np.int16), np.full(10, 100, np.int16)]
    batch = excerpts(recordings).signals(8, np.random.default_rng(0))
    assert batch.shape == (8, 1, LENGTH)
    assert batch.isfinite().all()


def test_the_same_generator_draws_the_same_excerpts():
    dataset = excerpts([mostly_silent()])
    first, second = (dataset.signals(4, np.random.default_rng(5)) for _ in range(2))
    assert first.equal(second)
    assert first.equal(dataset.batch(4, np.random.default_rng(5)).signal)


def test_recordings_are_of_the_speakers_in_the_excerpts():
    recordings = [np.full(5 * LENGTH, value, np.int16) for value in (9000, 5000, -9000, -5000)]
    speakers = ["anna", "anna", "bert", "bert"]
    dataset = excerpts(recordings, speakers, mix_share=0, speed_share=0, recording_s=0.5)
    batch = dataset.batch(32, np.random.default_rng(0))
    assert batch.recording is not None
    assert batch.recording.shape == (32, 1, SAMPLE_RATE // 2)
    middle = (slice(None), 0, 100)
    assert (batch.recording[middle] > 0).equal(batch.signal[middle] > 0)
    assert len(batch.recording[middle].unique()) == 4
    assert batch.source is batch.signal


def test_only_the_encoder_gets_a_disguise():
    recordings = [np.random.default_rng(0).integers(-9000, 9000, 9000).astype(np.int16)]
    plain, disguised = (
        excerpts(recordings, formant_change=change).batch(4, np.random.default_rng(0))
        for change in (0, 0.3)
    )
    assert disguised.source.shape == disguised.signal.shape
    assert disguised.signal[0].equal(plain.signal[0])
    assert not disguised.source[0].allclose(plain.source[0], atol=0.01)


@pytest.mark.parametrize(
    "config",
    [
        {"frames": 3},
        {"speed_change": 0.9},
        {"quiet_share": 1.5},
        {"formant_change": -0.1},
        {"recording_s": 0.1},
    ],
)
def test_impossible_settings_are_refused(config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        AudioDataConfig(**config)
