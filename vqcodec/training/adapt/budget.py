"""The time that a fitting may take."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]  # returns seconds


class Budget:
    """A number of seconds that begins to run when the budget is made."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.seconds, self.clock = seconds, clock
        self._begun = clock()

    @property
    def elapsed_s(self) -> float:
        """The seconds that have passed."""
        return self.clock() - self._begun

    @property
    def share(self) -> float:
        """The share that has passed, 0 … 1; 1 if there was no time at all."""
        if self.seconds <= 0:  # a part of a budget that was spent
            return 1.0
        return min(1.0, self.elapsed_s / self.seconds)

    def part(self, share: float) -> Budget:
        """Return a budget that begins now and takes a share, 0 … 1, of what is left."""
        return Budget(share * max(0.0, self.seconds - self.elapsed_s), self.clock)
