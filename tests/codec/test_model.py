"""The methods of a model, except compress and decompress: arguments, results, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tiny import HOP, PATCH, SAMPLE_RATE, TABLES, noise_clip, noise_picture, same_signal

import vqcodec
from vqcodec.codec.graphs import Networks
from vqcodec.errors import ModelFileError, UsageError, VqcodecError


@pytest.fixture(params=list(TABLES))
def model(request, tiny_models):
    return tiny_models[request.param]


def some_indices(model, quality=5):
    grid = (2, 3) if model.modality == "image" else (7,)
    num_codebooks = model.parts.quantizer.config.codebooks_at(model.rate_of(quality))
    size = model.parts.quantizer.codebook_sizes[0]
    return np.random.default_rng(0).integers(0, size, (num_codebooks, *grid))


def test_a_model_is_loaded_by_path_name_or_fingerprint(tiny_folder, model, monkeypatch):
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_folder))
    path = tiny_folder / f"{model.name}.safetensors"
    for name in (str(path), model.name, model.fingerprint):
        loaded = vqcodec.load(name)
        assert (loaded.name, loaded.fingerprint) == (model.name, model.fingerprint)
        assert loaded.modality == model.modality
        assert loaded.card == {"licence": "Apache-2.0"}


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_indices_decode_to_a_signal_of_their_size(model, dtype):
    indices = some_indices(model)
    decoded = model.decode(indices.astype(dtype))
    if model.modality == "image":
        assert decoded.pixels.shape == (2 * PATCH, 3 * PATCH, 3)
    else:
        assert decoded.waveform.shape == (1, 7 * HOP - HOP // 2)
        assert decoded.sample_rate == SAMPLE_RATE
    assert same_signal(decoded, model.decode(indices))


def test_indices_of_another_shape_type_or_range_are_refused(model):
    indices, size = some_indices(model), model.parts.quantizer.codebook_sizes[0]
    bad = [
        indices[:-1],
        indices[0],
        indices[..., None],
        indices.astype(np.float64),
        indices - size,
        indices + size,
        np.concatenate([indices, indices]),
    ]
    for attempt in bad:
        with pytest.raises(UsageError, match="indices"):
            model.decode(attempt)


def test_an_empty_grid_is_an_empty_sound_but_not_a_picture(model):
    nothing = some_indices(model)[..., :0]
    if model.modality == "audio":
        assert model.decode(nothing).waveform.shape == (1, 0)
        assert np.array_equal(model.encode(noise_clip(0)), nothing)
    else:
        with pytest.raises(VqcodecError):
            model.decode(nothing)


@pytest.mark.parametrize(
    "size", [{"width": 1.5}, {"height": "8"}, {"duration_s": "1"}, {"temperature": None}]
)
def test_arguments_of_other_types_are_named(model, size):
    (name,) = size
    with pytest.raises(UsageError, match=name):
        model.sample(seed=0, **size)


def test_a_part_is_given_in_numbers(model):
    if model.modality == "image":
        return
    stream = model.compress(noise_clip(500))
    for part in ({"start_s": "1"}, {"start_s": None}, {"start_s": 10**400}, {"duration_s": "x"}):
        with pytest.raises(UsageError, match=r"start|duration"):
            model.open(stream, **part)


@pytest.mark.parametrize("quality", [0.99, 10.01, -1, float("nan"), float("inf")])
def test_a_quality_out_of_range_is_refused(model, quality):
    signal = noise_picture(4, 4) if model.modality == "image" else noise_clip(10)
    for call in (
        lambda: model.compress(signal, quality=quality),
        lambda: model.encode(signal, quality=quality),
        lambda: model.decode(some_indices(model), quality=quality),
        lambda: model.sample(seed=0, quality=quality),
    ):
        with pytest.raises(UsageError, match=r"quality: .* is not 1 … 10"):
            call()


def test_samples_have_the_requested_size_and_depend_on_the_seed(model):
    size = (
        {"width": 40, "height": 20} if model.modality == "image" else {"duration_s": 1000 / 16_000}
    )
    drawn = [model.sample(seed=seed, **size) for seed in (1, 1, 2)]
    if model.modality == "image":
        assert drawn[0].pixels.shape == (20, 40, 3)
    else:
        assert drawn[0].waveform.shape == (1, 1000)
    assert same_signal(drawn[0], drawn[1])
    assert not same_signal(drawn[0], drawn[2])
    likeliest = [model.sample(seed=seed, temperature=0, **size) for seed in (1, 2)]
    assert same_signal(*likeliest)


@pytest.mark.parametrize(
    "size",
    [
        {"duration_s": 0.0},
        {"duration_s": 3601.0},
        {"duration_s": float("nan")},
        {"width": 0},
        {"height": 4097},
        {"temperature": -0.5},
    ],
)
def test_samples_of_an_invalid_size_are_refused(model, size):
    with pytest.raises(UsageError):
        model.sample(**{"seed": 0, "width": 16, "height": 16, "duration_s": 0.01, **size})


def test_the_shortest_sample_has_one_sample(audio_model):
    assert audio_model.sample(seed=0, duration_s=1e-9).waveform.shape == (1, 1)


def test_an_unavailable_device_is_refused(model):
    assert model.to("cpu") is model
    with pytest.raises(UsageError, match="device 'nonsense': not one of cpu, cuda"):
        model.to("nonsense")
    for device in ("cuda:99", "cpu:x", "cpu:3"):
        with pytest.raises(UsageError, match=f"device '{device}': "):
            model.to(device)


def test_indices_of_a_picture_without_positions_are_refused(image_model):
    empty = image_model.encode(noise_picture(32, 32))[:, :0]
    with pytest.raises(UsageError, match="at least one position"):
        image_model.decode(empty)


def test_rates_increase_with_quality(model):
    rates = [model.rate_of(quality) for quality in np.linspace(1, 10, 40)]
    assert rates == sorted(rates)
    assert all(0 <= rate <= 255 for rate in rates)
    assert model.parts.quantizer.config.codebooks_at(rates[-1]) == len(some_indices(model, 10))


def test_a_wrong_duration_is_told_what_is_right(audio_model):
    with pytest.raises(UsageError, match="a duration of 0 s is not above 0 and up to 3600 s"):
        audio_model.sample(seed=0, duration_s=0.0)


@pytest.mark.parametrize("work", ["compress", "encode", "complete"])
def test_what_is_no_signal_is_told_what_is_needed(model, work):
    settings = {"seed": 0} if work == "complete" else {}
    with pytest.raises(UsageError, match=r"signal: str, needed a Picture or an AudioClip"):
        getattr(model, work)("giraffe.png", **settings)


def test_a_stream_is_any_bytes(model):
    signal = noise_picture(20, 20) if model.modality == "image" else noise_clip(400)
    stream = model.compress(signal)
    expected = model.decompress(stream)
    for form in (bytearray(stream), memoryview(stream)):
        assert same_signal(model.decompress(form), expected)
        assert np.array_equal(model.indices_of(form), model.indices_of(stream))
        assert model.bit_map_of(form).num_bits == model.bit_map_of(stream).num_bits
    with pytest.raises(UsageError, match="stream: str, needed bytes"):
        model.decompress("photo.vqc")


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 1.5}, {"seed": 1, "num_sweeps": -1}])
def test_a_wrong_seed_is_refused(model, wrong):
    with pytest.raises(UsageError, match=r"not a whole number(, 0 or more| from 0 to 1000)"):
        model.sample(**wrong)


def test_an_input_that_a_graph_does_not_take_is_named(audio_model):
    with pytest.raises(ModelFileError, match="its encoder does not run"):
        audio_model.parts.networks.encode(np.zeros((1, 1, 640)), 0.5)  # float64


def test_a_network_that_overflows_gives_finite_signals(model, monkeypatch):
    run = Networks._run

    def overflow(networks, name, *arguments, **options):
        results = run(networks, name, *arguments, **options)
        if name == "decoder":
            results[0].reshape(-1)[:3] = np.nan, np.inf, -np.inf
        return results

    monkeypatch.setattr(Networks, "_run", overflow)
    with warnings.catch_warnings(action="error"):
        decoded = model.decode(some_indices(model))
        values = decoded.pixels if model.modality == "image" else decoded.waveform
    assert np.isfinite(values).all()
