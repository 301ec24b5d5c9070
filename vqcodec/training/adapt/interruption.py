"""Ctrl-C while a model is fitted: the first ends the fitting, the second the command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class Interruption:
    """Ctrl-C: raises KeyboardInterrupt if nothing is to be kept, or at the second time.

    The first time, it ends a block of `ends_block`; elsewhere the work goes on.
    """

    def __init__(self, tell: Callable[[], None] = lambda: None) -> None:
        """Take a function that tells the user that the first Ctrl-C ends the fitting alone."""
        self._tell = tell
        self._previous: Any = None  # the handler of before
        self._count = 0
        self._keeps = False  # whether there are weights to keep
        self._in_block = False

    @property
    def asked(self) -> bool:
        """Whether Ctrl-C has ended the fitting."""
        return self._count > 0

    def keep(self) -> None:
        """From here on, there are weights to keep."""
        self._keeps = True

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle Ctrl-C in this block; only the main thread can, and no signal that is ignored."""
        self._previous = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(
            self._previous
        ):
            yield
            return
        signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, self._previous)

    @contextmanager
    def ends_block(self) -> Iterator[None]:
        """End this block at the first Ctrl-C, without an exception, if weights are to be kept."""
        self._in_block = True
        try:
            yield
        except KeyboardInterrupt:
            if self._count > 1 or not self._keeps:
                raise
            self._count = 1  # also if Ctrl-C is not handled here
        finally:
            self._in_block = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1 and self._keeps:
            with suppress(RuntimeError):  # the signal came within a write to the same stream
                self._tell()
            if not self._in_block:
                return
        self._previous(number, frame)
        self._count -= 1  # it waits for the end of an import, and comes again
