"""File names that are not UTF-8: every command takes them."""

import csv
import json
import shutil
import tarfile

import pytest

NAMES = ["a\udcff.png", "a\udcfe.png"]  # the bytes 0xff and 0xfe


@pytest.fixture
def folder(tmp_path, photo):
    (tmp_path / "in").mkdir()
    for name in NAMES:
        try:
            shutil.copy(photo, tmp_path / "in" / name)
        except (OSError, UnicodeError):  # macOS and Windows
            pytest.skip("the file system takes UTF-8 only")
    return tmp_path


def test_tokens_name_them_with_escapes(folder, vqc):
    for _ in range(2):  # the second time, the shard is known to be complete
        assert vqc("tokens", "in", "-o", "out.tar", "--resume", "--quiet").exit_code == 0
    with tarfile.open(folder / "out-00000.tar") as shard:
        facts = [json.load(shard.extractfile(m)) for m in shard if m.name.endswith(".json")]
    assert sorted(fact["file"] for fact in facts) == ["a\\udcfe.png", "a\\udcff.png"]


def test_records_name_them_with_escapes(folder, vqc):
    assert vqc("eval", "in", "-o", "records.csv", "--quality", "5").exit_code == 0
    with (folder / "records.csv").open(encoding="utf-8") as file:
        assert {row["file"] for row in csv.DictReader(file)} >= {"a\\udcfe.png", "a\\udcff.png"}
