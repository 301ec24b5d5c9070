"""The split into training and held-out files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from vqcodec.errors import ConfigError, InputError
from vqcodec.training.manifest import (
    Manifest,
    check_files,
    check_split,
    read_manifest,
    split_files,
)

FILES = [f"folder/{speaker}-{number}.wav" for speaker in "abcdefgh" for number in range(4)]


def split(files, seed=0, share=0.25, separator=""):
    return split_files(files, seed=seed, valid_fraction=share, group_separator=separator)


def test_every_file_is_in_one_part():
    found = split(FILES)
    assert sorted(found.train + found.valid) == FILES
    assert not set(found.train) & set(found.valid)
    assert 1 <= len(found.valid) <= 16


def test_the_order_of_the_files_does_not_matter():
    assert split(FILES) == split(FILES[::-1])


def test_another_seed_is_another_split():
    assert len({split(FILES, seed=seed).valid for seed in range(5)}) > 1


def test_a_group_is_held_out_whole():
    found = split(FILES, separator="-")
    held_out = {Path(name).stem.split("-")[0] for name in found.valid}
    learnt_from = {Path(name).stem.split("-")[0] for name in found.train}
    assert held_out
    assert not held_out & learnt_from


def test_a_group_is_the_same_in_any_folder():
    moved = [f"elsewhere/{Path(name).name}" for name in FILES]
    splits = [split(files, separator="-") for files in (FILES, moved)]
    names = [[Path(name).name for name in found.valid] for found in splits]
    assert names[0] == names[1]


def test_adding_files_moves_no_other_file():
    before, after = split(FILES[:20]), split(FILES)
    assert set(before.valid) <= set(after.valid)
    assert set(before.train) <= set(after.train)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999999])
@pytest.mark.parametrize("count", [2, 3, 32])
def test_neither_part_is_empty(share, count):
    found = split(FILES[:count], share=share)
    assert found.train
    assert found.valid
    assert not set(found.train) & set(found.valid)


@pytest.mark.parametrize(("files", "separator"), [(FILES[:1], ""), (FILES[:4], "-")])
def test_a_single_group_is_in_both_parts(files, separator):
    found = split(files, separator=separator)
    assert found.train == found.valid == tuple(files)


def test_a_split_is_read_as_it_was_written(tmp_path):
    found = split(FILES)
    found.write(tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"train": ["a"]}', '{"train": 1, "valid": 2}'])
def test_a_damaged_split_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="not a readable list"):
        read_manifest(tmp_path / "manifest.json")


def test_a_missing_split_is_refused(tmp_path):
    with pytest.raises(InputError):
        read_manifest(tmp_path / "manifest.json")


def test_a_manifest_may_be_empty(tmp_path):
    Manifest(train=(), valid=()).write(tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == Manifest(train=(), valid=())


def test_the_same_files_by_another_path_are_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = split(FILES)
    check_files(found, [tmp_path / path for path in FILES], tmp_path)
    check_split(found, split([tmp_path / path for path in FILES]), tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (FILES[1:], r"/folder/a-0\.wav \(missing\)$"),
        ([*FILES, "i.wav"], r"/i\.wav \(new\)$"),
        (["i.wav", *FILES[1:]], r"/folder/a-0\.wav \(missing\), \S+/i\.wav \(new\)$"),
        (FILES[5:], r"a-0\.wav, \S+a-1\.wav, \S+a-2\.wav and 2 more \(missing\)$"),
    ],
)
def test_other_files_than_those_of_the_manifest_are_named(files, message):
    with pytest.raises(ConfigError, match="^run: was begun with other files: .*" + message):
        check_files(split(FILES), files, Path("run"))


def test_another_split_of_the_same_files_is_refused():
    with pytest.raises(ConfigError, match="another seed, which holds out other files"):
        check_split(split(FILES), split(FILES, seed=1), Path("run"))


def test_paths_and_their_names_are_split_alike():
    assert split(map(Path, FILES)) == split(FILES)


def split_more(files, kept, separator=""):
    return split_files(files, seed=0, valid_fraction=0.04, group_separator=separator, kept=kept)


@pytest.mark.parametrize("separator", ["", "-"])
def test_more_files_leave_those_of_a_run_where_they_are(separator):
    names = [f"{speaker}-{number}.wav" for speaker in "abcdefgh" for number in range(8)]
    for count in range(16, 64, 8):
        kept = split_more(names[:count], None, separator)
        found = split_more([f"moved/{name}" for name in names], kept, separator)
        assert {f"moved/{name}" for name in kept.valid} <= set(found.valid)
        assert {f"moved/{name}" for name in kept.train} <= set(found.train)
        assert len(found.files) == len(names)


def test_files_that_a_run_was_trained_on_are_judged_by_its_held_out_ones():
    kept = Manifest(train=("a.wav", "b.wav"), valid=("c.wav",))
    assert split_more(["b.wav"], kept) == Manifest(train=("b.wav",), valid=("c.wav",))
    assert split_more(["b.wav", "d.wav"], kept) == Manifest(train=("b.wav",), valid=("d.wav",))
    assert split_more(["d.wav"], kept) == Manifest(train=("d.wav",), valid=("c.wav",))
    assert split_more(["c.wav", "d.wav"], kept) == Manifest(train=("d.wav",), valid=("c.wav",))
    with pytest.raises(ConfigError, match="all 1 files are held out of this run"):
        split_more(["c.wav"], kept)


def test_a_run_of_a_single_group_has_held_nothing_out():
    kept = Manifest(train=("a.wav",), valid=("a.wav",))
    assert split_more(["a.wav"], kept) == kept
    assert split_more(["a.wav", "b.wav"], kept) == Manifest(train=("a.wav",), valid=("b.wav",))


@pytest.mark.skipif(sys.platform == "win32", reason="names are UTF-16 there")
def test_names_that_are_not_utf8_are_split(tmp_path):
    names = [os.fsdecode(b"%d-\xff.png" % number) for number in range(20)]
    split = split_files(names, seed=1, valid_fraction=0.5)
    assert split.train and split.valid
    split.write(tmp_path / "manifest.json")
    assert sorted(read_manifest(tmp_path / "manifest.json").files) == sorted(names)
