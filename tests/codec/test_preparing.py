"""Sessions of graphs that are made in the background."""

import subprocess
import sys

from tiny import tiny_model_path

ENDING = """
import sys, time
from pathlib import Path
from vqcodec.codec.graphs import Networks
from vqcodec.codec.loading import read_model

def make_slowly(self, *_):
    time.sleep(0.3)
    print("made")

model = read_model(Path(sys.argv[1]))
Networks._session = make_slowly
model.parts.networks.prepare("decoder")
sys.exit(4)
"""


def test_a_process_ends_only_after_a_session_is_made():
    """ONNX Runtime aborts a process that ends meanwhile: its exit code would be lost."""
    words = [sys.executable, "-c", ENDING, str(tiny_model_path("speech"))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (4, "made\n")
