"""Bits level by level: by the groups of the prior, and all bits of the indices."""

import pytest
from tiny import TABLES, load_tiny_model, noise_clip, noise_picture, same_signal, short_segments

from vqcodec.bitstream.stream import parse_stream
from vqcodec.evaluation.levels import LevelMeter
from vqcodec.evaluation.run import measure
from vqcodec.signals.files import write_signal
from vqcodec.signals.sound import AudioClip


def metered(model, stream):
    meter = LevelMeter(model)
    return meter.decompress(stream), meter.level_bits()


def signal_for(model):
    """A picture, or a sound of two segments and two channels."""
    return noise_picture(80, 48) if model.modality == "image" else noise_clip(10_000, channels=2)


@pytest.fixture
def models(tiny_models, monkeypatch):
    """The tiny models, with short segments for sounds."""
    for model in (tiny_models["speech"], tiny_models["residual-speech"]):
        monkeypatch.setattr(model.parts.modality, "geometry", short_segments(model))
    return tiny_models


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("quality", [1, 10])
def test_levels_add_up_to_all_bits_and_the_signal_is_the_same(models, name, quality):
    model = models[name]
    stream = model.compress(signal_for(model), quality=quality)
    decoded, bits = metered(model, stream)
    meter = LevelMeter(model)
    meter.decompress(stream)
    codebooks = meter.codebook_bits()
    assert len(codebooks) == model.parts.quantizer.num_codebooks
    assert sum(codebooks) == pytest.approx(sum(bits))
    assert same_signal(decoded, model.decompress(stream))
    assert len(bits) == len(TABLES[name]["prior"]["groups"])
    assert sum(bits) == pytest.approx(model.bit_map_of(stream).num_bits)
    segments = parse_stream(stream).segments
    assert len(segments) == (1 if model.modality == "image" else 2)
    assert 0 <= 8 * sum(map(len, segments)) - sum(bits) < 24 * len(segments)


@pytest.mark.parametrize("name", TABLES)
def test_a_level_is_the_bits_of_a_group_of_codebooks(tiny_models, name):
    model = tiny_models[name]
    signal = noise_picture(32, 32) if model.modality == "image" else noise_clip(2000)
    stream = model.compress(signal, quality=10)
    (indices,) = model.indices_of(stream)
    (bits,) = model.prior.bits_of([indices], parse_stream(stream).header.rate)
    first, expected = 0, []
    for size in TABLES[name]["prior"]["groups"]:
        expected.append(bits[first : first + size].sum())
        first += size
    assert metered(model, stream)[1] == pytest.approx(expected)


@pytest.mark.parametrize("name", ["residual-image", "residual-speech"])
def test_a_level_that_is_not_coded_has_no_bits(models, name):
    model = models[name]
    coarse, fine = (
        metered(model, model.compress(signal_for(model), quality=quality))[1] for quality in (1, 10)
    )
    assert coarse[0] > 0
    assert coarse[-1] == 0
    assert fine[-1] > 0


def test_without_samples_no_level_has_bits(audio_model):
    empty = AudioClip(noise_clip(1).waveform[:, :0], 16_000)
    assert metered(audio_model, audio_model.compress(empty))[1] == [0.0, 0.0]


def test_a_meter_forgets_the_previous_stream(image_model):
    meter = LevelMeter(image_model)
    streams = [image_model.compress(noise_picture(*size)) for size in ((80, 48), (16, 16))]
    for stream in streams:
        meter.decompress(stream)
    assert meter.level_bits() == metered(image_model, streams[1])[1]


@pytest.mark.parametrize("name", ["scalar-image", "histogram-speech", "uniform-image"])
def test_one_codebook_or_a_prior_without_groups_is_a_single_level(name):
    model = load_tiny_model(name)
    stream = model.compress(signal_for(model))
    (bits,) = metered(model, stream)[1]
    assert bits == pytest.approx(model.bit_map_of(stream).num_bits)


def test_records_of_a_model_have_its_levels(image_model, tmp_path):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        write_signal(noise_picture(40, 24), file, "PNG")
    result = measure(path, image_model, 5)
    assert len(result.level_bits) == 3
    # The range coder may also end a little below the sum.
    assert abs(8 * result.payload_bytes - sum(result.level_bits)) < 24
    assert result.overhead_bytes + result.payload_bytes == result.size_bytes
