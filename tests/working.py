"""Work for processes, without torch; run as a program it begins work that takes long."""

import atexit
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from vqcodec.errors import InputError


class Working:
    """Squares numbers; what is below zero goes wrong."""

    def __init__(self):
        self.num_loads = 0

    def __setstate__(self, state):
        self.num_loads = state["num_loads"] + 1
        atexit.register(time.sleep, 0.3)  # a process takes time to end, as with torch

    def __call__(self, number):
        if number == -1:
            raise InputError("-1: no square")
        if number == -2:
            raise ZeroDivisionError
        if number == -3:
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2, self.num_loads, os.getpid(), os.environ["OMP_NUM_THREADS"]


def write_slowly(folder):
    """Make a temporary file, and write it for seven seconds that no signal ends."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="temporary-"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        Path(folder, f"begun-{os.getpid()}").touch()
        time.sleep(7)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def wait_a_minute(folder):
    """Say in a folder that the work has begun, and make a temporary file."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="temporary-"):
        Path(folder, f"begun-{os.getpid()}").touch()
        time.sleep(60)


def work_until_killed(source, report):
    """Do the work of a command, unless the input's name says otherwise."""
    from vqcodec.cli.attempt import Done

    if source.name == "killed.png":
        os.kill(os.getpid(), signal.SIGKILL)
    report(1.0)
    return Done({"output": source.name})


if __name__ == "__main__":
    from vqcodec.pool import run_in_processes

    signal.signal(signal.SIGINT, signal.default_int_handler)
    work = {"wait": wait_a_minute, "write": write_slowly}[sys.argv[1]]
    run_in_processes(work, [sys.argv[2]] * 4, 2, lambda *_: None)
