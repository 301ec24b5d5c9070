"""How many threads may be busy at a time."""

from __future__ import annotations

import os
import sys


def num_threads() -> int:
    """Return how many threads may compute: OMP_NUM_THREADS, or as many as there are cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
