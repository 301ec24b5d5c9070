"""Several processes train one model, as torchrun starts them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from training_recipes import RESIDUAL, SEED, same
from vqcodec.cli.main import main

from vqcodec.errors import ConfigError
from vqcodec.networks import processes
from vqcodec.training.state import load_state

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def arguments_of(data, recipe, run):
    options = ["--recipe", recipe, "-o", str(run), "--seed", str(SEED)]
    return ["train", "vqvae", str(data), *options]


def by_torchrun(arguments):
    done = subprocess.run(
        [*TORCHRUN, "-m", "vqcodec", *arguments],
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def be_process(rank, port, arguments):
    """Run a command in a process with the environment that torchrun gives it."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    torch.set_num_threads(1)
    sys.argv = ["vqcodec", *arguments]
    main()


def by_forking(arguments):
    """Start both processes in a tenth of torchrun's time: torch is imported once, before."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "vqcodec.training.commands"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    processes = [
        context.Process(target=be_process, args=(rank, port, arguments), daemon=True)
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    return processes


def exit_codes(processes):
    for process in processes:
        process.join(timeout=200)
    return [process.exitcode for process in processes]


RECIPE = RESIDUAL.replace("steps = 6", "steps = 20", 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data_folder, recipes):
    """A training by two processes."""
    run = tmp_path_factory.mktemp("two")
    shown = by_torchrun(arguments_of(data_folder, recipes(RECIPE), run))
    assert shown.count("3 pictures") == 1  # one process reports
    return run


def test_two_processes_train_as_one_does(tmp_path, whole, train):
    """Without noise in the networks, only sums differ in their order, and revived entries."""
    train(tmp_path, RECIPE, joint=False)
    one, two = (
        [json.loads(line) for line in (run / "log.jsonl").open()] for run in (tmp_path, whole)
    )
    assert [report["step"] for report in two] == [20, 20]
    assert two[0]["total"] == pytest.approx(one[0]["total"], rel=1e-3)
    held_out = [max(r["valid_mse@3"] for r in reports[1:]) for reports in (one, two)]
    assert held_out[1] == pytest.approx(held_out[0], rel=0.01)


@pytest.mark.parametrize("stopped", [[0, 1], [1]], ids=["both", "one"])
def test_processes_end_together_at_sigterm_and_resume_exactly(
    tmp_path, whole, data_folder, recipes, stopped
):
    run = tmp_path / "run"
    arguments = arguments_of(data_folder, recipes(RECIPE), run)
    processes = by_forking(arguments)
    while not (run / "manifest.json").exists():
        assert all(process.is_alive() for process in processes)
        time.sleep(0.01)
    for number in stopped:
        os.kill(processes[number].pid, signal.SIGTERM)
    assert exit_codes(processes) == [143, 143]
    assert 0 <= load_state(run / "checkpoint.pt")["step"] <= 20
    assert exit_codes(by_forking(arguments)) == [0, 0]
    assert same(*(load_state(folder / "checkpoint.pt") for folder in (run, whole)))


def test_a_batch_is_shared_equally(monkeypatch):
    monkeypatch.setattr(processes, "num_processes", lambda: 4)
    monkeypatch.setattr(processes, "process_rank", lambda: 2)
    assert list(range(12))[processes.own_part(12)] == [6, 7, 8]
    with pytest.raises(ConfigError, match=r"batch_size: 10 items cannot be shared equally by 4"):
        processes.own_part(10)


def test_a_single_process_exchanges_nothing():
    tensors = [torch.tensor([1.0, 2.0])]
    processes.sum_over_processes(tensors)
    processes.average_over_processes(tensors)
    processes.copy_from_first(tensors)
    assert tensors[0].tolist() == [1.0, 2.0]
    assert processes.average_values({"a": 1.5}) == {"a": 1.5}
    assert processes.any_process(True) and not processes.any_process(False)
