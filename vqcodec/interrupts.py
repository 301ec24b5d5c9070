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
Handler = Callable[[int, Any], object]

STOPPING = frozenset({signal.SIGINT, signal.SIGTERM})
_ENDS = ("SIGTERM", "SIGHUP")  # SIGHUP: the terminal was closed; not on Windows
_RAISING = "SIGINT SIGTERM SIGHUP SIGALRM SIGUSR1 SIGUSR2 SIGQUIT SIGXCPU SIGBREAK"  # may raise
_SIGNALS = [getattr(signal, name) for name in _RAISING.split() if hasattr(signal, name)]
_IMPORT = "<frozen importlib._bootstrap>"  # the file name of frames that import a module
_AGAIN_S = 0.05
_nested = False  # whether the main thread is in a block of `uninterrupted`


def handle_ends() -> None:
    """Let the signals that end a process raise SystemExit, so that temporary files are removed.

    Those that are ignored stay ignored. While a module is imported, these signals and Ctrl-C wait:
    an extension module loses an exception, or turns it into another one, and what is half imported
    cannot be imported again.
    """
    for name in _ENDS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _after_imports(_exit))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _after_imports(signal.default_int_handler))


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _after_imports(handler: Handler) -> Handler:
    """Return a handler that lets a signal come again later while a module is imported."""

    def wait(number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            again = threading.Timer(_AGAIN_S, _send_to_main_thread, [number])
            again.daemon = True
            again.start()
        else:
            handler(number, frame)

    return wait


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a frame, or one that called it, belongs to the import of a module."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            return True
        frame = frame.f_back
    return False


def _send_to_main_thread(number: int) -> None:
    """Send a signal to the main thread, which wakes it if it waits."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:  # Windows
        signal.raise_signal(number)


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
