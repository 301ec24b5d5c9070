"""The log of a training: JSON lines in a file, and the same reports on stderr."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from vqcodec.files import naming_failures
from vqcodec.networks.processes import num_processes
from vqcodec.stderr import tell


class Means:
    """Means of the values of several steps."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, values: Mapping[str, float]) -> None:
        """Add the values of a step."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def take(self) -> dict[str, float]:
        """Return the means since the last call."""
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


class TrainingLog:
    """Appends reports to a file and prints them to stderr."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = time.monotonic()
        self.begun_at: int | None = None  # the step of the first report
        self.started_there = 0.0  # its elapsed seconds

    def report(self, step: int, steps: int, values: dict[str, float]) -> None:
        """Write one report: the step, seconds since the start of this run, and named values.

        If several processes train, their number is in the file, too. A value that is not finite is
        null there, because JSON has no such numbers.

        Raises:
            OutputError: the file cannot be written.
        """
        elapsed = time.monotonic() - self.started
        known = {name: value if math.isfinite(value) else None for name, value in values.items()}
        line: dict[str, float | None] = {"step": step, "elapsed_s": round(elapsed, 1)}
        if num_processes() > 1:
            line["processes"] = num_processes()
        with naming_failures(self.path):
            self._append(json.dumps({**line, **known}) + "\n")
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        left = self._time_left(step, steps, elapsed)
        tell(f"step {step}/{steps}{left}  {shown}")

    def _append(self, line: str) -> None:
        """Append a line, on a line of its own: a crash may have cut the last one short."""
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else "\n" + line
            file.write(line.encode())

    def note(self, text: str) -> None:
        """Print a sentence to stderr."""
        tell(text)

    def _time_left(self, step: int, steps: int, elapsed: float) -> str:
        """Return the estimated time left, from the second report on; else an empty string."""
        if self.begun_at is None:
            self.begun_at, self.started_there = step, elapsed
        done = step - self.begun_at
        if done <= 0 or step >= steps:
            return ""
        seconds = (elapsed - self.started_there) / done * (steps - step)
        return f"  {timedelta(seconds=round(seconds))} left"
