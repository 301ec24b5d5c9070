"""Signals that are delayed to the end of a step."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from vqcodec.interrupts import in_whole_steps, uninterrupted


class AlarmError(Exception):
    """What a handler of the caller raises."""


@pytest.fixture
def alarm(monkeypatch):
    def ring(_number, _frame):
        raise AlarmError

    before = signal.signal(signal.SIGUSR1, ring)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    ("number", "error"), [("SIGINT", KeyboardInterrupt), ("SIGUSR1", AlarmError)]
)
def test_signals_take_effect_after_the_block(alarm, number, error):
    number, done = getattr(signal, number), []
    with pytest.raises(error):
        with uninterrupted():
            signal.raise_signal(number)
            done.append("the rest of the block")
        done.append("what follows")
    assert done == ["the rest of the block"]
    with pytest.raises(error):
        signal.raise_signal(number)  # the handler is back


def test_signals_count_if_the_block_fails():
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        raise ValueError


def test_every_signal_counts(alarm):
    with pytest.raises(AlarmError) as raised, uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(alarm)
    assert isinstance(raised.value.__context__, KeyboardInterrupt)


def test_a_signal_while_handlers_are_put_back_loses_none(alarm, monkeypatch):
    put, own = signal.signal, signal.getsignal(signal.SIGINT)

    def interrupted(number, handler):
        before = put(number, handler)
        if handler is own:
            signal.raise_signal(signal.SIGINT)
        return before

    with pytest.raises(KeyboardInterrupt), uninterrupted():
        monkeypatch.setattr(signal, "signal", interrupted)
    monkeypatch.undo()
    with pytest.raises(AlarmError):
        signal.raise_signal(alarm)


def test_nested_blocks_delay_to_the_end_of_the_outer_one():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        done.append("outer block")
    assert done == ["outer block"]


def test_items_are_made_as_a_whole_and_their_generator_is_closed():
    made, closed = [], []

    def items():
        try:
            for number in range(3):
                if number == 1:
                    signal.raise_signal(signal.SIGINT)
                made.append(number)
                yield number
        finally:
            closed.append(True)

    taken = []
    with pytest.raises(KeyboardInterrupt):
        taken.extend(in_whole_steps(items()))
    assert (made, closed) == ([0, 1], [True])
    assert list(in_whole_steps(number for number in range(3))) == [0, 1, 2]


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signals_wait_for_the_end_of_an_import(tmp_path, number, status):
    # As an extension module does: an exception in its initialisation is lost.
    (tmp_path / "extension.py").write_text(
        "import signal, time\n"
        "try:\n"
        f"    signal.raise_signal(signal.{number})\n"
        "    time.sleep(0.2)\n"
        "except BaseException:\n"
        "    print('interrupted')\n"
    )
    (tmp_path / "program.py").write_text(
        "import sys, time\n"
        "from vqcodec.interrupts import handle_ends\n"
        "handle_ends()\n"
        "try:\n"
        "    import extension\n"
        "    time.sleep(30)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    program = [sys.executable, tmp_path / "program.py"]
    done = subprocess.run(program, capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")
