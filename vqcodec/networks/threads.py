"""How many threads networks run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads_beside(num_others: int) -> Iterator[None]:
    """Let networks leave cores to so many other busy threads for as long as the block lasts.

    Threads of networks that share a core with another one make all the others wait for them: on
    two cores, a long sound took half as long again to decompress.
    """
    usual = torch.get_num_threads()
    torch.set_num_threads(max(1, usual - num_others))
    try:
        yield
    finally:
        torch.set_num_threads(usual)
