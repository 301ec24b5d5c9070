"""Blocks of rows on several threads, and the thread count of NumPy's products."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from vqcodec.priors import side_by_side
from vqcodec.priors.side_by_side import in_blocks, in_threads, single_threaded


def blas_threads():
    np.ones((2, 2)) @ np.ones((2, 2))
    return [
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    ]


def test_overlapping_uses_share_one_setting_and_the_last_restores_it():
    before = blas_threads()
    first, second = single_threaded(), single_threaded()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # the first one in is the first one out
    assert set(blas_threads()) <= {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before


def test_a_failing_use_restores_the_setting_too():
    before = blas_threads()
    with pytest.raises(ValueError, match="inside"), single_threaded():
        raise ValueError("inside")
    assert blas_threads() == before


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize(("num_rows", "row_size"), [(1, 1), (7, 1), (64, 64), (3, 1000)])
def test_every_row_is_worked_on_once(monkeypatch, num_threads, num_rows, row_size):
    monkeypatch.setattr(side_by_side, "num_threads", lambda: num_threads)
    done = np.zeros(num_rows, np.int64)

    def work(rows):
        done[rows] += 1

    in_blocks(work, num_rows, row_size)
    assert (done == 1).all()


def test_a_failure_in_a_block_is_raised(monkeypatch):
    monkeypatch.setattr(side_by_side, "num_threads", lambda: 2)

    def work(rows):
        if rows.start:
            raise ArithmeticError("in the second block")

    with pytest.raises(ArithmeticError, match="second block"):
        in_blocks(work, 8, 1000)


def test_segments_share_the_cores_and_keep_their_order(monkeypatch):
    """Each segment has one thread, so the blocks of a segment are worked on in it."""
    monkeypatch.setattr(side_by_side, "num_threads", lambda: 2)
    side_by_side._pool_of_segments.cache_clear()

    def work(number):
        threads = set()
        in_blocks(lambda rows: threads.add(threading.get_ident()), 64, 1000)  # noqa: ARG005
        assert threads == {threading.get_ident()}
        return number, threading.get_ident()

    done = in_threads(work, range(20))
    assert [number for number, _ in done] == list(range(20))
    assert threading.get_ident() not in {thread for _, thread in done}


@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_failure_in_a_segment_is_raised(monkeypatch, num_threads):
    monkeypatch.setattr(side_by_side, "num_threads", lambda: num_threads)
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda number: 1 // number, [1, 0, 2])
