"""Model files: round trips; damaged and forged files are refused."""

from __future__ import annotations

import contextlib
import json
import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from vqcodec.codec.loading import read_model
from vqcodec.codec.model import Model
from vqcodec.codec.model_file import (
    METADATA_KEY,
    checksum_of,
    fingerprint_of,
    read_facts,
    read_model_file,
    write_model_file,
)
from vqcodec.errors import ModelFileError, OutputError
from vqcodec.priors.grid import GridPrior


@pytest.fixture(params=["image", "residual-speech"])
def path(request, tiny_folder):
    return tiny_folder / f"{request.param}.safetensors"


def contract_of(tensors):
    return {k: v for k, v in tensors.items() if k.startswith(("quantizer.", "prior."))}


def write(tensors, facts, folder):
    """A model file with a matching checksum."""
    facts.pop("checksum", None)
    facts["checksum"] = checksum_of(facts, tensors)
    copy = folder / "copy.safetensors"
    save_file(tensors, copy, metadata={METADATA_KEY: json.dumps(facts)})
    return copy


def rewritten(path, folder, change, *, fingerprint=True):
    """A copy with other tensors and the matching fingerprint."""
    tensors, facts = load_file(path), read_facts(path)
    change(tensors)
    if fingerprint:
        facts["fingerprint"] = fingerprint_of(facts["tables"], contract_of(tensors))
    return write(tensors, facts, folder)


def test_a_rewritten_file_is_the_same_model(path, tmp_path):
    copy, original = read_model(rewritten(path, tmp_path, len)), read_model(path)
    assert copy.fingerprint == original.fingerprint
    assert copy.name == original.name


def test_a_prior_of_other_grids_is_refused(tiny_folder, monkeypatch):
    monkeypatch.setattr(GridPrior, "num_axes", 1)
    with pytest.raises(ModelFileError, match="prior: kind 'grid' is not for image"):
        read_model(tiny_folder / "image.safetensors")


@pytest.mark.parametrize("name", ["image", "speech"])
@pytest.mark.parametrize("graph", ["encoder", "decoder"])
def test_a_network_whose_result_has_another_shape_is_refused(tiny_folder, name, graph):
    model = read_model(tiny_folder / f"{name}.safetensors")
    signal = model.sample(seed=1, width=20, height=20, duration_s=0.02)
    stream = model.compress(signal)

    class Wrong:
        def __getattr__(self, other):
            return getattr(model.parts.networks, other)

        def encode(self, signal, rate, report, *, release):  # noqa: ARG002
            return model.parts.networks.encode(signal, rate, report)[..., :-1]

        def decode(self, latents, rate, corner, speaker, spare_cores, *, release):  # noqa: ARG002
            return latents

    wrong = Model(replace(model.parts, networks=Wrong()), digest="", card={})
    with pytest.raises(ModelFileError, match=f"its {graph} returns"):
        wrong.compress(signal) if graph == "encoder" else wrong.decompress(stream)


def test_int64_arithmetic_gives_the_same_model(path):
    floats, integers = read_model(path), read_model(path, dtype=np.int64)
    size = {"width": 48, "height": 32} if floats.modality == "image" else {"duration_s": 0.05}
    signal = floats.sample(seed=3, **size)
    stream = floats.compress(signal)
    assert integers.compress(signal) == stream
    assert all(map(np.array_equal, integers.indices_of(stream), floats.indices_of(stream)))


def test_a_model_with_another_decoder_reads_old_streams(path, tmp_path):
    def improve(tensors):
        tensors["decoder.head.bias"] = tensors["decoder.head.bias"] + np.float16(0.01)

    better = read_model(rewritten(path, tmp_path, improve))
    original = read_model(path)
    signal = original.sample(seed=0, width=20, height=20, duration_s=0.02)
    assert better.decompress(original.compress(signal)) is not None


@pytest.mark.parametrize("table", ["quantizer", "prior"])
def test_the_fingerprint_depends_on_every_table_of_the_format(path, table):
    tensors, facts = load_file(path), read_facts(path)
    contract = contract_of(tensors)
    before = fingerprint_of(facts["tables"], contract)
    assert before == facts["fingerprint"]
    changed = {**facts["tables"], table: {**facts["tables"][table], "more": 1}}
    assert fingerprint_of(changed, contract) != before
    name = next(key for key in contract if key.startswith(table))
    other = contract[name].copy()
    other.reshape(-1)[0] += 1
    assert fingerprint_of(facts["tables"], {**contract, name: other}) != before
    renamed = {**contract, f"{name}.x": contract[name]}
    assert fingerprint_of(facts["tables"], renamed) != before


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 1000, -1000, -1])
def test_a_truncated_file_is_refused(path, tmp_path, keep):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelFileError):
        read_model(cut)


def test_damage_anywhere_is_refused(path, tmp_path):
    data = path.read_bytes()
    places = np.random.default_rng(0).integers(0, len(data), 60).tolist()
    damaged = tmp_path / "damaged.safetensors"
    for place in [*range(0, 400, 13), *places]:
        changed = bytearray(data)
        changed[place] ^= 0x40
        damaged.write_bytes(changed)
        with pytest.raises(ModelFileError):
            read_model(damaged)


@pytest.mark.parametrize("content", [b"", b"\x89PNG", bytes(100), b"\xff" * 100])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "other.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_model(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_model(tmp_path / "none.safetensors")


def drop(name):
    return lambda tensors: tensors.pop(name)


def put(name, value):
    return lambda tensors: tensors.update({name: value})


def poison(value):
    def change(tensors):
        tensors["decoder.linear.weight"].reshape(-1)[5] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        drop("decoder.linear.weight"),
        drop("prior.features"),
        put("decoder.linear.weight", np.zeros(3, np.float16)),
        put("decoder.surprise", np.zeros(3, np.float16)),
        put("prior.features", np.zeros((1, 2, 3), np.int16)),
        put("prior.rate_state", np.zeros((256, 16), np.int32)),
        poison(np.nan),
        poison(np.inf),
    ],
)
def test_wrong_tensors_with_a_matching_fingerprint_are_refused(path, tmp_path, change):
    copy = rewritten(path, tmp_path, change)
    with pytest.raises(ModelFileError):
        read_model(copy)


def test_tensors_that_numpy_does_not_know_are_refused(path, tmp_path):
    copy = tmp_path / "copy.safetensors"
    header = {
        "__metadata__": {METADATA_KEY: json.dumps(read_facts(path))},
        "prior.features": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]},
    }
    text = json.dumps(header).encode()
    copy.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(ModelFileError):
        read_model(copy)


def test_a_changed_prior_is_refused_by_its_fingerprint(path, tmp_path):
    def change(tensors):
        tensors["prior.rate_state"] = tensors["prior.rate_state"] + np.int16(1)

    copy = rewritten(path, tmp_path, change, fingerprint=False)
    with pytest.raises(ModelFileError, match="fingerprint"):
        read_model(copy)


def in_table(table, **values):
    return lambda facts: facts["tables"][table].update(values)


def replaced(table, value):
    return lambda facts: facts["tables"].update({table: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(format=1),
        lambda facts: facts.update(format=3),
        lambda facts: facts.update(tables=None),
        lambda facts: facts.update(card="text"),
        lambda facts: facts.update(name=7),
        lambda facts: facts["tables"].update(modality="smell"),
        lambda facts: facts["tables"].update(modality=["image"]),
        lambda facts: facts["tables"].pop("prior"),
        lambda facts: facts["tables"].pop("quantizer"),
        lambda facts: facts["tables"].pop("network"),
        replaced("network", []),
        replaced("network", "text"),
        replaced("quantizer", None),
        replaced("quantizer", 3),
        replaced("prior", "grid"),
        in_table("network", dim=0),
        in_table("network", dim=10**30),
        in_table("network", surprise=1),
        in_table("quantizer", kind="magic"),
        in_table("quantizer", kind=["lattice"]),
        in_table("prior", kind="uniform"),
        in_table("prior", groups=[1]),
        in_table("prior", groups="text"),
        in_table("prior", width=17),
    ],
)
def test_invalid_tables_are_refused(path, tmp_path, change):
    tensors, facts = load_file(path), read_facts(path)
    change(facts)
    # Some tables cannot have a fingerprint.
    with contextlib.suppress(LookupError, TypeError, AttributeError):
        facts["fingerprint"] = fingerprint_of(facts["tables"], contract_of(tensors))
    copy = write(tensors, facts, tmp_path)
    with pytest.raises(ModelFileError):
        read_model(copy)


def test_a_file_without_a_checksum_is_refused(path, tmp_path):
    facts = read_facts(path)
    del facts["checksum"]
    copy = tmp_path / "copy.safetensors"
    save_file(load_file(path), copy, metadata={METADATA_KEY: json.dumps(facts)})
    with pytest.raises(ModelFileError, match="checksum"):
        read_model(copy)


@pytest.mark.parametrize("facts", ["", "[]", "{}", "[[[", "7", '{"format": 2}', "[" * 100_000])
def test_invalid_facts_are_refused(path, tmp_path, facts):
    copy = tmp_path / "copy.safetensors"
    save_file(load_file(path), copy, metadata={METADATA_KEY: facts})
    with pytest.raises(ModelFileError):
        read_model(copy)


@pytest.fixture
def file(path):
    return read_model_file(path)


def write_anew(file, path, tensors):
    write_model_file(path, name="x", tables=file.tables, tensors=tensors, card={})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_with_weights_that_are_not_finite_is_not_written(file, tmp_path, value):
    poison(value)(file.tensors)
    message = "decoder.linear.weight has values that are not finite"
    with pytest.raises(ModelFileError, match=message):
        write_anew(file, tmp_path / "x.safetensors", file.tensors)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_written_leaves_nothing(file, tmp_path):
    with pytest.raises(OutputError, match=r"none.x\.safetensors: No such file"):
        write_anew(file, tmp_path / "none" / "x.safetensors", file.tensors)
    (tmp_path / "x.safetensors").mkdir()
    with pytest.raises(OutputError, match=r"x\.safetensors: is a folder"):
        write_anew(file, tmp_path / "x.safetensors", file.tensors)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.safetensors"]


def test_tensors_that_shrink_are_deflated_and_come_back(file, path, tmp_path):
    tensors = {
        **file.tensors,
        "prior.zeros": np.zeros((300, 200), np.float32),
        "prior.steps": np.arange(100_000, dtype=np.int32).reshape(10, -1),
        "prior.halves": np.linspace(-1, 1, 50_000).astype(np.float16).T,
        "prior.noise": np.random.default_rng(0).integers(0, 256, 100_000).astype(np.uint8),
        "prior.scalar": np.float32(1.5).reshape(()),
    }
    write_anew(file, tmp_path / "deflated.safetensors", tensors)
    deflated = read_facts(tmp_path / "deflated.safetensors")["deflated"]
    assert {"prior.zeros", "prior.steps", "prior.halves"} <= set(deflated)
    assert not {"prior.noise", "prior.scalar"} & set(deflated)
    stored = load_file(tmp_path / "deflated.safetensors")
    assert stored["prior.zeros"].nbytes < 1000
    again = read_model_file(tmp_path / "deflated.safetensors").tensors
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype
        assert np.array_equal(again[name], tensor)
        assert again[name].shape == tensor.shape


@pytest.fixture
def with_zeros(file, tmp_path):
    write_anew(file, tmp_path / "z.safetensors", {"prior.zeros": np.zeros(70_000, np.int16)})
    return load_file(tmp_path / "z.safetensors"), read_facts(tmp_path / "z.safetensors")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib data",
        zlib.compress(bytes(139_999)),
        zlib.compress(bytes(140_001)),
        zlib.compress(bytes(1 << 26)),  # a bomb
        zlib.compress(bytes(140_000)) + b"more",
        zlib.compress(bytes(140_000))[:-1],
    ],
)
def test_damaged_deflated_tensors_are_refused(with_zeros, tmp_path, data):
    stored, facts = with_zeros
    stored["prior.zeros"] = np.frombuffer(data, np.uint8)
    copy = tmp_path / "copy.safetensors"
    save_file(stored, copy, metadata={METADATA_KEY: json.dumps(facts)})
    with pytest.raises(
        ModelFileError, match=r"copy\.safetensors: .*tensor prior\.zeros is damaged"
    ):
        read_model_file(copy)


@pytest.mark.parametrize(
    "deflated",
    [
        [],
        7,
        {"prior.none": {"dtype": "I16", "shape": [70_000]}},
        {"prior.zeros": {"dtype": "I16"}},
        {"prior.zeros": {"dtype": "O", "shape": [70_000]}},
        {"prior.zeros": {"dtype": ["I16"], "shape": [70_000]}},
        {"prior.zeros": {"dtype": "I16", "shape": 70_000}},
        {"prior.zeros": {"dtype": "I16", "shape": [-1, -70_000]}},
        {"prior.zeros": {"dtype": "I16", "shape": [1 << 28]}},  # more than is allowed
        {"prior.zeros": {"dtype": "I16", "shape": [10**30]}},
        {"prior.zeros": {"dtype": "I16", "shape": [70_000.5]}},
        {"prior.zeros": {"dtype": "I16", "shape": [math.inf]}},
        {"prior.zeros": {"dtype": "I16", "shape": [True]}},
        {"prior.zeros": {"dtype": "I16", "shape": [10**4000] * 300}},  # a product of seconds
    ],
)
def test_wrong_facts_of_deflated_tensors_are_refused(with_zeros, tmp_path, deflated):
    stored, facts = with_zeros
    copy = tmp_path / "copy.safetensors"
    text = json.dumps({**facts, "deflated": deflated})
    save_file(stored, copy, metadata={METADATA_KEY: text})
    # Found before the checksum is: nothing of a forged size is allocated.
    with pytest.raises(ModelFileError, match=r"copy\.safetensors: not a model that this version"):
        read_model_file(copy)


def test_no_more_is_deflated_than_can_be_read(file, tmp_path, monkeypatch):
    monkeypatch.setattr("vqcodec.codec.deflated.MOST_BYTES", 200_000)
    zeros = {f"prior.zeros{number}": np.zeros(80_000, np.int8) for number in range(3)}
    copy = tmp_path / "copy.safetensors"
    write_anew(file, copy, file.tensors | zeros)
    assert len(read_facts(copy)["deflated"]) == 2
    assert set(read_model_file(copy).tensors) >= set(zeros)


def test_the_file_does_not_depend_on_the_order_of_tensors(file, tmp_path):
    write_anew(file, tmp_path / "one.safetensors", file.tensors)
    turned = dict(reversed(file.tensors.items()))
    write_anew(file, tmp_path / "two.safetensors", turned)
    one, two = sorted(tmp_path.iterdir())
    assert one.read_bytes() == two.read_bytes()
