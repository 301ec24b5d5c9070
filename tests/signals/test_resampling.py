"""Resampling block by block gives the same result as at once."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from vqcodec.signals import resampling
from vqcodec.signals.resampling import reach_of, resample, resample_blocks
from vqcodec.signals.sound import AudioClip, ForwardReader

RATES = [
    (48_000, 16_000),
    (16_000, 44_100),
    (16_000, 16_000),
    (44_101, 16_000),
    (16_000, 47_999),
    (768_000, 16_000),
    (16_000, 768_000),
]


def noise(num_samples, num_channels=2):
    generator = np.random.default_rng([num_samples, num_channels])
    return generator.uniform(-1, 1, (num_channels, num_samples)).astype(np.float32)


def noise_at(rates):
    """Return noise whose samples, old and new, are few enough for a test."""
    return noise(min(60_000, 300_000 * rates[0] // rates[1]))


def cut(waveform, seed):
    """Yield a waveform in parts of any length, none included."""
    edges = np.random.default_rng(seed).integers(0, waveform.shape[1] + 1, 30)
    yield from np.split(waveform, np.sort(edges), axis=1)


@pytest.mark.parametrize("rates", RATES)
def test_blocks_of_any_length_give_the_same_samples(rates):
    waveform = noise_at(rates)
    whole = resample(waveform, *rates)
    parts = resample_blocks(cut(waveform, 0), 2, *rates, range(whole.shape[1]))
    assert np.array_equal(np.concatenate(list(parts), axis=1), whole)


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("share", [(1 / 3, 1 / 2), (0, 1e-3), (0.9, 1)])
def test_a_part_needs_only_its_reach_and_equals_that_of_the_whole(rates, share, monkeypatch):
    monkeypatch.setattr(resampling, "BLOCK", 4000)
    waveform = noise_at(rates)
    whole = resample(waveform, *rates)
    wanted = range(*(round(edge * whole.shape[1]) for edge in share))
    first = max(0, wanted.start * rates[0] // rates[1] - reach_of(*rates))
    stop = -(-wanted.stop * rates[0] // rates[1]) + reach_of(*rates)
    parts = resample_blocks(cut(waveform[:, first:stop], 1), 2, *rates, wanted, first)
    found = np.concatenate([np.zeros((2, 0)), *parts], axis=1)
    assert np.array_equal(found, whole[:, wanted.start : wanted.stop])


@pytest.mark.parametrize("rates", RATES)
def test_stretches_join_without_a_seam(rates, monkeypatch):
    waveform = noise_at(rates)
    at_once = resample(waveform, *rates)
    monkeypatch.setattr(resampling, "BLOCK", 4000)
    assert np.allclose(resample(waveform, *rates), at_once, rtol=0, atol=3e-6)


@pytest.mark.parametrize("rates", RATES)
def test_a_tone_stays_in_place_up_to_95_per_cent_of_the_lower_band(rates):
    num_samples = 3 * rates[0] // 2
    frequency = 0.95 * min(rates) / 2
    tones = [
        np.sin(2 * np.pi * frequency / rate * np.arange(num_samples * rate // rates[0]))
        for rate in rates
    ]
    resampled = resample(tones[0][None].astype(np.float32), *rates)[0, : len(tones[1])]
    middle = slice(len(resampled) // 3, -len(resampled) // 3)
    assert np.abs(resampled - tones[1])[middle].max() < 2e-3  # -54 dB


@pytest.mark.parametrize("rates", [rates for rates in RATES if rates[0] > rates[1]])
@pytest.mark.parametrize("share", [1.01, 1.1, 1.9])
def test_frequencies_above_the_new_band_are_below_90_db(rates, share):
    phase = np.pi * share * rates[1] / rates[0] * np.arange(3 * rates[0] // 2)
    aliased = resample(np.sin(phase)[None].astype(np.float32), *rates)[0]
    middle = slice(len(aliased) // 3, -len(aliased) // 3)
    assert np.abs(aliased[middle]).max() < 10 ** (-90 / 20)


def test_a_constant_keeps_its_value_and_fades_into_silence_at_the_edges():
    resampled = resample(np.ones((1, 30_000), np.float32), 48_000, 16_000)[0]
    assert np.allclose(resampled[600:-600], 1, rtol=0, atol=1e-5)
    assert resampled[0] == pytest.approx(0.5, abs=0.2)


def test_memory_does_not_grow_with_the_length():
    def blocks(count):
        for _ in range(count):
            yield np.zeros((1, 10_000), np.float32)

    peaks = []
    for count in (50, 400):
        tracemalloc.start()
        num_samples = count * 10_000 * 441 // 160
        for _ in resample_blocks(blocks(count), 1, 16_000, 44_100, range(num_samples)):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_resampling_does_not_import_torch():
    code = (
        "import sys, numpy; from vqcodec.signals.resampling import resample\n"
        "resample(numpy.zeros((1, 9), numpy.float32), 3, 2); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_reader_gives_silence_around_the_blocks():
    read = ForwardReader(cut(noise(100, 1), 2), 1)
    assert not read(-7, -2).any()
    assert np.array_equal(read(-3, 2), np.pad(noise(100, 1)[:, :2], ((0, 0), (3, 0))))
    assert np.array_equal(read(0, 60), noise(100, 1)[:, :60])
    assert np.array_equal(read(50, 120), np.pad(noise(100, 1)[:, 50:], ((0, 0), (0, 20))))
    assert np.array_equal(read(130, 140), np.zeros((1, 10)))


def test_a_reader_keeps_only_samples_that_can_still_be_read():
    waveform = noise(1 << 18, 1)
    read = ForwardReader(AudioClip(waveform, 16_000).blocks(), 1)
    for start in range(0, waveform.shape[1], 5000):
        assert np.array_equal(read(start, start + 10), waveform[:, start : start + 10])
        assert read._held.nbytes < 1 << 19


def test_a_long_block_is_not_copied_for_every_read():
    read = ForwardReader(iter([noise(5000, 1)]), 1)
    read(0, 10)
    held = read._held
    read(10, 20)
    assert np.shares_memory(read._held, held)
