"""Exported graphs compute the same as torch for all sizes, positions, rates and voices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from tiny_training import Graphs
from torch import Tensor, nn

from vqcodec.codec.graphs import Networks
from vqcodec.modalities import build_modality
from vqcodec.modalities.audio.config import SPLITS
from vqcodec.modalities.audio.voices import mel_energies
from vqcodec.networks.audio.voices import VoiceEncoder
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.training.graphs import CONSTANT, SMALL, export_graphs

pytestmark = pytest.mark.slow

MDCT: dict[str, Any] = {
    "sample_rate": 8_000,
    "hop_length": 32,
    "dim": 12,
    "encoder_width": 8,
    "encoder_units": 1,
    "decoder_width": 8,
    "decoder_units": 1,
}
EXCITED: dict[str, Any] = {  # with the units of MDCT, if it had any
    **MDCT,
    "sample_rate": 16_000,
    "encoder_units": 0,
    "decoder_units": 0,
    "excitation": True,
}
PATCHES: dict[str, Any] = {
    "dim": 12,
    "fine_width": 8,
    "coarse_width": 8,
    "fine_units": 1,
    "coarse_units": 1,
}
PAPER_AUDIO: dict[str, Any] = {
    "kind": "paper",
    "dim": 12,
    "width": 8,
    "narrow_width": 4,
    "num_units": 1,
}
BLOCKS: dict[str, Any] = {
    "kind": "blocks",
    "sample_rate": 16_000,
    "hop_length": 128,
    "num_bands": 4,
    "num_slots": 4,
    "decoder_width": 8,
    "decoder_units": 1,
}
HALVED_BLOCKS: dict[str, Any] = {  # the longest transforms are made in two steps
    **BLOCKS,
    "sample_rate": 48_000,
    "hop_length": 1024,
    "num_bands": 9,
    "num_slots": 8,
    "num_halved": 2,
}
# Other tests take the same networks, so that each is exported once.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "patches": ("image", PATCHES),
    "patches-gated": ("image", {**PATCHES, "gated": True}),
    "image-paper": ("image", {"kind": "paper", "dim": 4, "width": 32, "num_units": 1}),
    "mdct": ("audio", MDCT),
    "mdct-excited": ("audio", EXCITED),
    "mdct-voices": ("audio", {**EXCITED, "voice_dim": 3}),
    "blocks": ("audio", BLOCKS),
    "blocks-halved": ("audio", HALVED_BLOCKS),
    "audio-paper": ("audio", PAPER_AUDIO),
    "audio-paper-voices": ("audio", {**PAPER_AUDIO, "voice_dim": 3}),
}
GRIDS = {1: [(1,), (2,), (37,)], 2: [(1, 1), (1, 6), (5, 3)]}


class Case:
    """A network in torch, with random weights, and the graphs that were made of it."""

    def __init__(self, name: str, export: Callable[[Autoencoder], Graphs]) -> None:
        modality, network = NETWORKS[name]
        torch.manual_seed(0)
        dim = build_modality(modality, network).config.dim
        num_integers = 4 * network["num_bands"] if network.get("kind") == "blocks" else 0
        quantizer = {"kind": "lattice", "dim": dim, "num_integers": num_integers}
        tables = {"modality": modality, "network": network, "quantizer": quantizer}
        self.autoencoder = Autoencoder(tables).eval()
        for parameter in self.autoencoder.parameters():
            if parameter.dim() > 1:  # what starts at zero would hide what it does
                nn.init.normal_(parameter, std=0.7 * parameter[0].numel() ** -0.5)
        self.graphs, constants = export(self.autoencoder)
        self.constants = constants
        self.state = {
            name: value.numpy().copy() for name, value in self.autoencoder.state_dict().items()
        }
        self.networks = Networks(self.graphs, self.state | constants)
        self.modality, self.dim = self.autoencoder.modality, dim

    @property
    def grids(self) -> list[tuple[int, ...]]:
        return GRIDS[self.modality.num_axes]

    def signal(self, num_planes: int, grid: tuple[int, ...]) -> Tensor:
        geometry = self.modality.geometry
        size = [length * geometry.step - geometry.tail_trim for length in grid]
        generator = torch.Generator().manual_seed(sum(grid))  # levels of blocks are rounded
        shape = (num_planes, self.modality.num_plane_channels, *size)
        signal = torch.rand(shape, generator=generator) / 2
        if self.modality.num_plane_channels != 2:
            return signal
        # Parts of frames differ in loudness, so that frames are split differently.
        loudness = 10 ** -torch.rand((num_planes, 1, 4 * grid[0]), generator=generator)
        return (signal - 0.25) * loudness.repeat_interleave(geometry.step // 4, 2)

    def latents(self, num_planes: int, grid: tuple[int, ...], rate: float) -> Tensor:
        """Random latents; those of blocks have audible levels, many zeros, and all splits."""
        if self.modality.num_plane_channels != 2:
            return torch.randn(num_planes, self.dim, *grid)
        with torch.no_grad():
            latents = self.autoencoder.encoder(self.signal(num_planes, grid), torch.tensor([rate]))
        latents = torch.round(latents / 2) * 2
        splits = torch.arange(num_planes * grid[0]) % len(SPLITS)
        latents[:, 0] = splits.reshape(num_planes, -1)
        return latents


@pytest.fixture(scope="module")
def case_of(remembered_graphs: Callable[[Autoencoder], Graphs]) -> Callable[[str], Case]:
    return functools.cache(lambda name: Case(name, remembered_graphs))


@pytest.fixture(scope="module", params=list(NETWORKS))
def case(request: pytest.FixtureRequest, case_of: Callable[[str], Case]) -> Case:
    return case_of(request.param)


def assert_close(found: NDArray[np.float32], expected: Tensor) -> None:
    wanted = expected.detach().numpy()
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-4 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("num_planes", [1, 3])
def test_encoders_agree(case, rate, num_planes):
    for grid in case.grids:
        signal = case.signal(num_planes, grid)
        with torch.no_grad():
            expected = case.autoencoder.encoder(signal, torch.tensor([rate]))
        assert expected.shape == (num_planes, case.dim, *grid)
        assert_close(case.networks.encode(signal.numpy(), rate), expected)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("num_planes", [1, 3])
def test_decoders_agree_wherever_the_latents_begin(case, rate, num_planes):
    for grid in case.grids:
        latents = case.latents(num_planes, grid, rate)
        for first in (0, 7, 1_999):  # places in noise that repeats after 1000 frames
            corner = (first, *(0,) * (len(grid) - 1))
            with torch.no_grad():
                expected = case.autoencoder.decoder(latents, torch.tensor([rate]), corner)
            assert_close(case.networks.decode(latents.numpy(), rate, corner), expected)


def test_weights_are_in_the_file_once(case):
    named = []
    for graph in case.graphs.values():
        for tensor in onnx.load_from_string(graph).graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                named.append(tensor.name)
                assert not tensor.raw_data
            else:
                assert int(np.prod(tensor.dims)) < SMALL
                assert tensor.name not in case.state
    weights = {name for name in case.state if name.startswith(("encoder.", "decoder."))}
    assert {name for name in named if not name.startswith(CONSTANT)} == weights
    assert {name for name in named if name.startswith(CONSTANT)} == set(case.constants)
    contents = [(value.shape, value.tobytes()) for value in case.constants.values()]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("name", ["image-paper", "mdct-excited"])
def test_exporting_twice_gives_the_same_graphs(name, case_of):
    case = case_of(name)
    again, constants = export_graphs(case.autoencoder)
    assert again == case.graphs
    assert constants.keys() == case.constants.keys()


@pytest.fixture(scope="module", params=["mdct-voices", "audio-paper-voices"])
def voices(request: pytest.FixtureRequest, case_of: Callable[[str], Case]) -> Case:
    return case_of(request.param)


@pytest.mark.parametrize("num_frames", [1, 50, 123])
def test_speaker_embeddings_and_their_decoders_agree(voices, num_frames):
    features = torch.randn(1, 80, num_frames)
    decoder, latents = voices.autoencoder.decoder, torch.randn(2, voices.dim, 11)
    with torch.no_grad():
        vector = decoder.voice.encoder.embed(features)
        expected = decoder(latents, torch.tensor([0.6]), (3,), vector)
    found = voices.networks.embed_speaker(features.numpy())
    assert_close(found, vector)
    spoken = voices.networks.decode(latents.numpy(), 0.6, (3,), found)
    assert_close(spoken, expected)
    nobody = voices.networks.decode(latents.numpy(), 0.6, (3,))
    assert np.abs(spoken - nobody).max() > 1e-3


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("num_samples", [8_000, 16_123])
def test_mel_energies_equal_those_of_training(sample_rate, num_samples):
    generator = np.random.default_rng(num_samples)
    waveform = (0.1 * generator.normal(size=(1, num_samples))).cumsum(1).astype(np.float32) / 30
    encoder = VoiceEncoder(4, sample_rate)
    taken: list[Tensor] = []
    encoder.embed = lambda energies: taken.append(energies) or energies  # type: ignore[assignment, method-assign, func-returns-value]
    encoder(torch.from_numpy(waveform)[None])
    found = mel_energies(waveform, sample_rate)
    assert found.dtype == np.float32
    assert found.shape == tuple(taken[0].shape)
    assert np.abs(found - taken[0].numpy()).max() < 1e-3
