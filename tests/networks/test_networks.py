"""Every kind of network: its table, its geometry, and windows that agree with a whole run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vqcodec.config import build_config
from vqcodec.errors import ConfigError
from vqcodec.layout import at, decode_windows, encode_windows
from vqcodec.modalities import build_modality
from vqcodec.modalities.base import Modality
from vqcodec.networks.pair import NetworkPair
from vqcodec.registry import imported
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip

MDCT: dict[str, Any] = {
    "hop_length": 16,
    "dim": 5,
    "encoder_width": 8,
    "encoder_units": 2,
    "decoder_width": 8,
    "decoder_units": 1,
}
PATCHES: dict[str, Any] = {
    "dim": 5,
    "fine_width": 8,
    "coarse_width": 8,
    "fine_units": 2,
    "coarse_units": 1,
}
PAPER_AUDIO: dict[str, Any] = {
    "kind": "paper",
    "dim": 5,
    "width": 8,
    "narrow_width": 4,
    "num_units": 2,
}
TABLES: dict[str, dict[str, Any]] = {
    "patches": PATCHES,
    "patches-gated": {**PATCHES, "gated": True},
    "image-paper": {"kind": "paper", "dim": 5, "width": 8, "num_units": 2},
    "mdct": MDCT,
    "mdct-excited": {**MDCT, "excitation": True},
    "mdct-voices": {**MDCT, "excitation": True, "voice_dim": 3},
    "audio-paper": PAPER_AUDIO,
    "audio-paper-voices": {**PAPER_AUDIO, "voice_dim": 3},
}
STEPS = {
    "patches": 16,
    "patches-gated": 16,
    "image-paper": 4,
    "mdct": 16,
    "mdct-excited": 16,
    "mdct-voices": 16,
    "audio-paper": 64,
    "audio-paper-voices": 64,
}
GRIDS = {2: [(1, 1), (1, 9), (11, 8), (19, 23)], 1: [(1,), (7,), (40,), (61,)]}


@dataclass(frozen=True)
class Networks:
    """A modality with its two networks, all weights random and in double precision."""

    name: str
    modality: Modality[Any]
    pair: NetworkPair
    encoder: nn.Module
    decoder: nn.Module


@pytest.fixture(params=list(TABLES))
def networks(request: pytest.FixtureRequest) -> Networks:
    torch.manual_seed(0)
    modality, table = modality_of(request.param), TABLES[request.param]
    kind, rest = modality.networks.split(table)
    config, pair = build_config(imported(kind.config), rest, "network"), imported(kind.training)
    encoder, decoder = pair.encoder(config), pair.decoder(config)
    for network in (encoder, decoder):
        for parameter in network.parameters():
            if parameter.dim() > 1:  # what starts at zero or small would hide what it reaches
                nn.init.normal_(parameter, std=1.5 * parameter[0].numel() ** -0.5)
    return Networks(request.param, modality, pair, encoder.double().eval(), decoder.double().eval())


def modality_of(name: str) -> Modality[Any]:
    is_image = name.startswith(("patches", "image"))
    return build_modality("image" if is_image else "audio", TABLES[name])


def signal_of(networks: Networks, grid: tuple[int, ...]) -> Tensor:
    geometry = networks.modality.geometry
    size = [length * geometry.step - geometry.tail_trim for length in grid]
    return torch.rand(1, 3 if len(grid) == 2 else 1, *size, dtype=torch.float64)


def windowed(networks: Networks, signal: Tensor, latents: Tensor, **changes: int):
    """What encoder and decoder make of a signal and of latents in windows of 3 positions."""
    geometry = replace(networks.modality.geometry, window=3, **changes)
    grid, rate = tuple(latents.shape[2:]), torch.full((1,), 0.7, dtype=torch.float64)
    with torch.no_grad():
        encoded = encode_windows(
            lambda x: networks.encoder(torch.from_numpy(x), rate).numpy(),
            lambda place: at(signal.numpy(), place),
            grid,
            geometry,
        )
        decoded = np.full(signal.shape, np.nan)
        for place, piece in decode_windows(
            lambda x, corner: networks.decoder(torch.from_numpy(x), rate, corner).numpy(),
            lambda place: at(latents.numpy(), place),
            grid,
            geometry,
        ):
            at(decoded, place)[...] = piece
        whole = networks.encoder(signal, rate), networks.decoder(latents, rate)
    return (torch.from_numpy(encoded), whole[0]), (torch.from_numpy(decoded), whole[1])


@pytest.mark.parametrize("number", range(4))
def test_windows_agree_with_a_whole_run(networks, number):
    grid = GRIDS[networks.modality.num_axes][number]
    latents = torch.randn(1, 5, *grid, dtype=torch.float64)
    for found, whole in windowed(networks, signal_of(networks, grid), latents):
        assert found.shape == whole.shape
        assert torch.allclose(found, whole, rtol=0, atol=1e-10)


def test_the_reach_equals_the_receptive_field(networks):
    grid = GRIDS[networks.modality.num_axes][-1]
    latents = torch.randn(1, 5, *grid, dtype=torch.float64)
    geometry = networks.modality.geometry
    shorter = {
        "encoder_reach": geometry.encoder_reach - 1,
        "decoder_reach": geometry.decoder_reach - 1,
    }
    for found, whole in windowed(networks, signal_of(networks, grid), latents, **shorter):
        assert (found - whole).abs().max() > 1e-8


def test_a_position_is_as_large_as_the_kind_says(networks):
    geometry = networks.modality.geometry
    assert geometry.step == STEPS[networks.name]
    assert geometry.tail_trim == (8 if networks.name.startswith("mdct") else 0)


def test_a_table_without_kind_means_the_default():
    with_kind = {"kind": "patches", **TABLES["patches"]}
    plain, named = (build_modality("image", table) for table in (TABLES["patches"], with_kind))
    assert plain.networks.split(TABLES["patches"]) == named.networks.split(with_kind)
    assert plain.config == named.config
    assert plain.geometry.step == 16


@pytest.mark.parametrize("name", ["image", "audio"])
def test_an_unknown_kind_is_refused(name):
    with pytest.raises(ConfigError, match=r"network\.kind: 'nonsense' is not one of"):
        build_modality(name, {"kind": "nonsense"})
    with pytest.raises(ConfigError, match=r"network\.kind"):
        build_modality(name, {"kind": ["paper"]})


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("image-paper", "dim", 0),
        ("image-paper", "width", 3),
        ("image-paper", "num_units", -1),
        ("audio-paper", "sample_rate", 100),
        ("audio-paper", "dim", 0),
        ("audio-paper", "width", 2_000),
        ("audio-paper", "num_units", 5),
        ("audio-paper", "voice_dim", -1),
        ("audio-paper", "hop_length", 64),
    ],
)
def test_a_bad_table_is_refused_by_its_key(name, key, value):
    with pytest.raises(ConfigError, match=rf"network\.{key}"):
        build_modality(name.split("-")[0], {**TABLES[name], key: value})


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 5), (17, 15), (16, 32)])
@pytest.mark.parametrize("name", ["patches", "image-paper"])
def test_a_picture_of_any_size_fits_its_grid(name, height, width):
    modality = modality_of(name)
    picture = Picture(np.zeros((height, width, 3), np.uint8))
    facts = modality.facts(picture, separate_channels=False)
    grid, step = modality.grid(facts), STEPS[name]
    assert grid == (-(-height // step), -(-width // step))
    everything = (slice(0, grid[0] * step), slice(0, grid[1] * step))
    plane = modality.reader(picture, facts)(everything)
    assert plane.shape == (1, 3, grid[0] * step, grid[1] * step)
    restored = modality.restore(lambda _: iter([(everything, plane)]), facts)
    assert isinstance(restored, Picture)
    assert np.array_equal(restored.pixels, picture.pixels)


@pytest.mark.parametrize("num_samples", [0, 1, 7, 8, 9, 63, 64, 65, 1000])
@pytest.mark.parametrize("name", ["mdct", "audio-paper"])
def test_a_sound_of_any_length_fits_its_grid(name, num_samples):
    modality = modality_of(name)
    clip = AudioClip(np.full((1, num_samples), 0.25, np.float32), 16_000)
    facts = modality.facts(clip, separate_channels=False)
    (frames,) = modality.grid(facts)
    held = modality.num_samples(frames)
    assert num_samples <= held < num_samples + STEPS[name]
    assert (frames == 0) == (num_samples == 0)
    plane = modality.reader(clip, facts)((slice(0, held),))
    assert plane.shape == (1, 1, held)
    restored = modality.restore(lambda _: iter([((slice(0, held),), plane)]), facts)
    assert np.array_equal(AudioClip.of_sound(restored).waveform, clip.waveform)


def test_networks_are_initialised_from_a_first_batch(networks):
    batch = torch.cat([signal_of(networks, (8,) * networks.modality.num_axes) for _ in range(32)])
    networks.pair.init_from_data(networks.encoder.float(), networks.decoder.float(), batch.float())
    with torch.no_grad():
        latents = networks.encoder(batch.float(), torch.ones(32))
    if "paper" in networks.name:
        channels = latents.movedim(1, 0).flatten(1)
        assert torch.allclose(channels.mean(1), torch.zeros(5), atol=1e-3)
        assert torch.allclose(channels.std(1), torch.ones(5), atol=1e-3)
    assert torch.isfinite(latents).all()
