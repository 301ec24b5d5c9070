"""Records are written one by one, and survive an interruption of the run."""

from dataclasses import replace

import numpy as np
import pytest
from comparing import Coarse, compare_plainly, pictures_in
from tiny import load_tiny_model, tiny_model_path

from vqcodec.codec.loading import read_model
from vqcodec.codec.model_file import read_model_file, write_model_file
from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.evaluation import run
from vqcodec.evaluation.journal import Journal, key_of_record, keys_of_tasks, read_finished
from vqcodec.evaluation.run import Task, measure_all
from vqcodec.evaluation.table import build_json_lines, parse_json_lines


@pytest.fixture
def tasks(tmp_path):
    codec = Coarse()
    return [Task(path, codec, 4) for path in pictures_in(tmp_path, "a.png", "b.png", "c.png")]


@pytest.fixture
def records(tasks, monkeypatch):
    monkeypatch.setattr(run, "compare", compare_plainly)
    return measure_all(tasks)


def test_a_record_has_the_key_of_its_task(tasks, records):
    keys = keys_of_tasks(tasks)
    assert list(map(key_of_record, records)) == keys
    assert len(set(keys)) == 3  # equal pictures, other names
    pictures_in(tasks[0].path.parent, "a.png", width=17)
    assert keys_of_tasks(tasks)[0] != keys[0]
    assert keys_of_tasks(tasks)[1:] == keys[1:]


def test_further_training_changes_the_key(image_model, tasks, tmp_path):
    def keys(model):
        return keys_of_tasks([Task(tasks[0].path, model, 5)])

    assert keys(load_tiny_model("image")) == keys(image_model)
    file, path = read_model_file(tiny_model_path("image")), tmp_path / "renewed.safetensors"
    name = next(name for name in file.tensors if name.startswith("decoder."))
    tensors = {**file.tensors, name: file.tensors[name] + np.float16(1)}
    write_model_file(path, name="image", tables=file.tables, tensors=tensors, card=file.card)
    renewed = read_model(path)
    assert renewed.fingerprint == image_model.fingerprint
    assert keys(renewed) != keys(image_model)


@pytest.mark.parametrize("cut", [1, 20])
def test_an_interrupted_run_is_read_and_resumed(tasks, records, tmp_path, cut):
    path, keys = tmp_path / "records.jsonl", keys_of_tasks(tasks)
    journal = Journal(path, resume=False)
    for record in records[:2]:
        journal.append(record)
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_finished(path, keys) == {keys[0]: records[0]}
    journal = Journal(path, resume=True)
    journal.append(records[2])
    journal.append(records[1])
    assert parse_json_lines(path.read_text()) == [records[0], records[2], records[1]]
    Journal(path, resume=False).append(records[1])
    assert parse_json_lines(path.read_text()) == [records[1]]


def test_no_file_is_written_without_a_record(tmp_path):
    Journal(tmp_path / "records.jsonl", resume=False)
    assert not (tmp_path / "records.jsonl").exists()
    with pytest.raises(OutputError, match="records"):
        Journal(tmp_path / "no" / "records.jsonl", resume=False).append(None)


def test_records_of_other_tasks_are_refused(tasks, records, tmp_path):
    path = tmp_path / "records.jsonl"
    for change in ({"file": "d.png"}, {"codec_digest": "1"}, {"quality": 3}, {"file_digest": "2"}):
        path.write_text(build_json_lines([records[0], replace(records[1], **change)]))
        with pytest.raises(UsageError, match="1 of its records"):
            read_finished(path, keys_of_tasks(tasks))
    path.write_text("{}\n")
    with pytest.raises(InputError, match=r"records\.jsonl: line 1"):
        read_finished(path, [])
    path.write_bytes(b"\xff\n")
    with pytest.raises(InputError, match=r"records\.jsonl: "):
        read_finished(path, [])
    with pytest.raises(InputError, match="missing"):
        read_finished(tmp_path / "missing", [])
