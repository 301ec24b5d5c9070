"""Numbers of cores and threads."""

from __future__ import annotations

import os
import sys


def num_threads() -> int:
    """Return the thread count: OMP_NUM_THREADS if it is set, the number of cores otherwise."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else num_cores()


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
