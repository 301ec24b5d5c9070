"""Shards of tokens: what is written is read back, and what is damaged is refused."""

from __future__ import annotations

import io
import json
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tiny import noise_clip, noise_picture, same_signal, tiny_model_path

from vqcodec.codec.model import Model
from vqcodec.errors import InputError, MissingModelError, OutputError, UsageError
from vqcodec.signals.files import write_signal
from vqcodec.tokens import TokenDataset, Tokens, decode, encode_file, read
from vqcodec.tokens.shards import plan_shards, require_no_more_shards

needs_pyarrow = pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
SUFFIXES = [".tar", pytest.param(".parquet", marks=needs_pyarrow)]


def tokens_of(indices, *, file="a.wav", size=16, **facts):
    known = {"rate": 4, "quality": 5.0, "fingerprint": "0a0b0c0d", "model": "tiny"}
    known |= {"num_samples": 5, "sample_rate": 16000, "duration_s": 5 / 16000} | facts
    return Tokens(indices=np.array(indices, np.uint16), codebook_size=size, file=file, **known)


def shard_of(path, entries):
    files = [(entry.file, entry.file) for entry in entries]
    (shard,) = plan_shards(files, str(path), len(files))
    shard.write(entries, overwrite=True)
    return shard


def same(one, other):
    return one.facts() == other.facts() and np.array_equal(one.indices, other.indices)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "indices",
    [
        np.zeros((3, 0)),
        [[15]],
        np.arange(12).reshape(2, 6),
        np.arange(12).reshape(2, 3, 2),
    ],
)
def test_entries_are_read_as_they_were_written(tmp_path, suffix, indices):
    entries = [tokens_of(indices, file="ü/a.wav"), tokens_of([[1, 2]], file="b", width=3, height=9)]
    shard = shard_of(tmp_path / f"x{suffix}", entries)
    assert shard.name == str(tmp_path / f"x-00000{suffix}")
    found = list(read(tmp_path))
    assert len(found) == 2
    assert all(same(one, other) for one, other in zip(found, entries, strict=True))
    assert found[0].indices.dtype == np.uint16


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_entries_give_equal_files(tmp_path, suffix):
    entries = [tokens_of([[1, 2]])]
    written = [
        Path(shard_of(tmp_path / f"{n}{suffix}", entries).name).read_bytes() for n in range(2)
    ]
    assert written[0] == written[1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_shard_is_refused(tmp_path, suffix):
    entries = [tokens_of(np.ones((4, 70)), file=name) for name in "ab"]
    shard = shard_of(tmp_path / f"x{suffix}", entries)
    path = Path(shard.name)
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) if suffix == ".tar" else len(whole)
    for length in {0, 1, 511, 700, *range(512, end, 512), end // 3, end // 2, end - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            list(read(path))
        with pytest.raises(InputError, match="damaged"):
            shard.is_complete("0a0b0c0d", 4)


def test_no_entry_after_a_damaged_header_is_left_out(tmp_path):
    path = Path(shard_of(tmp_path / "x.tar", [tokens_of([[1]]), tokens_of([[2]], file="b")]).name)
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        starts = [member.offset for member in archive]
    for start in starts[1:]:
        damaged = bytearray(whole)
        damaged[start + 5] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="a member cannot be read"):
            list(read(path))
    path.write_bytes(whole + whole)  # a reader stops at the first end mark
    with pytest.raises(InputError, match="a member cannot be read"):
        list(read(path))


@pytest.mark.parametrize(
    ("shape", "data"), [("(1099511627776,)", b""), ("(2, 1)", bytes(4))], ids=["huge", "transposed"]
)
def test_an_array_of_another_size_than_its_facts_is_refused(tmp_path, shape, data):
    header = f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data
    facts = json.dumps(tokens_of([[0, 0]]).facts()).encode()
    write_members(tmp_path / "x.tar", {"0.npy": array, "0.json": facts})
    with pytest.raises(InputError, match=r"x\.tar: (an entry|not a shard)"):
        list(read(tmp_path / "x.tar"))


@pytest.mark.parametrize("facts", [[1], {"fingerprint": "0a0b0c0d", "rate": 4, "file": ["a"]}])
def test_whether_a_shard_is_complete_is_told_of_any_facts(tmp_path, facts):
    (shard,) = plan_shards([("a", "a")], str(tmp_path / "x.tar"), 1)
    write_members(Path(shard.name), {"0.json": json.dumps(facts).encode()})
    with pytest.raises((InputError, UsageError)):
        shard.is_complete("0a0b0c0d", 4)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3, 1]},
        {"shape": [2]},
        {"shape": [-1, -2]},
        {"shape": None},
        {"rate": 256},
        {"rate": "4"},
        {"rate": True},
        {"codebook_size": 2},
        {"fingerprint": None},
        {"fingerprint": "https://example.com/x.safetensors"},
        {"shape": [True, 2]},
        {"duration_s": 10**400},
        {"quality": "high"},
        {"width": 0.5},
    ],
)
def test_an_entry_whose_facts_are_wrong_is_refused(tmp_path, change):
    path = tmp_path / "x.tar"
    facts = tokens_of([[1, 3]]).facts() | change
    array = io.BytesIO()
    np.save(array, np.array([[1, 3]], np.uint16))
    write_members(path, {"0.npy": array.getvalue(), "0.json": json.dumps(facts).encode()})
    with pytest.raises(InputError, match=r"x\.tar: an entry"):
        list(read(path))


HUGE_SHAPE = str({"descr": "<u2", "fortran_order": False, "shape": (1 << 70,)})


@pytest.mark.parametrize("header", [HUGE_SHAPE, 8_000 * "(", None])
def test_a_hostile_array_is_refused(tmp_path, header):
    text = (header or "").ljust(8_100).encode() + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    facts = json.dumps(tokens_of([[1]]).facts()).encode()
    path = tmp_path / "x.tar"
    write_members(path, {"0.npy": array if header else b"PK\3\4", "0.json": facts})
    with pytest.raises(InputError, match="damaged"):
        list(read(path))


def test_arrays_are_never_unpickled(tmp_path):
    path, array = tmp_path / "x.tar", io.BytesIO()
    np.save(array, np.array([{"a": 1}], object), allow_pickle=True)
    facts = json.dumps(tokens_of([[1]]).facts()).encode()
    write_members(path, {"0.npy": array.getvalue(), "0.json": facts})
    with pytest.raises(InputError, match="damaged"):
        list(read(path))


def test_an_entry_without_its_json_is_refused(tmp_path):
    path, array = tmp_path / "x.tar", io.BytesIO()
    np.save(array, np.ones((1, 1), np.uint16))
    write_members(path, {"readme.txt": b"hello", "0.npy": array.getvalue()})
    with pytest.raises(InputError, match="without"):
        list(read(path))


def write_members(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_what_is_no_shard_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file or directory"):
        list(read(tmp_path / "none.tar"))
    with pytest.raises(InputError, match="no file in it"):
        list(read(tmp_path))
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError, match="shards end in"):
        list(read(tmp_path / "a.txt"))
    with pytest.raises(UsageError, match="ends in"):
        plan_shards([], "a.npz", 1)
    files = [("x/a.wav", "a.wav"), ("y/a.wav", "a.wav")]
    with pytest.raises(UsageError, match="both would be"):
        plan_shards(files, "a.tar", 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_shard_is_complete_with_all_its_files_of_the_model_at_the_rate(tmp_path, suffix):
    entries = [tokens_of([[1]], file="a"), tokens_of([[2]], file="b")]
    files = [(name, name) for name in "ab"]
    (shard,) = plan_shards(files, str(tmp_path / f"x{suffix}"), 2)
    assert not shard.is_complete("0a0b0c0d", 4)
    shard.write(entries[:1], overwrite=False)
    assert not shard.is_complete("0a0b0c0d", 4)
    with pytest.raises(OutputError, match="exists"):
        shard.write(entries, overwrite=False)
    shard.write(entries, overwrite=True)
    assert shard.is_complete("0a0b0c0d", 4)
    for other in (("0a0b0c0d", 5), ("ffffffff", 4)):
        with pytest.raises(UsageError, match="-f overwrites"):
            shard.is_complete(*other)


def test_a_damaged_shard_is_not_overwritten(tmp_path):
    (shard,) = plan_shards([("a", "a")], str(tmp_path / "x.tar"), 1)
    Path(shard.name).write_bytes(b"damaged")
    with pytest.raises(InputError, match="remove it, and it is written again"):
        shard.is_complete("0a0b0c0d", 4)


def test_hidden_files_are_no_shards(tmp_path):
    shard_of(tmp_path / "x.tar", [tokens_of([[1]])])
    (tmp_path / ".vqcodec-0123.tar").write_bytes(b"of a command that was killed")
    assert len(list(read(tmp_path))) == 1


def test_what_is_no_file_or_no_model_is_told(audio_model, sound):
    with pytest.raises(UsageError, match="source: AudioClip, needed a path"):
        encode_file(noise_clip(500), audio_model)
    with pytest.raises(UsageError, match="model: str, needed one"):
        encode_file(sound, "speech")
    with pytest.raises(UsageError, match="model: str, needed one"):
        decode(encode_file(sound, audio_model), "speech")
    with pytest.raises(UsageError, match="tokens: int, needed one"):
        decode(5)
    assert same(encode_file(f"file://{sound}", audio_model), encode_file(sound, audio_model))


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.wav"
    with path.open("wb") as file:
        write_signal(noise_clip(5001, channels=2, sample_rate=22_050), file, "WAV")
    return path


@pytest.mark.parametrize("name", ["speech", "residual-speech", "image", "residual-image"])
def test_tokens_decode_to_the_size_of_their_file(tmp_path, tiny_models, sound, name):
    model: Model = tiny_models[name]
    path = sound
    if model.modality == "image":
        path = tmp_path / "picture.png"
        with path.open("wb") as file:
            write_signal(noise_picture(45, 33), file, "PNG")
    tokens = encode_file(path, model, quality=7)
    assert tokens.modality == model.modality
    assert (tokens.fingerprint, tokens.rate) == (model.fingerprint, model.rate_of(7))
    assert int(tokens.indices.max()) < tokens.codebook_size
    found = decode(tokens, model)
    if model.modality == "image":
        assert (found.width, found.height) == (45, 33) == (tokens.width, tokens.height)
        (coded,) = model.indices_of(model.compress(read_picture(path), quality=7))
        assert tokens.indices.shape == coded.shape
    else:
        assert found.waveform.shape == (1, 5001)
        assert found.sample_rate == 22_050
        assert tokens.duration_s == pytest.approx(5001 / 22_050)
    (shard,) = plan_shards([(str(path), path.name)], str(tmp_path / "x.tar"), 1)
    shard.write([tokens], overwrite=False)
    assert same_signal(decode(next(read(shard.name)), model), found)


def read_picture(path):
    import vqcodec

    return vqcodec.read(path)


def test_single_codebooks_have_one_row(tmp_path):
    import vqcodec

    model = vqcodec.load(tiny_model_path("scalar-image"))
    path = tmp_path / "picture.png"
    with path.open("wb") as file:
        write_signal(noise_picture(45, 33), file, "PNG")
    tokens = encode_file(path, model)
    assert tokens.indices.shape == (1, 3, 3)
    assert tokens.codebook_size == 45


def test_tokens_are_decoded_by_their_own_model_only(audio_model, residual_audio_model, sound):
    tokens = encode_file(sound, audio_model)
    with pytest.raises(UsageError, match="not of"):
        decode(tokens, residual_audio_model)
    with pytest.raises(MissingModelError):
        decode(tokens)


def test_a_dataset_gives_windows_that_a_loader_can_stack(tmp_path):
    entries = [tokens_of(np.arange(2 * n).reshape(2, n) % 16, file=str(n)) for n in (3, 9, 4)]
    shard_of(tmp_path / "x.tar", entries)
    dataset = TokenDataset(tmp_path, frames=4)
    assert (len(dataset), dataset.num_codebooks, dataset.codebook_size) == (3, 2, 16)
    assert [item.shape for item in dataset] == [(2, 4)] * 3
    assert np.array_equal(dataset[1], entries[1].indices[:, 4:8])
    assert dataset[0].dtype == np.int64
    assert dataset.file_of(2).file == "4"
    assert len(TokenDataset(tmp_path, frames=4, stride=1)) == 6 + 1
    assert [item.shape[1] for item in TokenDataset(tmp_path)] == [3, 9, 4]
    for frames, stride in ((0, None), (10, None), (None, 2), ("4", None), (4.5, None), (4, 2.5)):
        with pytest.raises(UsageError):
            TokenDataset(tmp_path, frames=frames, stride=stride)


def test_a_dataset_has_one_model_and_one_rate(tmp_path):
    shard_of(tmp_path / "x.tar", [tokens_of([[1]]), tokens_of([[1]], file="b", rate=5)])
    with pytest.raises(UsageError, match="several"):
        TokenDataset(tmp_path)


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_loader_of_torch_takes_a_dataset(tmp_path):
    from torch.utils.data import DataLoader

    shard_of(tmp_path / "x.tar", [tokens_of(np.ones((2, 9)))])
    batches = list(DataLoader(TokenDataset(tmp_path, frames=3), batch_size=2))
    assert [tuple(batch.shape) for batch in batches] == [(2, 2, 3), (1, 2, 3)]


@pytest.mark.skipif(find_spec("fsspec") is None, reason="fsspec is not installed")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_shards_may_be_at_urls(suffix):
    folder = f"memory://tokens-of-tests/{suffix[1:]}"
    entries = [tokens_of([[1, 2]], file="a"), tokens_of([[3]], file="b")]
    shards = plan_shards([("a", "a"), ("b", "b")], f"{folder}/x{suffix}", 1)
    for shard, entry in zip(shards, entries, strict=True):
        assert not shard.is_complete("0a0b0c0d", 4)
        shard.write([entry], overwrite=False)
        assert shard.is_complete("0a0b0c0d", 4)
    with pytest.raises(OutputError):
        shards[0].write(entries[:1], overwrite=False)
    assert [tokens.file for tokens in read(folder)] == ["a", "b"]
    assert [tokens.file for tokens in read(shards[1].name)] == ["b"]
    with pytest.raises(InputError, match="No such file or directory"):
        list(read(f"{folder}/none{suffix}"))


@pytest.mark.skipif(find_spec("fsspec") is None, reason="fsspec is not installed")
def test_later_shards_at_urls_are_found_in_their_folder_alone():
    import fsspec

    folder = "memory://later-shards"
    require_no_more_shards(f"{folder}/x.tar", 1)  # the folder does not exist
    for name in ("x-00000.tar", "below/x-00007.tar", "y-00007.tar", "x-7.tar"):
        with fsspec.open(f"{folder}/{name}", "wb") as file:
            file.write(b"a shard")
    require_no_more_shards(f"{folder}/x.tar", 1)
    with fsspec.open(f"{folder}/x-00005.tar", "wb") as file:
        file.write(b"a shard")
    with pytest.raises(UsageError, match=r"x-00005\.tar: an earlier command"):
        require_no_more_shards(f"{folder}/x.tar", 1)
