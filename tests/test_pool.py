"""The process pool: every item is processed once, and no process survives."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from working import Working

from vqcodec import cores
from vqcodec.errors import InputError, VqcodecError
from vqcodec.pool import default_jobs, run_in_processes


def results(numbers, jobs):
    found = {}
    run_in_processes(Working(), numbers, jobs, found.__setitem__)
    return found


def test_a_process_that_is_stopped_while_it_ends_prints_nothing(capfd, monkeypatch):
    terminate = SpawnProcess.terminate

    def late(process):
        time.sleep(0.1)
        terminate(process)

    monkeypatch.setattr(SpawnProcess, "terminate", late)
    assert len(results([1, 2, 3], jobs=2)) == 3
    assert capfd.readouterr().err == ""


def test_items_run_in_other_processes_which_load_the_work_once(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    found = results([3, 1, 4, 1, 5], jobs=2)
    assert {index: result[0] for index, result in found.items()} == {0: 9, 1: 1, 2: 16, 3: 1, 4: 25}
    assert {result[1] for result in found.values()} == {1}
    pids = {result[2] for result in found.values()}
    assert 1 <= len(pids) <= 2 and os.getpid() not in pids
    assert {result[3] for result in found.values()} == {"3"}  # six threads for two processes
    assert os.environ["OMP_NUM_THREADS"] == "6"
    assert multiprocessing.active_children() == []


def test_without_items_no_process_is_started():
    assert results([], jobs=4) == {}


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (-1, InputError, "-1: no square"),
        (-2, RuntimeError, "exit status 1"),
        (-3, VqcodecError, "SIGKILL; fewer jobs"),
    ],
)
def test_an_error_is_raised_in_the_parent_and_ends_all_processes(number, error, message):
    with pytest.raises(error, match=message):
        results([1, number, *range(1000)], jobs=2)
    assert multiprocessing.active_children() == []


def begin(work, folder):
    """Run a program with two processes, and return it when both have begun to work."""
    running = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("working.py"), work, folder],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline_s = time.monotonic() + 60
    while len(list(folder.glob("begun-*"))) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return running


@pytest.mark.parametrize("work", ["wait", "write"])
@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "parent alone"])
def test_an_interrupt_ends_all_processes_and_removes_temporary_files(tmp_path, work, to_group):
    running = begin(work, tmp_path)
    begun = list(tmp_path.glob("begun-*"))
    assert len(begun) == 2
    (os.killpg if to_group else os.kill)(running.pid, signal.SIGINT)
    _, stderr = running.communicate(timeout=30)
    assert stderr.count("Traceback") == 1  # of the parent, which does not catch the interrupt
    assert stderr.strip().endswith("KeyboardInterrupt")
    for path in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name.removeprefix("begun-")), 0)
    assert not list(tmp_path.glob("temporary-*"))


def test_a_second_interrupt_does_not_wait_for_processes_that_are_busy(tmp_path):
    running = begin("write", tmp_path)
    os.kill(running.pid, signal.SIGINT)
    time.sleep(0.5)
    begun_s = time.monotonic()
    os.kill(running.pid, signal.SIGINT)
    running.communicate(timeout=30)  # at its end, no process keeps its stderr open
    assert time.monotonic() - begun_s < 3  # of seven


def test_the_default_number_of_processes_depends_on_items_and_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cores, "num_cores", lambda: 64)
    assert [default_jobs(count) for count in (0, 1, 7, 8, 31, 1000)] == [1, 1, 1, 2, 7, 8]
    monkeypatch.setattr(cores, "num_cores", lambda: 2)
    assert default_jobs(1000) == 2


def test_the_default_number_of_processes_is_at_most_the_thread_count(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_jobs(1000) == 3
