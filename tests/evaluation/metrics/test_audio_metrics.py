import math
import subprocess
import sys

import numpy as np
import pytest

from vqcodec.evaluation.metrics import audio as metrics
from vqcodec.evaluation.metrics import spectra
from vqcodec.evaluation.metrics.audio import compare, si_sdr
from vqcodec.evaluation.metrics.spectra import mel_distance
from vqcodec.evaluation.metrics.speech import pesq_wb, stoi, visqol
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip


def babble(duration_s, sample_rate=16_000, seed=0):
    """Return noise [T] that swells four times a second, so that metrics of speech find some."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * sample_rate)) / sample_rate
    envelope = 0.1 * np.sin(2 * np.pi * 2 * times) ** 2
    return (envelope * rng.normal(size=len(times))).astype(np.float32)


def test_si_sdr_is_the_ratio_to_the_orthogonal_part():
    reference = np.tile([1, -1, 1, -1], 100).astype(np.float32)
    error = np.tile([1, 1, -1, -1], 100).astype(np.float32)
    assert si_sdr(reference, reference + 0.1 * error) == pytest.approx(20)
    assert si_sdr(reference, error) == -math.inf
    assert si_sdr(reference, 7 * (reference + 0.1 * error)) == pytest.approx(20, abs=1e-4)


def test_si_sdr_of_an_equal_sound_is_infinite_and_of_silence_none():
    sound, silence = babble(0.1), np.zeros(1600, np.float32)
    assert si_sdr(sound, sound) == math.inf
    assert si_sdr(silence, sound) is None
    assert si_sdr(sound, silence) is None
    assert si_sdr(silence + 1, sound) is None


def test_si_sdr_ignores_a_constant():
    sound = babble(0.1)
    assert si_sdr(sound, sound + np.float32(0.25)) > 100


def test_a_tenth_of_the_level_is_a_mel_distance_of_one():
    loud = np.random.default_rng(1).normal(size=(1, 8000)).astype(np.float32)
    assert mel_distance(loud, loud, 16_000) == 0
    assert mel_distance(loud, loud / 10, 16_000) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("num_samples", [0, 1, 2047])
def test_a_short_sound_has_a_mel_distance(num_samples):
    sound = np.ones((2, num_samples), np.float32)
    assert mel_distance(sound, sound, 44_100) == 0
    assert mel_distance(sound, -sound, 44_100) == 0


@pytest.mark.parametrize("sample_rate", [8000, 44_100])
@pytest.mark.parametrize(("window", "num_bands"), [(2048, 320), (32, 5)])
def test_mel_bands_are_those_of_slaney(window, num_bands, sample_rate):
    functional = pytest.importorskip("torchaudio.functional")
    expected = functional.melscale_fbanks(
        window // 2 + 1, 0, sample_rate / 2, num_bands, sample_rate, "slaney", "slaney"
    )
    bands = spectra.mel_bands(window, num_bands, sample_rate)
    assert np.allclose(bands, expected, atol=1e-5)


# Samples, channels, sample rate, and the distance by torch.stft in float32.
DISTANCES = [(1, 2, 8000, 0.0032914), (2047, 1, 44_100, 0.0757890), (30_001, 2, 48_000, 0.0698520)]


def test_the_mel_distance_keeps_its_values():
    generator = np.random.default_rng(3)
    for num_samples, num_channels, sample_rate, distance in DISTANCES:
        shape = (num_channels, num_samples)
        sound = (generator.standard_normal(shape) * 0.1).astype(np.float32)
        noise = (generator.standard_normal(shape) * 0.03).astype(np.float32)
        found = mel_distance(sound, sound + noise, sample_rate)
        assert found == pytest.approx(distance, abs=1e-6)


def test_the_mel_distance_is_the_same_in_batches(monkeypatch):
    sound, other = (babble(0.7, seed=seed)[None] for seed in (0, 1))
    whole = mel_distance(sound, other, 16_000)
    monkeypatch.setattr(spectra, "_BATCH", 5000)
    assert mel_distance(sound, other, 16_000) == pytest.approx(whole, abs=1e-9)


def test_metrics_without_packages_import_neither_torch_nor_scipy():
    code = (
        "import sys, numpy; from vqcodec.evaluation.metrics import audio\n"
        "audio.find_spec = lambda name: None\n"
        "from vqcodec.signals.sound import AudioClip\n"
        "clip = AudioClip(numpy.ones((1, 3000), numpy.float32), 8000); audio.compare(clip, clip)\n"
        "assert not {'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_perceptual_metrics_rank_a_clean_sound_above_a_noisy_one():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    sound = babble(3)
    noisy = [sound + scale * babble(3, seed=1) for scale in (np.float32(0.1), np.float32(1))]
    assert pesq_wb(sound, sound) > 4.6
    assert pesq_wb(sound, sound) > pesq_wb(sound, noisy[0]) > pesq_wb(sound, noisy[1])
    assert stoi(sound, sound) == pytest.approx(1)
    assert stoi(sound, sound) > stoi(sound, noisy[0]) > stoi(sound, noisy[1])


@pytest.mark.parametrize("duration_s", [0, 0.1, 1])
def test_perceptual_metrics_of_silence_are_none(duration_s):
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    silence = np.zeros(round(16_000 * duration_s), np.float32)
    for measure in (pesq_wb, stoi):
        assert measure(silence, silence) is None
        assert measure(silence, babble(duration_s)) is None


def test_perceptual_metrics_of_sounds_too_short_for_them_are_none():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    assert pesq_wb(babble(0.2), babble(0.2)) is None
    assert stoi(babble(0.2), babble(0.2)) is None
    click = np.zeros(16_000, np.float32)
    click[8000:8100] = 0.5
    assert pesq_wb(babble(1) * np.float32(1e-30), babble(1)) is None
    assert stoi(click, click) is None


def test_pesq_survives_a_sound_with_a_hundred_utterances():
    pytest.importorskip("pesq")
    times = np.arange(41 * 16_000) / 16_000
    words = babble(41) * (times % 0.44 < 0.22)
    assert 1 <= pesq_wb(words, words + babble(41, seed=1) / 10) < 4.6


def test_a_clip_is_compared_at_the_rate_and_length_of_the_original():
    waveform = np.stack([babble(1), babble(1, seed=1)])
    reference = AudioClip(waveform, 16_000)
    longer = resample(np.pad(waveform, ((0, 0), (0, 500))), 16_000, 48_000)
    scores = compare(reference, AudioClip(longer, 48_000))
    assert scores["si_sdr_db"] > 15
    assert scores["mel_distance"] < 0.2


FULL_BAND = {
    "log_spectral_distance_db",
    "nmr_db",
    "nmr_to_1_khz_db",
    "nmr_to_4_khz_db",
    "nmr_to_10_khz_db",
    "nmr_to_18_khz_db",
    "pre_echo_db",
}
STEREO = {"stereo_level_error_db", "stereo_phase_error_rad", "stereo_coherence_error"}
SPEECH = {"pesq_wb", "stoi", "visqol", "speaker_similarity"}


@pytest.mark.parametrize(
    ("sample_rate", "num_channels", "own", "optional"),
    [
        (16_000, 2, set(), SPEECH),
        (24_000, 1, set(), SPEECH),
        (32_000, 1, FULL_BAND, {"visqol_audio"}),
        (44_100, 2, FULL_BAND | STEREO, {"visqol_audio"}),
        (48_000, 3, FULL_BAND, {"visqol_audio"}),
    ],
)
def test_rate_and_channels_decide_which_metrics_are_taken(
    monkeypatch, sample_rate, num_channels, own, optional
):
    names = {"si_sdr_db", "mel_distance"} | own
    clip = AudioClip(np.tile(babble(1, sample_rate), (num_channels, 1)), sample_rate)
    assert compare(clip, clip).keys() == names | (optional - set(metrics.missing()))
    monkeypatch.setattr(metrics, "find_spec", lambda _: None)
    assert compare(clip, clip).keys() == names
    assert set(metrics.missing()) == SPEECH | {"visqol_audio"}


@pytest.mark.parametrize("num_samples", [0, 1, 119, 5000])
@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
def test_silence_and_short_sounds_have_no_score_and_no_error(num_samples, sample_rate):
    clip = AudioClip(np.zeros((2, num_samples), np.float32), sample_rate)
    scores = compare(clip, clip)
    assert scores.pop("mel_distance") == scores.pop("log_spectral_distance_db") == 0
    assert set(scores.values()) == {None}


def test_visqol_ranks_a_clean_sound_above_a_noisy_one_and_says_nothing(capfd):
    pytest.importorskip("visqol")
    pytest.importorskip("ai_edge_litert")
    sound = babble(3)
    assert 5 >= visqol(sound, sound) > visqol(sound, babble(3, seed=1)) + 1 >= 2
    assert visqol(sound, np.zeros_like(sound)) is None
    assert visqol(sound[:15_999], sound[:15_999]) is None
    click = np.zeros_like(sound)
    click[100] = 1
    score = visqol(click, click)
    assert score is None or 1 <= score <= 5
    assert capfd.readouterr().err == ""


def test_speaker_similarity_is_that_of_the_package():
    if "speaker_similarity" in metrics.missing():
        pytest.skip("resemblyzer is not installed")
    from vqcodec.evaluation.metrics import speaker

    times = np.arange(32_000) / 16_000
    tone = np.sin(2 * np.pi * 150 * times**1.1) * np.sin(2 * np.pi * 3 * times) / 100
    # Largest entries by resemblyzer 0.1.4, embed_utterance of normalize_volume.
    for num_samples, places, values in (
        (9000, [20, 9, 58, 247], [0.293878, 0.260543, 0.218265, 0.215311]),
        (32_000, [20, 9, 180, 191], [0.246283, 0.241924, 0.239920, 0.223937]),
    ):
        embedding = speaker.embedding_of(tone[:num_samples].astype(np.float32))
        assert embedding[places].tolist() == pytest.approx(values, abs=1e-4)
    sound, other = babble(3), tone.astype(np.float32)
    assert speaker.speaker_similarity(sound, sound) == pytest.approx(1)
    assert 0 <= speaker.speaker_similarity(sound, other) < 0.9
    assert speaker.speaker_similarity(sound, np.zeros_like(sound)) is None


def test_an_empty_clip_has_only_a_mel_distance():
    clip = AudioClip(np.zeros((1, 0), np.float32), 16_000)
    scores = compare(clip, clip)
    assert scores.pop("mel_distance") == 0
    assert set(scores.values()) == {None}
