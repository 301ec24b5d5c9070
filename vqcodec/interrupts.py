"""Delays signals where an exception would leave a step half done, or would be lost."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

Item = TypeVar("Item")

STOPPING = frozenset({signal.SIGINT, signal.SIGTERM})
_ENDS = ("SIGTERM", "SIGHUP")  # SIGHUP: the terminal was closed; not on Windows
_RAISING = "SIGINT SIGTERM SIGHUP SIGALRM SIGUSR1 SIGUSR2 SIGQUIT SIGXCPU SIGBREAK"  # may raise
_SIGNALS = [getattr(signal, name) for name in _RAISING.split() if hasattr(signal, name)]
_nested = False  # whether the main thread is in a block of `uninterrupted`


def handle_ends(handler: Callable[[int, Any], object]) -> None:
    """Give a handler to the signals that end a process, except to those that are ignored."""
    for name in _ENDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay what handlers of signals do, such as KeyboardInterrupt, to the end of the block.

    For steps that are saved as a whole, and for C libraries that call back into Python: an
    exception within a callback is lost, and the library takes the missing answer for the end of
    the file.
    """
    global _nested  # noqa: PLW0603 - there is one main thread
    if threading.current_thread() is not threading.main_thread() or _nested:
        yield  # only the main thread gets signals
        return
    handled = [number for number in _SIGNALS if callable(signal.getsignal(number))]
    with held_signals(handled):
        _nested = True
        try:
            yield
        finally:
            _nested = False


@contextmanager
def held_signals(numbers: Collection[int] = STOPPING) -> Iterator[list[int]]:
    """Give a list to which these signals are appended; they take effect after the block."""
    holder = _Holder()
    try:
        for number in numbers:
            holder.handlers[number] = signal.getsignal(number)
            signal.signal(number, holder)
        yield holder.waiting
    finally:
        holder.holds = False
        for number, handler in holder.handlers.items():
            if signal.getsignal(number) is holder and handler is not None:
                signal.signal(number, handler)
        _raise_all(holder.waiting)


class _Holder:
    """A handler that keeps signals in a list while it `holds`, and gives them on afterwards.

    So no signal is lost if another one raises an exception while handlers are put back.
    """

    def __init__(self) -> None:
        self.holds = True
        self.waiting: list[int] = []
        self.handlers: dict[int, Any] = {}  # of before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Keep a signal, or do what the handler of before does."""
        if self.holds:
            self.waiting.append(number)
        elif callable(handler := self.handlers[number]):
            handler(number, frame)
        elif handler is not None:
            signal.signal(number, handler)
            signal.raise_signal(number)


def _raise_all(numbers: Sequence[int]) -> None:
    """Raise signals one after the other, also if the handler of one raises an exception."""
    if not numbers:
        return
    try:
        signal.raise_signal(numbers[0])
    finally:
        _raise_all(numbers[1:])


def in_whole_steps(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Yield the items of a generator, each of which is made without an interruption."""
    try:
        while True:
            with uninterrupted():
                made = list(itertools.islice(items, 1))
            if not made:
                return
            yield made[0]
    finally:
        with uninterrupted():
            items.close()
