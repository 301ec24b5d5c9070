"""Resampling block by block: the same as in one go."""

import numpy as np
import pytest

from vqcodec.signals import resampling
from vqcodec.signals.resampling import reach_of, resample, resample_blocks
from vqcodec.signals.sound import AudioClip, ForwardReader

RATES = [(48_000, 16_000), (16_000, 44_100), (16_000, 16_000), (44_101, 16_000), (16_000, 47_999)]


def noise(num_samples, num_channels=2):
    generator = np.random.default_rng([num_samples, num_channels])
    return generator.uniform(-1, 1, (num_channels, num_samples)).astype(np.float32)


def cut(waveform, seed):
    """Yield a waveform in parts of any length, none included."""
    edges = np.random.default_rng(seed).integers(0, waveform.shape[1] + 1, 30)
    yield from np.split(waveform, np.sort(edges), axis=1)


@pytest.mark.parametrize("rates", RATES)
def test_blocks_of_any_length_give_the_same_samples(rates, monkeypatch):
    waveform = noise(20_000)
    whole = resample(waveform, *rates)
    monkeypatch.setattr(resampling, "BLOCK", 1000)
    parts = resample_blocks(cut(waveform, 0), 2, *rates, range(whole.shape[1]))
    assert np.allclose(np.concatenate(list(parts), axis=1), whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("rates", RATES)
def test_a_part_needs_no_more_than_its_reach(rates):
    waveform = noise(20_000)
    whole = resample(waveform, *rates)
    wanted = range(whole.shape[1] // 3, whole.shape[1] // 2)
    first = wanted.start * rates[0] // rates[1] - reach_of(*rates)
    stop = -(-wanted.stop * rates[0] // rates[1]) + reach_of(*rates)
    parts = resample_blocks(cut(waveform[:, first:stop], 1), 2, *rates, wanted, first)
    found = np.concatenate(list(parts), axis=1)
    assert np.allclose(found, whole[:, wanted.start : wanted.stop], rtol=0, atol=2e-6)


def test_both_ways_of_resampling_agree(monkeypatch):
    waveform = noise(5000)
    by_filters = resample(waveform, 48_000, 16_000)
    monkeypatch.setattr(resampling, "_MAX_FILTER_TERMS", 0)
    assert np.allclose(resample(waveform, 48_000, 16_000), by_filters, rtol=0, atol=5e-5)


def test_a_reader_gives_silence_around_the_blocks():
    read = ForwardReader(cut(noise(100, 1), 2), 1)
    assert not read(-7, -2).any()
    assert np.array_equal(read(-3, 2), np.pad(noise(100, 1)[:, :2], ((0, 0), (3, 0))))
    assert np.array_equal(read(0, 60), noise(100, 1)[:, :60])
    assert np.array_equal(read(50, 120), np.pad(noise(100, 1)[:, 50:], ((0, 0), (0, 20))))
    assert np.array_equal(read(130, 140), np.zeros((1, 10)))


def test_a_reader_keeps_only_what_may_still_be_asked_for():
    waveform = noise(1 << 18, 1)
    read = ForwardReader(AudioClip(waveform, 16_000).blocks(), 1)
    for start in range(0, waveform.shape[1], 5000):
        assert np.array_equal(read(start, start + 10), waveform[:, start : start + 10])
        assert read._held.nbytes < 1 << 19
