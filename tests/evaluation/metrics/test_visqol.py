import numpy as np
import pytest

from vqcodec.evaluation.metrics import visqol
from vqcodec.evaluation.metrics.gammatone import gammatone_spectrogram
from vqcodec.evaluation.metrics.neurogram import _best_path, prepare, similarity


def music(duration_s=2.0, seed=0):
    """Return nine decaying notes and some noise [T] at 48 kHz."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * 48_000)) / 48_000
    notes = sum(
        np.sin(2 * np.pi * 220 * 2 ** (k / 3) * times) * np.exp(-4 * ((times - 0.13 * k) % 0.9))
        for k in range(9)
    )
    return 0.1 * notes + 0.02 * rng.normal(size=len(times))


def distorted(kind):
    sound = music()
    if kind == "noisy":
        return sound + 0.1 * np.random.default_rng(1).normal(size=len(sound))
    if kind == "late":
        return np.concatenate([np.zeros(700), sound[:-700]])
    if kind == "early":
        return sound[333:]
    if kind == "dull":
        return np.convolve(sound, np.ones(8) / 8)[: len(sound)]
    if kind == "gaps":
        return sound * (np.arange(len(sound)) % 24_000 > 3000)
    return sound


# The score, and the similarities of bands 0, 10, 20 and 31, by visqol-python 3.8.0.
KNOWN = {
    "equal": (4.732101, [1, 1, 1, 1]),
    "noisy": (3.006456, [0.079214, 0.863052, 0.440965, 0.558863]),
    "late": (4.732101, [0.999997, 1, 1, 1]),
    "early": (4.732100, [0.999996, 1, 1, 1]),
    "dull": (1.837854, [0.997889, 0.999785, -0.302363, 0.549801]),
    "gaps": (4.045906, [0.796640, 0.877998, 0.852792, 0.800882]),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_similarities_and_scores_are_those_of_the_reference(kind):
    score, bands = KNOWN[kind]
    reference, decoded = music(), distorted(kind)
    found = visqol.band_similarities(reference, decoded)
    assert found[[0, 10, 20, 31]].tolist() == pytest.approx(bands, abs=2e-6)
    pytest.importorskip("visqol")
    assert visqol._predict(found) == pytest.approx(score, abs=2e-6)


def test_the_spectrogram_is_that_of_filters_which_run_sample_by_sample():
    signal = pytest.importorskip("scipy.signal")
    noise = np.random.default_rng(0).normal(size=8000)
    noise[3700:3840] *= 100  # what rings on after the first frame does not count
    spectrogram = gammatone_spectrogram(noise, 48_000)
    assert spectrogram.shape == (32, 5)
    # A gammatone filter of order 4 about 50 Hz, its zeros and poles by Slaney 1993.
    bandwidth = 1.019 * 2 * np.pi * (50 / 9.26449 + 24.7) / 48_000
    angle, radius = 2 * np.pi * 50 / 48_000, np.exp(-bandwidth)
    poles = [1, -2 * radius * np.cos(angle), radius**2]
    output, gain = noise[:3840] * np.hanning(3840), 1
    for root in (np.sqrt(3 + 2**1.5), np.sqrt(3 - 2**1.5)):
        for sign in (1, -1):
            zeros = [1, -radius * (np.cos(angle) + sign * root * np.sin(angle))]
            output = signal.lfilter(zeros, poles, output)
            gain *= abs(signal.freqz(zeros, poles, [angle])[1][0])
    assert spectrogram[0, 0] == pytest.approx(np.sqrt(np.square(output).mean()) / gain, rel=1e-6)


def test_a_lower_level_and_a_delay_change_nothing_but_noise_does():
    sound = music(1.0)
    plain = visqol.band_similarities(sound, sound)
    assert np.allclose(plain, 1)
    assert np.allclose(visqol.band_similarities(sound, sound / 7), plain)
    noise = np.random.default_rng(2).normal(size=len(sound))
    means = [visqol.band_similarities(sound, sound + a * noise).mean() for a in (0.01, 0.05, 0.3)]
    assert 1 > means[0] > means[1] > means[2] > 0


def test_the_lag_is_what_brings_the_envelopes_together():
    sound = music(0.5)
    assert visqol.best_lag(sound, np.concatenate([np.zeros(321), sound])) == -321
    assert visqol.best_lag(sound, sound[321:]) == 321
    assert np.array_equal(visqol.aligned(sound, np.concatenate([np.zeros(9), sound])), sound)


def test_patches_are_matched_in_order_and_one_without_a_match_is_left_out():
    scores = np.array([[0.1, 0.9, 0.2, 0.1], [0.8, 0.1, 0.7, 0.6], [0.1, 0.1, 0.3, 0.9]])
    assert _best_path(scores) == [1, 2, 3]
    hopeless = np.array([[0.1, 0.9, 0.1], [-0.5, -0.5, -0.5], [0.1, 0.1, 0.8]])
    assert _best_path(hopeless) == [1, -1, 2]


def test_equal_patches_have_a_similarity_of_1_and_levels_have_a_floor():
    rng = np.random.default_rng(0)
    loud, quiet = rng.random((32, 40)), np.zeros((32, 40))
    first, second = prepare(loud, quiet)
    assert first.max() == pytest.approx(45, abs=0.01)
    assert second.min() == 0
    assert np.allclose(similarity(first, first), 1)
    assert similarity(first, second).mean() < 0.5


def test_silence_and_short_sounds_have_no_score():
    sound = music(1).astype(np.float32)
    assert visqol.visqol_audio(sound, np.zeros_like(sound)) is None
    assert visqol.visqol_audio(np.zeros_like(sound), sound) is None
    short = sound[: visqol.MIN_SAMPLES - 1]
    assert visqol.visqol_audio(short, short) is None


def test_the_shortest_sound_with_a_score_and_a_long_one_in_pieces(monkeypatch):
    pytest.importorskip("visqol")
    sound = music(1.0).astype(np.float32)
    short = sound[: visqol.MIN_SAMPLES]
    assert visqol.visqol_audio(short, short) == pytest.approx(4.7321, abs=1e-4)
    noise = np.random.default_rng(1).normal(size=len(sound)).astype(np.float32)
    mixed = sound + noise / 10
    monkeypatch.setattr(visqol, "MAX_SAMPLES", len(sound))
    pair = (np.concatenate([sound, sound]), np.concatenate([sound, mixed]))
    expected = (visqol.visqol_audio(sound, sound) + visqol.visqol_audio(sound, mixed)) / 2
    assert visqol.visqol_audio(*pair) == pytest.approx(expected)
    assert visqol.visqol_audio(sound, noise) < visqol.visqol_audio(sound, mixed)


@pytest.mark.parametrize(("size", "quick"), [(0, 1), (1, 1), (7, 8), (13, 15), (28_800, 28_800)])
def test_transforms_have_lengths_with_small_factors(size, quick):
    assert visqol._quick_length(size) == quick
