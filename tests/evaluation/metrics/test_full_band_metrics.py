import numpy as np
import pytest

from vqcodec.evaluation.metrics.attacks import clearest_attack, find_attacks, pre_echo
from vqcodec.evaluation.metrics.masking import noise_to_mask
from vqcodec.evaluation.metrics.spectra import log_spectral_distance
from vqcodec.evaluation.metrics.stereo import stereo_errors
from vqcodec.signals.short_spectra import short_spectra

RATE = 48_000


def tone(frequency, level=0.1, duration_s=1.0):
    times = np.arange(round(duration_s * RATE)) / RATE
    return (level * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def faded(wave):
    return (wave * np.hanning(len(wave))).astype(np.float32)


def noise(num_channels=1, level=0.1, seed=0, duration_s=1.0):
    shape = (num_channels, round(duration_s * RATE))
    return (level * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def test_a_full_scale_sine_on_a_bin_has_a_magnitude_of_1():
    spectra = np.concatenate(list(short_spectra(tone(RATE / 2048 * 100, level=1))))
    assert spectra.shape == (48, 1025)
    assert np.abs(spectra[20, 100]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sample_rate", [32_000, 48_000])
def test_half_the_level_is_a_log_spectral_distance_of_6_db(sample_rate):
    sound = noise(2)
    assert log_spectral_distance(sound, sound, sample_rate) == 0
    assert log_spectral_distance(sound, sound / 2, sample_rate) == pytest.approx(6.02, abs=0.01)
    assert log_spectral_distance(sound, -sound, sample_rate) == 0


def test_the_log_spectral_distance_ignores_what_nobody_hears():
    sound = faded(tone(1000))[None]
    assert log_spectral_distance(sound, sound + noise(level=1e-6), RATE) < 0.1
    above = faded(tone(21_000))[None]
    assert log_spectral_distance(sound, sound + above, RATE) < 0.1


def test_a_lower_cutoff_is_a_larger_log_spectral_distance():
    sound = noise()
    spectrum = np.fft.rfft(sound)
    distances = []
    for cutoff in (18_000, 12_000, 6000):
        kept = np.where(np.arange(spectrum.shape[1]) < cutoff, spectrum, 0)
        dull = np.fft.irfft(kept).astype(np.float32)
        distances.append(log_spectral_distance(sound, dull, RATE))
    assert distances == sorted(distances)
    assert distances[0] > 5


def test_noise_under_a_loud_tone_is_masked_and_noise_elsewhere_is_not():
    masker = tone(1000, level=0.3)[None]
    near, far = tone(1080, level=0.003)[None], tone(5000, level=0.003)[None]
    masked, heard = (noise_to_mask(masker, masker + probe) for probe in (near, far))
    assert masked["nmr_to_4_khz_db"] < 0 < heard["nmr_to_10_khz_db"]
    assert heard["nmr_to_10_khz_db"] > heard["nmr_to_18_khz_db"] + 20
    assert heard["nmr_to_1_khz_db"] is None or heard["nmr_to_1_khz_db"] < -20


def test_masking_spreads_further_up_than_down():
    masker = tone(2000, level=0.3)[None]
    above, below = (masker + tone(f, level=0.001)[None] for f in (3500, 1100))
    assert noise_to_mask(masker, above)["nmr_db"] < noise_to_mask(masker, below)["nmr_db"] - 3


def test_the_ratio_of_white_noise_keeps_its_value_and_rises_with_the_error():
    sound, error = noise(2), noise(2, seed=1)
    ratios = [noise_to_mask(sound, sound + g * error)["nmr_db"] for g in (0.001, 0.01, 0.1, 1)]
    assert ratios == sorted(ratios)
    # The noise is 40 dB below the sound, and half of it is in the phases. Thresholds are 3 to 6 dB
    # below the sound, which leaks into neighbouring bands.
    assert ratios[1] == pytest.approx(-40, abs=1.5)


def test_an_equal_sound_or_another_sign_has_no_noise():
    sound = noise()
    assert set(noise_to_mask(sound, sound).values()) == {None}
    assert set(noise_to_mask(sound, -sound).values()) == {None}


def test_an_error_below_the_threshold_in_quiet_is_not_heard():
    silence = np.zeros((1, RATE), np.float32)
    assert noise_to_mask(silence, tone(1000, level=1e-5)[None])["nmr_db"] < 0
    assert noise_to_mask(silence, tone(1000, level=1e-3)[None])["nmr_db"] > 10


@pytest.mark.parametrize(
    ("frequency", "name"),
    [
        (500, "nmr_to_1_khz_db"),
        (2500, "nmr_to_4_khz_db"),
        (5000, "nmr_to_10_khz_db"),
        (9000, "nmr_to_10_khz_db"),
        (14_000, "nmr_to_18_khz_db"),
    ],
)
def test_an_error_shows_in_the_range_of_its_frequency(frequency, name):
    error = faded(tone(frequency, level=0.003))[None]
    scores = noise_to_mask(np.zeros_like(error), error)
    total = scores.pop("nmr_db")
    heard = scores.pop(name)
    assert heard > total > 0
    assert max(scores.values()) < -60


def test_a_panned_sound_that_comes_back_in_the_middle_has_a_level_error():
    mono = noise()
    panned, centred = np.concatenate([mono, mono / 2]), np.concatenate([mono, mono])
    errors = stereo_errors(panned, centred)
    assert errors["stereo_level_error_db"] == pytest.approx(6.02, abs=0.05)
    assert errors["stereo_phase_error_rad"] == pytest.approx(0, abs=1e-6)
    assert errors["stereo_coherence_error"] == pytest.approx(0, abs=1e-6)


def test_a_delay_of_one_channel_is_a_phase_error_that_grows_with_frequency():
    for frequency in (200, 800):
        wave = faded(tone(frequency))
        delay = 12  # samples: 0.25 ms
        original = np.stack([wave[delay:], wave[delay:]])
        delayed = np.stack([wave[delay:], wave[:-delay]])
        errors = stereo_errors(original, delayed)
        expected = 2 * np.pi * frequency * delay / RATE
        assert errors["stereo_phase_error_rad"] == pytest.approx(expected, rel=0.1)
        assert errors["stereo_level_error_db"] < 0.1


@pytest.mark.parametrize(("frequency", "is_heard"), [(1200, True), (2500, False)])
def test_phase_errors_are_heard_up_to_1600_hz(frequency, is_heard):
    sound, delay = faded(tone(1200)) + faded(tone(2500)), 8  # samples
    part = faded(tone(frequency))
    delayed = np.stack([sound, sound - part + np.roll(part, delay)])
    error = stereo_errors(np.stack([sound, sound]), delayed)["stereo_phase_error_rad"]
    expected = 2 * np.pi * frequency * delay / RATE if is_heard else 0
    assert error == pytest.approx(expected, rel=0.02, abs=0.01)


@pytest.mark.parametrize(("is_wide", "share"), [(False, 0.8), (True, 0.2)])
def test_a_phase_error_of_a_wide_part_counts_less(is_wide, share):
    left, right = noise(2, duration_s=2)
    wide = np.arange(len(left)) >= RATE
    original = np.stack([left, np.where(wide, right, left)])
    turned = np.where(wide == is_wide, -original[1], original[1])
    error = stereo_errors(original, np.stack([left, turned]))["stereo_phase_error_rad"]
    assert error == pytest.approx(np.pi * share, abs=0.1)


@pytest.mark.parametrize(("below_db", "expected"), [(10, 20.0), (20, 10.4), (40, 0.41), (60, 0)])
def test_a_channel_that_is_30_db_quieter_than_the_other_one_counts_as_silent(below_db, expected):
    (left,) = noise()
    one_sided = np.stack([left, 0 * left])
    decoded = np.stack([left, left * np.float32(10 ** (-below_db / 20))])
    error = stereo_errors(one_sided, decoded)["stereo_level_error_db"]
    assert error == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_where_a_channel_is_zero_there_is_no_phase_error(zero):
    sound = noise(2)
    silent = np.full_like(sound, zero)
    right_silent = np.stack([sound[0], silent[1]])
    for original, decoded in (
        (sound, silent),
        (sound, right_silent),
        (sound, right_silent[::-1]),
        (right_silent, sound),
        (right_silent, right_silent),
    ):
        errors = stereo_errors(original, decoded)
        assert errors.pop("stereo_phase_error_rad") is None
        assert None not in errors.values()


def test_a_pause_in_the_decoded_sound_does_not_dilute_a_phase_error():
    (left,) = noise()
    original, turned = np.stack([left, left]), np.stack([left, -left])
    turned[:, RATE // 2 :] = 0
    error = stereo_errors(original, turned)["stereo_phase_error_rad"]
    assert error == pytest.approx(np.pi, abs=0.01)


def test_a_wide_sound_that_comes_back_as_mono_has_a_coherence_error():
    wide = noise(2)
    mono = np.tile(wide.mean(axis=0), (2, 1))
    error = stereo_errors(wide, mono)["stereo_coherence_error"]
    assert 0.6 < error < 1
    half = (wide + mono) / 2
    assert 0 < stereo_errors(wide, half)["stereo_coherence_error"] < error


def test_an_equal_image_has_no_error_at_any_level():
    wide = noise(2)
    for gain in (1, 0.1):
        errors = stereo_errors(wide, gain * wide)
        assert max(errors.values()) == pytest.approx(0, abs=1e-3)
    assert set(stereo_errors(0 * wide, wide).values()) == {None}


def clicks(*places, num_samples=RATE):
    sound = np.zeros(num_samples, np.float32)
    for place in places:
        sound[place : place + 2000] = noise(level=0.2, duration_s=2000 / RATE)[0]
    return sound


def test_attacks_are_found_where_they_begin():
    found = find_attacks(clicks(9600, 24_000))
    assert found == pytest.approx([9600, 24_000], abs=120)
    assert find_attacks(noise()[0]) == []
    assert find_attacks(clicks(9600) * np.float32(1e-3)) == []
    assert find_attacks(np.zeros(100, np.float32)) == []


def test_noise_before_an_attack_is_pre_echo_and_noise_after_it_is_not():
    sound = clicks(9600, 24_000)[None]
    before, after = np.zeros_like(sound), np.zeros_like(sound)
    before[0, 8700:9600] = before[0, 23_100:24_000] = 0.002
    after[0, 12_000:15_000] = 0.002
    assert pre_echo(sound, sound) == 0
    assert pre_echo(sound, sound + after) == 0
    levels = [pre_echo(sound, sound + g * before) for g in np.float32([0.3, 1, 3])]
    assert 0 < levels[0] < levels[1] < levels[2]
    assert levels[1] == pytest.approx(20, abs=3)  # 40 dB below the attack, and 60 dB is silence
    assert pre_echo(noise(), noise()) is None


def step_of_noise(rise_db):
    """Noise that becomes louder after 9600 samples, in the middle of a second."""
    louder = np.arange(RATE) >= 9600
    return noise()[0] * np.where(louder, 1, 10 ** (-rise_db / 20)).astype(np.float32)


def test_a_rise_by_more_than_20_db_is_an_attack():
    for rise_db in (0, 10, 17):
        assert find_attacks(step_of_noise(rise_db)) == []
    for rise_db in (23, 40):
        assert find_attacks(step_of_noise(rise_db)) == [9600]


@pytest.mark.parametrize(
    ("first_block", "is_pre_echo"),
    [(80, False), (79, False), (78, True), (71, True), (70, False)],
)
def test_pre_echo_is_in_the_20_ms_before_the_block_before_an_attack(first_block, is_pre_echo):
    sound = clicks(9600)  # in block 80
    decoded = sound.copy()
    decoded[first_block * 120 : (first_block + 1) * 120] += np.float32(0.01)
    found = pre_echo(sound[None], decoded[None])
    assert found > 3 if is_pre_echo else found == 0


@pytest.mark.parametrize("is_first", [True, False])
def test_the_clearest_attack_is_the_one_with_the_largest_rise(is_first):
    sound = clicks(9600, 36_000)
    noisy_part = slice(24_000, 36_000) if is_first else slice(0, 9600)
    sound[noisy_part] += noise(level=0.002)[0, noisy_part]
    assert find_attacks(sound) == [9600, 36_000]
    assert clearest_attack(sound) == (9600 if is_first else 36_000)


def test_a_sound_without_an_attack_has_no_clearest_one():
    assert clearest_attack(noise()[0]) is None
    assert clearest_attack(np.zeros(100, np.float32)) is None
