"""Work on a Ray cluster: results, failures, workers that end, and the command."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tiny import noise_picture
from working import Working

import vqcodec
from vqcodec.cluster.connection import Cluster, connected
from vqcodec.cluster.run import MAX_ATTEMPTS, run_on_cluster
from vqcodec.cluster.worker import Shared
from vqcodec.errors import InputError, UsageError, VqcodecError

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
TWO = Cluster(address="local", workers=2)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A cluster that this process is connected to, since one takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        folders = Path(__file__).parent, Path(__file__).parents[1]  # workers import this module
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
        with connected(Cluster(address="local", workers=3), 0):
            yield
    assert not ray.is_initialized()


class Outcomes:
    """What a run tells."""

    def __init__(self):
        self.results, self.errors = {}, {}

    def run(self, work, items, **options):
        def finished(index, result):
            assert index not in self.results
            self.results[index] = result

        def failed(index, error):
            assert index not in self.errors
            self.errors[index] = error

        run_on_cluster(work, items, TWO, finished=finished, failed=failed, **options)
        return self


def test_every_item_has_one_result():
    outcomes = Outcomes().run(Working(), range(200))
    assert {index: result[0] for index, result in outcomes.results.items()} == {
        number: number**2 for number in range(200)
    }
    assert {result[1] for result in outcomes.results.values()} == {1}  # loaded once for each worker
    assert 1 <= len({result[2] for result in outcomes.results.values()}) <= 2
    assert {result[3] for result in outcomes.results.values()} == {"1"}
    assert not outcomes.errors


def test_failures_are_listed_and_do_not_stop_the_rest():
    items = [1, -1, 2, -2, 3, -3, 4, -3]
    outcomes = Outcomes().run(Working(), items)
    assert sorted(outcomes.results) == [0, 2, 4, 6]
    assert sorted(outcomes.errors) == [1, 3, 5, 7]
    assert isinstance(outcomes.errors[1], InputError)
    assert "ZeroDivisionError" in str(outcomes.errors[3])
    assert "working.py:" in str(outcomes.errors[3])
    assert f"{MAX_ATTEMPTS} workers tried it" in str(outcomes.errors[5])


def work_in_folder(folder_and_number):
    """Write a file; the first to come to a number ending in 7 is killed after that."""
    folder, number, retried = folder_and_number
    path = Path(folder, f"{number}-{retried}")
    path.touch()
    if number % 10 == 7 and not retried:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_work_of_a_killed_worker_is_done_again(tmp_path):
    items = [(str(tmp_path), number, False) for number in range(40)]
    outcomes = Outcomes().run(work_in_folder, items, retried=lambda item: (item[0], item[1], True))
    assert outcomes.results == {number: number for number in range(40)}
    again = sorted(int(path.name.partition("-")[0]) for path in tmp_path.glob("*-True"))
    assert set(again) >= {7, 17, 27, 37}
    assert len(again) <= 8  # a result may be lost with its worker, but no whole batch


_found = {}


def keep(names, lookup):
    _found.update({name: lookup(name) for name in names})


def look_up(name):
    return _found[name]


def test_shared_data_reach_every_worker():
    data = b"x" * 1_000_000
    shared = Shared(data={"a": data, "b": data, "c": b"y"}, begin=keep)
    outcomes = Outcomes().run(look_up, ["a", "b", "c"], shared=shared)
    assert outcomes.results == {0: data, 1: data, 2: b"y"}


def fail_to_load():
    raise ImportError("no such module here")


class Unloadable:
    def __reduce__(self):
        return fail_to_load, ()

    def __call__(self, item):
        return item


def test_workers_that_cannot_start_are_given_up():
    with pytest.raises(VqcodecError, match=r"end before they do anything: .*no such module here"):
        Outcomes().run(Unloadable(), [1, 2, 3])


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr("vqcodec.cluster.run.__version__", "0.0.1")
    with pytest.raises(
        UsageError, match=r"the cluster has vqcodec .*, and this command is 0\.0\.1"
    ):
        Outcomes().run(Working(), [1])


def test_no_items_need_no_cluster():
    assert not Outcomes().run(Working(), []).results


def slow(item):
    time.sleep(0.3)
    return item


def test_batches_are_sized_by_bytes():
    from vqcodec.cluster.run import BATCH_BYTES

    outcomes = Outcomes().run(slow, range(6), size_of=lambda _: BATCH_BYTES)
    assert len(outcomes.results) == 6


NUM_PICTURES = 40


@pytest.fixture
def pictures(tmp_path, tiny_folder, monkeypatch):
    """A folder of thumbnails, one of them damaged; the tiny models are installed here alone."""
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_folder))
    (tmp_path / "in").mkdir()
    for index in range(NUM_PICTURES):
        vqcodec.write(tmp_path / "in" / f"{index}.png", noise_picture(160 + index, 120))
    (tmp_path / "in" / "broken.png").write_bytes(b"broken")
    return tmp_path / "in"


def contents(folder):
    """The files in a folder, without those that a killed process could not remove."""
    paths = [path for path in folder.rglob("*") if not path.name.startswith(".vqcodec-")]
    return {path.name: path.read_bytes() for path in paths}


def workers():
    """The processes of workers on the cluster of this process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            above = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it has ended
            continue
        if name.startswith(b"ray::Actor") and above == os.getpid():
            found.append(int(folder.name))
    return found


def test_nothing_is_lost_when_workers_are_killed(vqc, pictures, tmp_path):
    assert vqc("compress", "in", "-o", "jobs", "--jobs", "2", "-q").exit_code == 3
    killed, stop = [], threading.Event()

    def kill():
        while not stop.wait(0.2):
            for pid in workers()[:1]:
                if len(killed) < 4 and any((tmp_path / "ray").glob("*.vqc")):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    stop.wait(1)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outcome = vqc("compress", "in", "-o", "ray", "--ray", "--jobs", "2", "--json")
    finally:
        stop.set()
        killer.join()
    assert killed
    assert outcome.exit_code == 3
    records = outcome.json["files"]
    assert sum(record["ok"] for record in records) == NUM_PICTURES
    assert [record["input"] for record in records if not record["ok"]] == ["in/broken.png"]
    assert contents(tmp_path / "ray") == contents(tmp_path / "jobs")
    assert len(contents(tmp_path / "ray")) == NUM_PICTURES
    assert vqc("decompress", "ray", "-o", "back", "--ray", "--jobs", "2", "-q").exit_code == 0
    assert len(contents(tmp_path / "back")) == NUM_PICTURES


def test_a_run_whose_driver_is_killed_goes_on_where_it_ended(vqc, pictures, tmp_path):
    address = ray.get_runtime_context().gcs_address
    command = ["compress", "in", "-o", "ray", "--jobs", "2", "--manifest", "m.jsonl"]
    running = subprocess.Popen(
        [sys.executable, "-m", "vqcodec", *command, "--ray", address],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    manifest = tmp_path / "m.jsonl"
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < 5:
        assert running.poll() is None, running.stderr.read().decode()
        time.sleep(0.02)
    running.kill()
    running.communicate()
    num_before = manifest.read_bytes().count(b"\n")
    assert num_before < NUM_PICTURES
    outcome = vqc(*command, "--ray")
    assert outcome.exit_code == 3
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    done = [record["input"] for record in lines if record["ok"]]
    assert len(done) == len(set(done)) == NUM_PICTURES  # nothing was done twice
    assert f"{NUM_PICTURES - num_before}" in outcome.stderr.splitlines()[-1]
    vqc("compress", "in", "-o", "jobs", "--jobs", "2", "-q")
    assert contents(tmp_path / "ray") == contents(tmp_path / "jobs")


def test_a_driver_that_is_terminated_leaves_whole_files_alone(pictures, tmp_path):
    command = ["compress", "in", "-o", "out", "--jobs", "2", "--ray"]
    running = subprocess.Popen(
        [sys.executable, "-m", "vqcodec", *command, ray.get_runtime_context().gcs_address],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in running.stderr:
        if " -> " in line:
            break
    running.terminate()
    errors = running.communicate()[1]
    assert running.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    # A killed worker may leave its temporary file.
    assert all(path.name.startswith(".vqcodec-") for path in (tmp_path / "out").glob(".*"))
    assert 0 < len(contents(tmp_path / "out")) < NUM_PICTURES


@pytest.mark.parametrize("command", ["compress", "decompress", "eval", "tokens"])
def test_workers_use_the_cpu(vqc, pictures, command):
    outcome = vqc(command, "in", "-o", "out.jsonl", "--ray", "--device", "cuda")
    assert outcome.exit_code == UsageError.exit_code
    assert "its workers use the CPU" in outcome.stderr


def test_folders_are_measured_on_a_cluster(vqc, pictures, tmp_path):
    (pictures / "broken.png").unlink()
    for path in sorted(pictures.iterdir())[4:]:
        path.unlink()
    fields = ("file", "size_bytes", "metrics", "file_digest", "codec_digest")
    found = {}
    for option in ("--jobs", "--ray"):
        value = ["1"] if option == "--jobs" else ["--jobs", "2"]
        outcome = vqc("eval", "in", option, *value, "-o", f"{option}.jsonl", "--json")
        assert outcome.exit_code == 0, outcome.stderr
        found[option] = [{key: record[key] for key in fields} for record in outcome.json["records"]]
    assert found["--jobs"] == found["--ray"]
    assert len(found["--ray"]) == 4


def test_tokens_are_written_on_a_cluster(vqc, pictures, tmp_path):
    for path in sorted(pictures.iterdir())[6:]:
        path.unlink()
    arguments = ["tokens", "in", "--model", "image", "--files-per-shard", "2", "-q"]
    for option, name in (("--jobs", "jobs"), ("--ray", "ray")):
        value = ["1"] if option == "--jobs" else ["--jobs", "2"]
        (tmp_path / name).mkdir()
        outcome = vqc(*arguments, "-o", f"{name}/shard.tar", option, *value)
        assert outcome.exit_code == 0, outcome.stderr
    assert contents(tmp_path / "ray") == contents(tmp_path / "jobs")
    assert len(contents(tmp_path / "ray")) == 3


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_named(monkeypatch, address):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    cluster = Cluster(address=address)
    with (
        pytest.raises(UsageError, match=f"--ray {address}: cannot be used: "),
        connected(cluster, 0),
    ):
        pass


def test_ray_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[scale\]'"), connected(TWO, 0):
        pass
