"""Models in forked processes, as those of a DataLoader: they have none of the parent's threads."""

import subprocess
import sys

import pytest
from tiny import tiny_model_path

FORKING = """
import gc, multiprocessing, sys
from pathlib import Path
import numpy as np
from vqcodec import Picture
from vqcodec.codec.loading import read_model

def work(model, signal):
    stream = model.compress(signal)
    return stream, np.asarray(model.decompress(stream)).tobytes()

def child(results, models, signal):
    results.put(work(models[0], signal))
    models.clear()  # sessions of the parent are not destroyed here
    gc.collect()

random = np.random.default_rng(0)
signal = Picture(random.integers(0, 256, (256, 256, 3), np.uint8))
models = [read_model(Path(sys.argv[1]))]
expected = work(models[0], signal)  # starts all threads
context = multiprocessing.get_context("fork")
results = context.Queue()
process = context.Process(target=child, args=(results, models, signal))
process.start()
try:
    print(results.get(timeout=40) == expected)
    process.join(20)
    print(process.exitcode)
finally:
    process.kill()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no processes are forked")
def test_a_forked_process_works_with_a_model_that_its_parent_has_used(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    words = [sys.executable, "-c", FORKING, str(tiny_model_path("image"))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("True\n0\n", "")
