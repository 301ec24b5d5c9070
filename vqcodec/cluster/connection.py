"""The connection to a Ray cluster, or one that is started on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vqcodec.cores import num_cores, num_threads
from vqcodec.errors import UsageError
from vqcodec.extras import install_hint

LOCAL = "local"
_CONNECT_S = 20.0
_LOCAL_STARTS = 3
_MIN_STORE_BYTES = 100 << 20  # Ray refuses less than about 75 MiB


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A Ray cluster, and the number of workers on it.

    Attributes:
        address: `LOCAL` starts a cluster on this machine; "auto" or "HOST:PORT" is a running one.
        workers: None means one for each CPU of the cluster.
    """

    address: str
    workers: int | None = None


@contextmanager
def connected(cluster: Cluster, shared_bytes: int) -> Iterator[tuple[Any, int, int]]:
    """Give the module `ray`, the number of workers, and the threads of each.

    A new cluster asks for a token, which Ray keeps in the user's home folder: its ports are open to
    the network. If this process is connected to a cluster, that one is used, and stays connected.

    Args:
        cluster: to connect to, or to start.
        shared_bytes: of the data for the object store.

    Raises:
        UsageError: Ray is not installed, or the cluster cannot be used.
    """
    local = cluster.address == LOCAL
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(f"--ray: needs Ray; {install_hint('scale')}") from error
    logging.getLogger("ray").setLevel(logging.ERROR)  # importing Ray sets it, too
    if ray.is_initialized():
        yield ray, cluster.workers or _num_cpus(ray), 1
        return
    if ":" in cluster.address:
        _require_listener(cluster.address)
    options: dict[str, Any] = {"address": cluster.address}
    workers, threads = cluster.workers or num_cores(), 1
    if local:
        threads = max(1, num_threads() // workers)
        options |= {
            "num_cpus": workers * threads,
            "num_gpus": 0,
            "include_dashboard": False,
            "object_store_memory": _MIN_STORE_BYTES + 2 * shared_bytes,
        }
    _initialise(ray, options, attempts=_LOCAL_STARTS if local else 1)
    try:
        if not local and cluster.workers is None:
            workers = _num_cpus(ray)
        yield ray, workers, threads
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Check that a server listens at HOST:PORT: Ray would end this process if there is none.

    Raises:
        UsageError: there is none, or the address is no address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--ray {address}: cannot be used: {reason}") from error


def _initialise(ray: Any, options: dict[str, Any], attempts: int) -> None:
    """Connect to a cluster; a new one is given up by Ray if the machine is busy for 30 seconds."""
    try:
        with _signals_kept():
            ray.init(**options, log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray raises some failures as plain exceptions
        ray.shutdown()
        if attempts > 1:
            _initialise(ray, options, attempts - 1)
            return
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UsageError(f"--ray {options['address']}: cannot be used: {reason}") from error


def _num_cpus(ray: Any) -> int:
    """Return the number of CPUs of all nodes, at least 1."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put signal handlers back that Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def termination_deferred() -> Iterator[Callable[[], None]]:
    """Give a function that handles a SIGTERM that came before it is called.

    Ray loses the exit code of a handler that runs while Ray waits.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = signal.getsignal(signal.SIGTERM)
    came: list[int] = []

    def handle() -> None:
        if came and callable(before):
            before(came[0], None)
        elif came:
            raise SystemExit(128 + came[0])

    signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        yield handle
        handle()
    finally:
        signal.signal(signal.SIGTERM, before)
