"""The transform with block switching, and the networks for pairs of channels that use it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vqcodec.errors import ConfigError
from vqcodec.layout import at, decode_windows, encode_windows
from vqcodec.modalities.audio.config import SPLITS, BlocksConfig
from vqcodec.networks.audio import stereo
from vqcodec.networks.audio.blocks import BlockTransform
from vqcodec.networks.audio.frames import angle_step
from vqcodec.networks.audio.slots import Slots, slot_columns, slot_edges
from vqcodec.networks.audio.stereo import StereoDecoder, StereoEncoder

HOP = 128
CONFIG = BlocksConfig(
    sample_rate=16_000, hop_length=HOP, num_bands=4, num_slots=4, decoder_width=8, decoder_units=1
)
RATE = torch.tensor([0.4], dtype=torch.float64)


def clicks_and_tones(num_frames: int, channels: int = 2) -> torch.Tensor:
    """Tones of which every seventh frame has a click, so that frames are split differently."""
    generator = np.random.default_rng(0)
    time = np.arange(num_frames * HOP)
    tones = np.sin(time * generator.uniform(0.1, 2, (channels, 1)))
    tones[:, HOP // 3 :: 7 * HOP] += 5
    return torch.from_numpy(tones * 0.1)[None]


def bursts(num_frames: int) -> torch.Tensor:
    """Noise of another power in each half of a frame, so that neighbours are split differently."""
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(2, 2 * num_frames, HOP // 2))
    gains = 10 ** generator.uniform(-3, 0, (2 * num_frames, 1))
    return torch.from_numpy((noise * gains).reshape(1, 2, -1) * 0.1)


@pytest.mark.parametrize("num_frames", [1, 2, 9])
def test_the_transform_is_orthonormal_whatever_the_splits(num_frames):
    torch.manual_seed(num_frames)
    transform = BlockTransform(HOP, HOP).double()
    waveform = torch.randn(3, 2, num_frames * HOP, dtype=torch.float64)
    choice = torch.randint(0, len(SPLITS), (3, num_frames))
    coefficients = transform.analyse(waveform, choice)
    # The windows are stored in 32 bits.
    assert torch.allclose(coefficients.square().sum(), waveform.square().sum(), rtol=1e-5)
    assert torch.allclose(transform.synthesise(coefficients, choice), waveform, atol=1e-5)


@pytest.mark.parametrize("number", range(len(SPLITS)))
def test_the_number_of_a_coefficient_gives_its_frequency(number):
    transform = BlockTransform(HOP, HOP).double()
    tone = torch.sin(torch.arange(6 * HOP, dtype=torch.float64) * np.pi * 0.4)[None, None]
    power = transform.analyse_alike(tone, number)[0, 0, 1:-1].square().mean(0)
    place = (power * torch.arange(HOP)).sum() / power.sum()
    assert abs(place - 0.4 * HOP) < SPLITS[number]


def test_latents_that_are_not_quantized_give_the_sound_back():
    waveform = clicks_and_tones(20)
    encoder, decoder = StereoEncoder(CONFIG).double(), StereoDecoder(CONFIG).double().eval()
    decoded = decoder(encoder(waveform, RATE), RATE)
    # Noise takes the place of coefficients that are almost zero.
    assert (decoded - waveform).square().sum() < 1e-3 * waveform.square().sum()


def test_clicks_are_split_and_tones_are_not():
    choice = StereoEncoder(CONFIG).double().choose(clicks_and_tones(15), RATE)[0]
    assert choice[0] > 0
    assert choice[7] > 0
    assert (choice[[3, 4, 10, 11]] == 0).all()


def test_a_frame_whose_moments_differ_is_split(monkeypatch):
    generator = np.random.default_rng(0)
    tones = 0.1 * np.sin(np.arange(12 * HOP) * generator.uniform(0.1, 2, (20, 2, 1)))
    tones[:, :, 6 * HOP + HOP // 2 :] *= 0.1  # they become quiet within a frame: no attack
    encoder, rates = StereoEncoder(CONFIG).double(), RATE.expand(len(tones))

    def num_split():
        """Return how many of the sounds have each frame split, but for the first, an attack."""
        return (encoder.choose(torch.from_numpy(tones), rates)[:, 1:] > 0).sum(0).tolist()

    assert num_split() == [0] * 5 + [20] + [0] * 5
    monkeypatch.setattr(stereo, "UNSTEADINESS", 0.0)
    assert sum(num_split()) <= 15


def test_the_side_of_a_sound_on_one_side_is_predicted():
    waveform = clicks_and_tones(8)
    waveform[:, 1] = 0
    latents = StereoEncoder(CONFIG).double()(waveform, RATE)
    _, side, coefficients = StereoDecoder(CONFIG).double().frames.unpack(latents)
    loud = side[:, 0] > 8
    assert loud.any()
    assert (side[:, 2][loud] * angle_step(RATE).item() == 1).all()
    assert (side[:, 1][loud] == 0).all()
    assert coefficients[:, 1].abs().max() < 0.2  # a tenth of the coarsest step


def test_a_mono_sound_has_no_side():
    waveform = clicks_and_tones(8, channels=1).expand(1, 2, -1)
    latents = StereoEncoder(CONFIG).double()(waveform, RATE)
    _, side, coefficients = StereoDecoder(CONFIG).double().frames.unpack(latents)
    assert not side[:, 1:].any()
    assert not coefficients[:, 1].any()


def windows_and_whole(**changes):
    """What encoder and decoder make of a sound in windows of 3 frames, and of a whole one."""
    torch.manual_seed(0)
    encoder, decoder = StereoEncoder(CONFIG).double(), StereoDecoder(CONFIG).double().eval()
    nn.init.normal_(decoder.head.weight)
    waveform = clicks_and_tones(29) + bursts(29)
    geometry = replace(CONFIG.geometry(), window=3, **changes)
    whole = encoder(waveform, RATE)
    coarse = torch.round(whole * 2) / 2  # with zeros, for noise
    encoded = encode_windows(
        lambda x: encoder(torch.from_numpy(x), RATE).numpy(),
        lambda place: at(waveform.numpy(), place),
        (29,),
        geometry,
    )
    decoded = np.full(waveform.shape, np.nan)
    with torch.no_grad():
        for place, piece in decode_windows(
            lambda x, corner: decoder(torch.from_numpy(x), RATE, corner).numpy(),
            lambda place: at(coarse.numpy(), place),
            (29,),
            geometry,
        ):
            at(decoded, place)[...] = piece
        return (encoded, whole.numpy()), (decoded, decoder(coarse, RATE).numpy())


def test_windows_agree_with_a_whole_run():
    for found, whole in windows_and_whole():
        assert np.allclose(found, whole, atol=1e-9)


@pytest.mark.parametrize(("name", "number"), [("encoder_reach", 0), ("decoder_reach", 1)])
def test_the_reach_equals_the_receptive_field(name, number):
    shorter = {name: getattr(CONFIG.geometry(), name) - 1}
    found, whole = windows_and_whole(**shorter)[number]
    assert np.abs(found - whole).max() > 1e-8


def test_training_gives_two_draws_of_the_noise():
    encoder, decoder = StereoEncoder(CONFIG).double(), StereoDecoder(CONFIG).double().train()
    latents = torch.round(encoder(clicks_and_tones(9), RATE))
    both = decoder(latents, RATE)
    assert both.shape == (1, 4, 9 * HOP)
    assert not torch.equal(both[:, :2], both[:, 2:])


HALVED = BlocksConfig(num_slots=52, num_halved=4)


@pytest.mark.parametrize("config", [BlocksConfig(), CONFIG, HALVED])
def test_every_coefficient_belongs_to_one_slot_of_every_split(config):
    edges = slot_edges(config)
    assert edges[0] == 0
    assert edges[-1] == config.num_bands * config.band_bins
    assert len(edges) == config.num_slots + 1
    assert min(np.diff(edges)) == config.band_bins // (2 if config.num_halved else 1)
    columns = slot_columns(config)
    assert sorted(set(columns)) == columns
    assert columns[-1] < config.num_bands
    slots = Slots(config)
    assert (slots.member.sum(1) == 1).all()
    assert (slots.member.sum(2) > 0).all()
    assert torch.allclose(slots.share.sum(1), torch.tensor(1.0))


def test_low_slots_are_the_same_in_all_frames_if_bands_are_halved():
    for config, num_equal in ((HALVED, 4), (BlocksConfig(), 0)):
        member = Slots(config).member
        for split in range(1, len(SPLITS)):
            equal = (member[split] == member[0]).all(1)
            assert equal[:num_equal].all()
            assert not equal[num_equal : num_equal + 4].all()


def test_thresholds_follow_levels_with_the_exponent_of_the_table():
    for masking in (0.78, 0.84):
        slots = Slots(BlocksConfig(masking=masking))
        chosen = slots.chosen(torch.zeros(1, 1).long())
        powers = torch.rand(1, 1, 1, BlocksConfig().num_slots) + 0.1
        rise = slots.thresholds(16 * powers, chosen) - slots.thresholds(powers, chosen)
        assert torch.allclose(rise, torch.tensor(2 * masking), atol=1e-4)


@pytest.mark.parametrize("number", range(len(SPLITS)))
def test_thresholds_of_frames_that_are_split_alike(number):
    slots = Slots(HALVED)
    coefficients = torch.randn(2, 2, 3, HALVED.num_bands * HALVED.band_bins)
    chosen = slots.chosen(torch.full((2, 3), number))
    powers = slots.means(coefficients.square(), chosen).sum(1, keepdim=True)
    expected = slots.interpolate(slots.thresholds(powers, chosen), chosen)
    found = slots.thresholds_alike(coefficients, number)
    assert torch.allclose(found, expected, atol=1e-4)


def test_slots_mask_the_slots_of_the_same_time():
    slots, number = Slots(HALVED), SPLITS.index(8)
    spread = slots.spread[number]
    assert torch.allclose(spread.diagonal(), torch.ones(HALVED.num_slots))
    low, moments = 0, range(4, 8)  # a band of all moments, and the moments of one band
    assert (spread[low, moments] == spread[low, 4]).all()
    assert spread[low, 4] > 0
    # What is there for a quarter of the time masks as a quarter of its power would.
    distance = torch.log10(spread[4, low] * 4) * -10 / 25
    assert torch.isclose(distance, torch.log10(spread[low, 4]) * -10 / 12, atol=1e-3)
    for moment in moments:
        assert not spread[moment, [m for m in moments if m != moment]].any()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hop_length", 40),
        ("num_bands", 3),
        ("num_slots", 6),
        ("num_slots", 56),
        ("num_halved", -1),
        ("num_halved", 24),
        ("masking", 1.1),
    ],
)
def test_a_bad_table_is_refused_by_its_key(key, value):
    with pytest.raises(ConfigError, match=rf"network\.{key}"):
        BlocksConfig(**{key: value})


def test_bands_are_halved_only_where_all_blocks_have_a_coefficient_in_each_half():
    with pytest.raises(ConfigError, match=r"network\.num_halved"):
        BlocksConfig(num_halved=4, band_bins=16)


def test_levels_below_zero_are_silent():
    decoder = StereoDecoder(CONFIG).double().eval()
    frames = decoder.frames
    side = torch.zeros(1, 3, 5, CONFIG.num_slots, dtype=torch.float64)
    side[:, :2] = -3
    bins = torch.zeros(1, 2, 5, CONFIG.num_bands * CONFIG.band_bins, dtype=torch.float64)
    latents = frames.pack(torch.zeros(1, 5, dtype=torch.int64), side, bins)
    assert decoder(latents, RATE).abs().max() < 1e-6


def test_noise_between_harmonics_begins_above_low_frequencies():
    config = BlocksConfig()
    least = StereoDecoder(config).least_noise
    assert least.shape == (len(SPLITS), config.num_slots)
    assert (least[0, :2] == 0).all()  # below 750 Hz
    assert torch.allclose(least[0, 8:], torch.tensor(0.015))


def test_noise_before_an_attack_is_in_the_block_of_the_attack():
    slots = Slots(CONFIG)
    chosen = slots.chosen(torch.tensor([[3, 4, 0]]))  # 8 and 16 blocks, and 1
    powers = torch.zeros(1, 2, 3, CONFIG.num_bands * CONFIG.band_bins)
    powers[:, :, 0, 5::8] = 1.0  # in the second block of the third moment
    powers[:, :, 1, 2::16] = 1.0  # in the third block of the first moment
    powers[:, :, 2, 3] = 1.0
    rhythm = slots.rhythm(powers, chosen)
    assert torch.allclose(rhythm[..., 0, 5::8], torch.tensor(2.0), atol=0.02)
    assert (rhythm[..., 0, 4::8] < 0.02).all()
    assert torch.allclose(rhythm[..., 1, 2::16], torch.tensor(4.0), atol=0.1)
    assert (rhythm[..., 1, [0, 1, 3]] < 0.02).all()
    silent = [rhythm[..., 0, 0], rhythm[..., 1, 4], rhythm[..., 2, :]]  # other moments, one block
    assert all(torch.allclose(part, torch.ones(())) for part in silent)


def test_low_noise_is_halved_in_whole_frames_and_left_out_of_split_ones():
    config = BlocksConfig()
    share = StereoDecoder(config).noise_share
    hertz = torch.arange(share.shape[1]) * config.sample_rate / (2 * config.hop_length)
    assert (share[0, hertz <= 1_000] == 0.5).all()
    assert (share[1:, hertz <= 1_000] == 0).all()
    assert (share[:, hertz >= 2_000] == 1).all()
