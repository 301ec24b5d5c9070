"""Training excerpts of two channels, and their distortion."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vqcodec.training.audio.losses import compressed_spectral_loss
from vqcodec.training.audio.pair_losses import WEIGHTS, pair_distortion
from vqcodec.training.audio.pairs import PairDataConfig, PairExcerpts
from vqcodec.training.audio.recordings import HeldRecordings

LENGTH = 64
LEFT, RIGHT = 0.5, -0.125
PLAIN = {
    "lowest_gain_db": 0.0,
    "highest_gain_db": 0.0,
    "mono_share": 0.0,
    "turn_share": 0.0,
    "mix_share": 0.0,
}
PAIR = (LEFT, RIGHT)


def signals(*recordings, count=200, **changes):
    """Excerpts of recordings of constant samples, given as pairs: [count, 2], if constant."""
    waveforms = {
        f"{number}.wav": np.repeat(np.array([pair]).T * 32768, 50 * LENGTH, 1).astype(np.int16)
        for number, pair in enumerate(recordings)
    }
    config = PairDataConfig(**{**PLAIN, **changes})
    dataset = PairExcerpts(HeldRecordings(waveforms), config, LENGTH)
    batch = dataset.signals(count, np.random.default_rng(0))
    assert batch.shape == (count, 2, LENGTH)
    assert batch.dtype == torch.float32
    assert (batch == batch[:, :, :1]).all()
    return batch[:, :, 0]


def test_channels_are_swapped_in_half_of_the_excerpts():
    found = signals(PAIR)
    swapped = found[:, 0] == RIGHT
    assert (found[swapped] == torch.tensor([RIGHT, LEFT])).all()
    assert (found[~swapped] == torch.tensor([LEFT, RIGHT])).all()
    assert float(swapped.float().mean()) == pytest.approx(0.5, abs=0.12)


def test_what_is_mixed_down_has_equal_channels():
    assert (signals(PAIR, mono_share=1.0) == (LEFT + RIGHT) / 2).all()


def test_what_is_turned_keeps_its_energy_and_turns_by_up_to_45_degrees():
    found = signals(PAIR, turn_share=1.0).double()
    energy = LEFT**2 + RIGHT**2
    assert torch.allclose(found.square().sum(1), torch.tensor(energy).double(), atol=1e-6)
    starts = torch.tensor([[LEFT, RIGHT], [RIGHT, LEFT]]).double()
    cosines = (found @ starts.T / energy).amax(1)  # the start is the nearer one of the two
    assert cosines.min() > np.cos(np.pi / 4) - 1e-6
    assert cosines.std() > 0.05


def test_shares_of_excerpts_are_mixed_down_and_turned():
    found = signals(PAIR, count=1000, mono_share=0.2, turn_share=0.3)
    mono = found[:, 0] == found[:, 1]
    plain = (found == LEFT).any(1) & (found == RIGHT).any(1)
    assert float(mono.float().mean()) == pytest.approx(0.2, abs=0.05)
    assert float(plain.float().mean()) == pytest.approx(0.5, abs=0.05)


def test_a_second_sound_is_added_with_a_gain_of_0_1_to_0_6():
    found = signals((0.5, 0.5), mix_share=1.0) / 0.5 - 1
    assert found.min() >= 0.1 - 1e-6
    assert found.max() <= 0.6 + 1e-6
    assert found.max() - found.min() > 0.4


def test_gains_are_in_their_range_in_decibels():
    gains = 20 * torch.log10(signals((0.25, 0.25), lowest_gain_db=-15, highest_gain_db=3) / 0.25)
    assert gains.min() >= -15 - 1e-4
    assert gains.max() <= 3 + 1e-4
    assert gains.min() < -13
    assert gains.max() > 1


def test_samples_are_at_most_1():
    found = signals((0.9, -0.9), highest_gain_db=3.0)
    assert found.max() == 1
    assert found.min() == -1


@pytest.mark.parametrize(
    ("level", "share"),
    [(0.0013, 0.5), (0.0007, 0.1 / 1.1)],  # -58 dB and -63 dB
)
def test_what_is_silent_is_mostly_left_out_and_what_is_quiet_is_not(level, share):
    found = signals((level, level), (0.5, 0.5), count=500)
    assert float((found[:, 0] < 0.1).float().mean()) == pytest.approx(share, abs=0.06)


RATE = 48_000


def white(seed, *shape):
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def noise_errors(level, name):
    """The errors, with one and with two draws, of noise of a level for an original of level 1."""
    original, one, two = (white(seed, 4, 1, 32 * 1024) for seed in range(3))
    both = torch.cat([one, two], 1) * level
    return [
        float(compressed_spectral_loss(draws, original, RATE)[name].mean())
        for draws in (both[:, :1], both)
    ]


@pytest.mark.parametrize("name", ["magnitude", "bands"])
def test_noise_is_best_as_loud_as_that_of_the_original(name):
    """With two draws; with a single draw, silence is not much worse than noise."""
    errors = [noise_errors(level, name)[1] for level in (0.0, 0.25, 0.5, 0.8, 1.0)]
    assert errors == sorted(errors, reverse=True)
    louder = [noise_errors(level, name)[1] for level in (1.0, 1.25, 2.0)]
    assert louder == sorted(louder)


@pytest.mark.parametrize("name", ["magnitude", "bands"])
def test_of_errors_between_equal_noises_two_draws_leave_that_of_the_original(name):
    """Each of two independent noises has half of their error."""
    one, two = noise_errors(1.0, name)
    assert two == pytest.approx(one / 2, rel=0.03)


def test_the_noise_to_mask_ratio_counts_with_the_power_0_15():
    original, error = white(0, 1, 2, 32 * 1024), white(1, 1, 2, 32 * 1024)
    for level in (0.01, 0.1, 1.0):
        found = pair_distortion(original + level * error, original, RATE)
        spectral = sum(weight * found[name] for name, weight in WEIGHTS.items())
        expected = found["noise_to_mask"] ** 0.15
        assert float(found["total"] / spectral) == pytest.approx(float(expected), rel=3e-3)


def test_mid_and_side_count_as_left_and_right_do():
    mono = white(0, 1, 1, 32 * 1024)
    original, turned = torch.cat([mono, mono], 1), torch.cat([mono, -mono], 1)
    silent = torch.zeros_like(original)
    for name in ("magnitude", "bands"):
        swapped, missing, right = (
            float(pair_distortion(each, original, RATE)[name])
            for each in (turned, silent, torch.cat([mono, silent[:, :1]], 1))
        )
        # Left and right are equal up to their signs; mid is missing, and there is a side.
        assert swapped > 0.5 * missing
        assert 0 < right < missing
