"""Thread counts, and heaps of the C library: `share_one_heap` leaves one for all threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from vqcodec.cores import num_cores, num_threads

# Prints how many heaps a process has after its threads have allocated at the same time.
COUNT_HEAPS = """
import ctypes, sys, threading
from vqcodec.cores import share_one_heap
if sys.argv[1] == "one":
    share_one_heap()
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.tmpfile.restype = ctypes.c_void_p
library.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
for name in ("rewind", "fgetc"):
    getattr(library, name).argtypes = [ctypes.c_void_p]
together = threading.Barrier(4)
def allocate():
    together.wait()
    library.malloc(10_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = library.tmpfile()
library.malloc_info(0, file)
library.rewind(file)
text = bytes(iter(lambda: library.fgetc(file) & 255, 255))
print(text.count(b"<heap "))
"""


def heaps(how: str) -> int:
    """Return the number of heaps of a process."""
    command = [sys.executable, "-c", COUNT_HEAPS, how]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have other heaps")
def test_threads_share_one_heap() -> None:
    """Threads have heaps of their own, unless they are to share one."""
    assert heaps("several") > 1
    assert heaps("one") == 1


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1,2", "", 30 * "9"])
def test_an_impossible_thread_count_is_that_of_the_cores(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert num_threads() == num_cores()


def test_a_huge_thread_count_is_bounded(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert num_threads() == 4 * max(4, os.cpu_count())
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert num_threads() == 3
