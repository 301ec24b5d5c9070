"""A decoder written from docs/FORMAT.md alone decodes the same indices as the codec."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from vqcodec.codec.loading import read_model
from vqcodec.modalities.audio.config import BlocksConfig, MdctConfig
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors import build_prior_network
from vqcodec.priors.config import FramesPriorConfig, GridPriorConfig, PlanePriorConfig
from vqcodec.priors.static import count_indices
from vqcodec.quantizers.configs import FiniteScalarConfig, LatticeConfig, ResidualConfig
from vqcodec.training.export import save_model

sys.path.insert(0, str(Path(__file__).parent))

import reference_decoder
from tiny import noise_clip, noise_picture

pytestmark = pytest.mark.usefixtures("remembered_graphs")

FORMAT = (Path(__file__).parents[1] / "docs" / "FORMAT.md").read_text(encoding="utf-8")
GOLDEN = Path(__file__).parent / "golden" / "v1"

# Networks that other tests have, too: each is exported once.
IMAGE = {"dim": 12, "fine_width": 8, "coarse_width": 8, "fine_units": 1, "coarse_units": 1}
AUDIO = {
    "sample_rate": 8000,
    "hop_length": 32,
    "dim": 12,
    "encoder_width": 8,
    "encoder_units": 1,
    "decoder_width": 8,
    "decoder_units": 1,
}
LATTICE = {"kind": "lattice", "limit": 20, "coarsest_step": 0.5, "finest_step": 0.05}
RESIDUAL = {"kind": "residual", "num_codebooks": 3, "codebook_size": 20}


def image_tables(quantizer, **prior):
    tables = {"modality": "image", "network": IMAGE, "quantizer": {**quantizer, "dim": 12}}
    return {**tables, "prior": prior}


def audio_tables(quantizer, **prior):
    tables = {"modality": "audio", "network": AUDIO, "quantizer": {**quantizer, "dim": 12}}
    return {**tables, "prior": prior}


PAPER_IMAGE = {
    "modality": "image",
    "network": {"kind": "paper", "dim": 4, "width": 32, "num_units": 1},
    "quantizer": {"kind": "finite_scalar", "levels": [5, 3, 3, 3]},
    "prior": {"kind": "grid", "head": "categorical", "groups": [1], "width": 16},
}
PAPER_AUDIO = {
    "modality": "audio",
    "network": {"kind": "paper", "dim": 12, "width": 8, "narrow_width": 4, "num_units": 1},
    "quantizer": {"kind": "residual", "dim": 12, "codebook_size": 20},
    "prior": {"kind": "frames", "groups": [1], "width": 16},
}

MODELS = {
    "grid logistic": image_tables(LATTICE, kind="grid", groups=[2, 4, 6], width=16),
    "grid categorical": image_tables(
        RESIDUAL,
        kind="grid",
        head="categorical",
        groups=[1, 2],
        width=16,
        period=4,
        kernel_size=5,
        embedding_dim=4,
    ),
    "grid in one phase": image_tables(
        LATTICE, kind="grid", groups=[12], width=16, period=1, kernel_size=1
    ),
    "grid without certain indices": image_tables(
        {**LATTICE, "coarsest_step": 10.0},
        kind="grid",
        groups=[4, 7, 1],
        width=16,
        skip_certain=True,
    ),
    "one phase without certain indices": image_tables(
        {**LATTICE, "coarsest_step": 20.0},
        kind="grid",
        groups=[6, 6],
        width=16,
        period=1,
        skip_certain=True,
    ),
    "grid with another first group": image_tables(
        LATTICE,
        kind="grid",
        groups=[3, 4, 5],
        width=16,
        skip_certain=True,
        first_period=4,
        first_kernel_size=5,
    ),
    "picture histogram": image_tables(LATTICE, kind="histogram"),
    "frames logistic": audio_tables(
        LATTICE, kind="frames", head="logistic", groups=[4, 8], width=16, dilations=[1, 3]
    ),
    "frames categorical": audio_tables(
        RESIDUAL, kind="frames", groups=[2, 1], width=16, embedding_dim=4
    ),
    "sound histogram": audio_tables(RESIDUAL, kind="histogram"),
    "sound uniform": audio_tables(RESIDUAL, kind="uniform"),
    "paper picture": PAPER_IMAGE,
    "paper sound": PAPER_AUDIO,
}


def write_model(path, tables, *, extreme=False):
    """Write a tiny untrained model with a random prior.

    Where it is extreme, a third of its weights, features and rate states are -32768.
    """
    torch.manual_seed(len(json.dumps(tables)))
    autoencoder = Autoencoder(tables)
    sizes = autoencoder.quantizer.codebook_sizes
    for name, parameter in autoencoder.encoder.named_parameters():
        if name in ("linear.weight", "head.weight"):
            parameter.data.mul_(8)  # so that indices differ
    prior = {}
    if tables["prior"]["kind"] == "histogram":
        rng = np.random.default_rng(0)
        prior = count_indices([rng.integers(0, sizes[0], (len(sizes), 99)) ** 2 // 99], sizes)
    elif tables["prior"]["kind"] != "uniform":
        network = build_prior_network(tables["prior"], sizes)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        if tables["prior"].get("skip_certain"):
            for predictor in network.predictors:
                predictor.head.weight.data[1::2] *= 0.1
                predictor.head.bias.data[1::2] -= 5  # log2 of the scale
        prior = network.freeze(autoencoder.quantizer.rate_fraction(torch.arange(256)).clamp(0, 1))
    if extreme:
        for tensor in prior.values():
            if tensor.dtype == np.int16:
                tensor.flat[::3] = -32768
    save_model(path, name="tiny", tables=tables, autoencoder=autoencoder, prior=prior, card={})


def assert_same(model, path, stream, level=None):
    ours = model.indices_of(stream, level=level)
    theirs = reference_decoder.indices_of(stream, path, level)
    assert len(ours) == len(theirs)
    for own, other in zip(ours, theirs, strict=True):
        assert own.dtype == np.int64
        assert np.array_equal(own, other)
    return ours


@pytest.mark.parametrize("name", [name for name in MODELS if "certain" not in name])
def test_the_reference_decodes_the_same_indices(name, tmp_path):
    path = tmp_path / "tiny.safetensors"
    write_model(path, MODELS[name])
    model = read_model(path)
    signals = [noise_picture(50, 70), noise_picture(1, 1)]
    if model.modality == "audio":
        signals = [noise_clip(1400), noise_clip(1, channels=2), noise_clip(0)]
    for signal in signals:
        for quality in (1, 5, 10):
            stream = model.compress(signal, quality=quality)
            planes = assert_same(model, path, stream)
            if max(plane.size for plane in planes or [np.zeros(0)]) > 50:
                assert len(np.unique(planes[0])) > 3


@pytest.mark.parametrize("name", [name for name in MODELS if "certain" in name])
def test_certain_indices_and_unused_groups_are_those_of_the_document(name, tmp_path):
    path = tmp_path / "tiny.safetensors"
    write_model(path, MODELS[name])
    model, numbers = read_model(path), set()
    assert_same(model, path, model.compress(noise_picture(1, 1), quality=10))
    for quality in (1, 2, 5, 10):
        stream = model.compress(noise_picture(50, 70), quality=quality)
        (plane,) = assert_same(model, path, stream)
        parsed = reference_decoder.parse_stream(stream)
        (bits,) = model.prior.bits_of([plane], parsed.rate)
        decoder = reference_decoder.Decoder(reference_decoder.ModelFile(path), parsed.segments[0])
        numbers.add(decoder.number_of_groups(len(MODELS[name]["prior"]["groups"])))
        if quality == 10:
            assert 0.1 < (bits == 0).mean() < 0.9
            assert (plane[bits == 0] != LATTICE["limit"]).any()
    assert len(numbers) > 1


@pytest.mark.parametrize("name", ["grid logistic", "frames categorical"])
def test_the_smallest_16_bit_integer_is_read_as_documented(name, tmp_path):
    path = tmp_path / "tiny.safetensors"
    write_model(path, MODELS[name], extreme=True)
    model = read_model(path)
    signal = noise_clip(1400) if model.modality == "audio" else noise_picture(50, 70)
    for quality in (1, 10):
        assert_same(model, path, model.compress(signal, quality=quality))


def test_the_reference_decodes_segments_of_a_large_picture(tmp_path):
    path = tmp_path / "tiny.safetensors"
    write_model(path, MODELS["grid logistic"])
    stream = read_model(path).compress(noise_picture(64 * 16 + 1, 17))
    assert_same(read_model(path), path, stream)
    assert len(reference_decoder.parse_stream(stream).segments) == 2


@pytest.mark.parametrize(
    "name", ["grid logistic", "grid categorical", "grid without certain indices"]
)
@pytest.mark.parametrize("size", [(50, 70), (64 * 16 + 1, 17)])
def test_the_reference_decodes_levels(name, size, tmp_path):
    path = tmp_path / "tiny.safetensors"
    write_model(path, MODELS[name])
    model, picture = read_model(path), noise_picture(*size)
    plain = model.compress(picture, quality=8)
    stream = model.compress(picture, quality=8, progressive=True)
    whole = assert_same(model, path, stream)[0]
    levels = range(1, len(reference_decoder.parse_stream(stream).levels) + 1)
    for level in levels:
        (coarse,) = assert_same(model, path, stream, level)
        assert np.array_equal(coarse, assert_same(model, path, plain, level)[0])
        assert np.array_equal(coarse, whole) == (level == levels[-1])


def test_the_reference_decodes_segments_and_channels_of_a_sound(tmp_path):
    path = tmp_path / "tiny.safetensors"
    write_model(path, MODELS["frames categorical"])
    signal = noise_clip(66_000, channels=2)  # 1032 frames at 8 kHz
    stream = read_model(path).compress(signal, separate_channels=True)
    planes = assert_same(read_model(path), path, stream)
    assert [plane.shape for plane in planes] == [(2, 1032)] * 2  # within a group of codebooks
    assert len(reference_decoder.parse_stream(stream).segments) == 4


def test_golden_streams_decode_to_their_indices(tmp_path):
    with tarfile.open(GOLDEN / "models.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    models = {reference_decoder.ModelFile(path).fingerprint: path for path in tmp_path.iterdir()}
    with np.load(GOLDEN / "indices.npz") as archive:
        golden, read = dict(archive), set()
    for path in sorted(GOLDEN.glob("*.vqc")):
        data = path.read_bytes()
        model = models[reference_decoder.parse_stream(data).fingerprint]
        name = path.stem.removesuffix("-progressive")  # both streams have the same indices
        for number, plane in enumerate(reference_decoder.indices_of(data, model)):
            assert np.array_equal(plane, golden[f"{name}/{number}"]), path.stem
            read.add(f"{name}/{number}")
    assert read == set(golden)


def test_the_documented_defaults_match_the_code():
    rows = re.search(r"\| table \| key \|.*?\n\|[-:| ]+\n(.*?)\n\n", FORMAT, re.DOTALL)[1]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]
    configs = {
        "network (sounds)": MdctConfig,
        "network (mdct)": MdctConfig,
        "quantizer (lattice)": LatticeConfig,
        "quantizer (residual)": ResidualConfig,
        "quantizer (finite_scalar)": FiniteScalarConfig,
        "network (blocks)": BlocksConfig,
        "prior (grid)": GridPriorConfig,
        "prior (plane)": PlanePriorConfig,
        "prior (frames)": FramesPriorConfig,
    }
    table, checked = "", 0
    for name, key, value, _ in cells:
        table = name or table
        if table in configs and key != "as for grid":
            fields = {field.name: field for field in dataclasses.fields(configs[table])}
            if value:
                known = fields[key].default
                listed = ", ".join(map(str, known)) if isinstance(known, tuple) else str(known)
                listed = listed.lower() if isinstance(known, bool) else listed
                assert value.strip('"') == listed, (table, key)
            else:
                assert fields[key].default in (dataclasses.MISSING, None) or key == "dim"
            checked += 1
    assert checked == 33
