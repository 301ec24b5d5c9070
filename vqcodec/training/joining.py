"""Several processes in one training, as torchrun starts them: how they join, and end together."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from vqcodec.interrupts import held_signals
from vqcodec.networks.processes import any_process, num_processes

_FREED_S = 0.2  # the last exchange takes less to be freed


@contextmanager
def joined_processes(device: str) -> Iterator[None]:
    """Join the processes that torchrun has started, for the time of the block.

    Without torchrun, or if the process group exists already, nothing happens. Processes with
    device "cuda" exchange by NCCL, each on the GPU of its local number; others by Gloo.
    """
    started = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    if started == 1 or num_processes() > 1:
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()
        # The threads of Gloo outlive the group. One that frees the tensors of the last exchange
        # while the interpreter ends aborts the process.
        time.sleep(_FREED_S)


@contextmanager
def stopping_together() -> Iterator[Callable[[], bool]]:
    """Give a function that returns whether to stop: whether any process has got a signal.

    Ctrl-C and SIGTERM are held back inside the block, and take effect at its end in all processes.
    All processes have to call the function equally often. A single process gets its signals at
    once, and the function returns False.
    """
    if num_processes() == 1 or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    stopped = False
    with held_signals() as waiting:

        def is_stopped() -> bool:
            nonlocal stopped
            stopped = any_process(bool(waiting))
            return stopped

        yield is_stopped
    if stopped:  # this process itself may have got no signal
        signal.raise_signal(signal.SIGTERM)
