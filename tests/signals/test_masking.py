"""The model of masking, by the formulas of PEAQ's basic version."""

from __future__ import annotations

import numpy as np
import pytest

from vqcodec.signals.masking import Mask, masking_bands

BANDS = masking_bands(48_000)
NUM_BANDS = len(BANDS.centres_hz)
STEP_BARK = 0.25


def test_bands_are_a_quarter_of_a_bark_from_80_hz_to_18_khz():
    barks = 7 * np.arcsinh(BANDS.centres_hz / 650)
    assert NUM_BANDS == 109
    assert np.diff(barks[:-1]) == pytest.approx(STEP_BARK)
    assert barks[0] - STEP_BARK / 2 == pytest.approx(7 * np.arcsinh(80 / 650))
    width_hz = 2 * np.cosh(barks / 7) * 650 * np.sinh(STEP_BARK / 14)
    assert BANDS.weights.sum(axis=0)[:-1] * 48_000 / 2048 == pytest.approx(width_hz[:-1])


@pytest.mark.parametrize(
    ("number", "expected_db"),
    [(4, -14.4967), (32, -2.6182), (128, 5.1992), (384, -3.1010), (640, -17.3870)],
)
def test_the_ear_hears_3_khz_best(number, expected_db):
    """At 94 Hz, 750 Hz, 3, 9 and 15 kHz; a full-scale sine has 92 dB."""
    assert 20 * np.log10(BANDS.ear[number]) - 92 == pytest.approx(expected_db, abs=1e-3)


def test_the_noise_of_the_inner_ear_falls_with_frequency():
    expected_db = 0.4 * 3.64 * (BANDS.centres_hz / 1000) ** -0.8
    assert 10 * np.log10(BANDS.inner_noise) == pytest.approx(expected_db)


def test_thresholds_are_3_db_below_and_a_quarter_of_a_decibel_a_bark_above_12_bark():
    decibels = 10 * np.log10(BANDS.offsets)
    assert decibels[[0, 24, 48]] == pytest.approx([3, 3, 3])
    assert decibels[[52, 80, 108]] == pytest.approx([3.25, 5.0, 6.75])


def single(band, level_db):
    """The energies of one band alone, [1, B]."""
    energies = np.full((1, NUM_BANDS), 1e-12)
    energies[0, band] = 10 ** (level_db / 10)
    return energies


@pytest.mark.parametrize(("level_db", "up_db"), [(40, -16.154), (80, -8.154)])
def test_a_loud_band_spreads_further_up_and_as_far_down(level_db, up_db):
    band = 40
    assert BANDS.centres_hz[band] == pytest.approx(1493, abs=1)
    (spread,) = 10 * np.log10(BANDS.spread(single(band, level_db)))
    rises = spread[band:] - spread[band]
    assert rises[[4, 8]] == pytest.approx([up_db, 2 * up_db], abs=0.01)  # 1 and 2 Bark above
    assert spread[[band - 4, band - 8]] - spread[band] == pytest.approx([-27, -54], abs=0.01)
    total = (10 ** (spread / 10)).sum()
    assert 10 * np.log10(total) == pytest.approx(level_db, abs=0.01)


def test_spread_energies_add_up_with_the_power_0_4():
    parts = [single(30, 60), single(38, 70)]
    one, two, both = (BANDS.spread(energies)[0] for energies in (*parts, parts[0] + parts[1]))
    between = slice(28, 42)
    expected = (one[between] ** 0.4 + two[between] ** 0.4) ** 2.5
    assert both[between] == pytest.approx(expected, rel=1e-3)


def test_masking_lasts_after_an_impulse_with_the_time_constants_of_the_bands():
    powers = np.zeros((4, BANDS.weights.shape[0]))
    powers[0] = 1e9
    thresholds = Mask(BANDS).thresholds(powers)
    audible = thresholds[3] > 10 * BANDS.inner_noise
    decay_s = 0.008 + 100 / BANDS.centres_hz * (0.030 - 0.008)
    decay = np.exp(-1024 / 48_000 / decay_s)
    assert audible[:60].all()
    for frame in (1, 2, 3):
        expected = thresholds[0] * (1 - decay) * decay**frame
        assert thresholds[frame][audible] == pytest.approx(expected[audible], rel=1e-6)


def test_masking_goes_on_from_one_batch_of_frames_to_the_next():
    powers = np.random.default_rng(0).exponential(1e6, (6, BANDS.weights.shape[0]))
    powers[2:] *= 1e-6
    mask = Mask(BANDS)
    parts = [mask.thresholds(powers[:2]), mask.thresholds(powers[2:])]
    assert np.concatenate(parts) == pytest.approx(Mask(BANDS).thresholds(powers), rel=1e-9)
