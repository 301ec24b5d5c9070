"""The loop of a training: steps, reports and checkpoints, and one end for all processes."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from vqcodec.errors import ConfigError, InputError
from vqcodec.interrupts import uninterrupted
from vqcodec.networks.processes import average_values, process_rank
from vqcodec.training.compiling import COMPILING
from vqcodec.training.curves import has_held_out
from vqcodec.training.joining import stopping_together
from vqcodec.training.loading import Loader
from vqcodec.training.log import Means, TrainingLog
from vqcodec.training.modality import Dataset
from vqcodec.training.recipe import ScheduleConfig
from vqcodec.training.state import alone_in

GRADIENT = "gradient_"  # prefix of the lengths of gradients among the terms of a step
MOST_SKIPPED = 50  # steps without a finite gradient, one after the other


class TrainingLoop(ABC):
    """A training that goes on from the step that it is at.

    Attributes:
        step: the number of steps that were made.
        schedule: says how many steps there are.
        dataset: excerpts to train on.
        loader: gives the batch of a step.
        log: of the reports.
        compiled: whether torch.compile compiles the networks.
        report_every: steps from one report to the next.
        save_every: steps from one checkpoint to the next.
        save_every_s: the same in seconds; whichever is less.
    """

    step: int
    schedule: ScheduleConfig
    dataset: Dataset
    loader: Loader[Any]
    log: TrainingLog
    compiled: bool
    report_every = 50
    save_every = 500
    save_every_s = 300.0

    @abstractmethod
    def begin(self) -> None:
        """Prepare the first step, with the same weights in all processes."""

    @abstractmethod
    def train_step(self) -> dict[str, float]:
        """Make one step and return its terms, means over the batch, or over the own part of it.

        Lengths of gradients, `GRADIENT`, are equal in all processes. If one is not finite, the
        step has changed no weight.
        """

    @abstractmethod
    def save(self) -> None:
        """Write the checkpoint, in process 0."""

    def report_held_out(self) -> None:  # noqa: B027 - not every training reports them
        """Report figures of the held-out files, in process 0; the others wait at the next step."""

    def run_to(self, steps: int | None) -> None:
        """Train to the end of the schedule, or to `steps`.

        If several processes train, they end after the same step, also when only one of them gets
        a signal. Process 0 writes all files and reports.

        Raises:
            ConfigError: the training has diverged; the last checkpoint stays.
            InputError: a file cannot be read any more; all steps before are saved.
            UsageError: another training runs in this folder.
        """
        last = min(steps or self.schedule.steps, self.schedule.steps)
        alone = alone_in(self.log.path.parent) if process_rank() == 0 else nullcontext()
        with stopping_together() as is_stopped, alone:
            self.begin()
            if process_rank() == 0:
                self.log.note(f"{self.dataset.describe()}; {self.loader.describe()}")
                if self.compiled:
                    self.log.note(COMPILING)
                if steps is not None and steps > last:
                    self.log.note(f"--steps {steps}: the recipe ends at step {last}")
                if self.step >= last:
                    self.log.note(f"step {self.step}/{self.schedule.steps}: nothing left to train")
            try:
                if self._is_judged(last) and not has_held_out(self.log.path, self.step):
                    self.report_held_out()  # which was interrupted
                self._train_until(last, is_stopped)
            except (KeyboardInterrupt, SystemExit, InputError):
                self.save()
                raise
            finally:
                self.loader.close()
            if self.step < last:  # stopped by another process
                self.save()

    def _train_until(self, last: int, is_stopped: Callable[[], bool]) -> None:
        """Make steps up to the last one, with reports and checkpoints."""
        means, saved_s, skipped = Means(), time.monotonic(), 0
        while self.step < last and not is_stopped():
            with uninterrupted():
                terms = self.train_step()
                means.add(terms)
            skipped = skipped + 1 if _is_skipped(terms) else 0
            if skipped == MOST_SKIPPED:  # before it is saved
                raise ConfigError(
                    f"the training has diverged: steps {self.step - skipped + 1} to {self.step} "
                    "had no finite gradient; lower the learning rate in the recipe"
                )
            if self.step % self.report_every == 0 or self.step == last:
                self._report(means.take())
            is_due = time.monotonic() - saved_s >= self.save_every_s
            if self.step % self.save_every == 0 or is_due or self.step == last:  # then judge
                self.save()
                saved_s = time.monotonic()
            if self._is_judged(last):
                self.report_held_out()

    def _is_judged(self, last: int) -> bool:
        """Return whether figures of the held-out files belong to this step."""
        return self.step % (4 * self.save_every) == 0 or self.step == last

    def _report(self, values: dict[str, float]) -> None:
        """Report means of the batches since the last report."""
        values = average_values(values)
        if process_rank() == 0:
            self.log.report(self.step, self.schedule.steps, values)


def _is_skipped(terms: Mapping[str, float]) -> bool:
    """Return whether a step with these terms has changed no weight."""
    return any(
        name.startswith(GRADIENT) and not math.isfinite(value) for name, value in terms.items()
    )
