"""Networks as ONNX graphs, run by ONNX Runtime with the weights of a model file."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.graph_check import check_graph
from vqcodec.codec.weights import SCALE, restore_weight
from vqcodec.cores import call_in_forks, lock_for_forks, num_threads
from vqcodec.errors import ModelFileError, UsageError

# From 1.29 on, ONNX Runtime sends facts about models and sessions to its makers by default, and
# keeps a database in the home folder. It reads this variable while it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

Array = NDArray[np.float32]
Progress = Callable[[float], None]  # is called with the share done, 0 … 1

NULL_SPEAKER = "decoder.voice.nobody"  # the learnt null embedding [V]
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_LARGE = 1e9  # far beyond any signal
_ERRORS_ONLY = 3  # the log level of ONNX Runtime
_MAKING = lock_for_forks()  # of sessions: one is made at a time


class Networks:
    """Encoder, decoder and speaker encoder of a model; sessions are made on first use.

    `rate_fraction` is 0 (coarsest) … 1 (finest).
    """

    def __init__(
        self,
        graphs: Mapping[str, bytes],
        weights: Mapping[str, NDArray[Any]],
        device: str = "cpu",
    ) -> None:
        """Take the graphs "encoder", "decoder" and optionally "speaker", and weights by name.

        Raises:
            UsageError: the device is unknown or not available.
            ModelFileError: a graph has forbidden contents, or a weight is missing.
        """
        kind, _, number = device.partition(":")
        if device not in _PROVIDERS and not (kind == "cuda" and number.isdecimal()):
            raise UsageError(f"device {device!r}: not one of cpu, cuda, cuda:N")
        if _PROVIDERS[kind] not in onnxruntime.get_available_providers():
            raise UsageError(f"device {device!r}: needs the package onnxruntime-gpu and a GPU")
        self._provider = (_PROVIDERS[kind], {"device_id": int(number)} if number else {})
        self._graphs, self.device = dict(graphs), device
        self._names = {name: check_graph(name, graph, weights) for name, graph in graphs.items()}
        taken = {weight for names in self._names.values() for weight in names}
        taken |= {name + SCALE for name in taken if name + SCALE in weights}
        self.weights = {name: weights[name] for name in taken}
        self._sessions: dict[tuple[str, int], onnxruntime.InferenceSession] = {}
        _ALL.add(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out sessions: another process makes its own."""
        return {"graphs": self._graphs, "weights": self.weights, "device": self.device}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def to(self, device: str) -> Networks:
        """Return the same networks on a device, "cpu", "cuda" or "cuda:N".

        Raises:
            UsageError: the device is unknown or not available.
        """
        return Networks(self._graphs, self.weights, device)

    def prepare(self, name: str) -> None:
        """Make a graph's session in a background thread, while the caller does other work."""
        if name in self._graphs and (name, num_threads()) not in self._sessions:
            # No daemon: a process that ends while ONNX Runtime returns from native code is aborted.
            Thread(target=self._prepare, args=(name,)).start()

    def _prepare(self, name: str) -> None:
        with suppress(ModelFileError):  # the same error is raised when the graph is used
            self._session(name, num_threads())

    def encode(
        self,
        signal: Array,
        rate_fraction: float,
        report: Progress = lambda _: None,  # noqa: ARG002
        *,
        release: bool = True,
    ) -> Array:
        """Return latents [P, D, ...] of a signal [P, C, ...].

        Args:
            signal: a window of it.
            rate_fraction: 0 … 1.
            report: is called with the share done by networks that take long; these do not.
            release: free the memory of features afterwards; False before further windows.
        """
        inputs = [signal, _as_vector(rate_fraction)]
        (latents,) = self._run("encoder", inputs, release=release)
        return latents

    def decode(
        self,
        latents: Array,
        rate_fraction: float,
        corner: tuple[int, ...],
        speaker: Array | None = None,
        spare_cores: int = 0,
        *,
        release: bool = True,
    ) -> Array:
        """Return the signal [P, C, ...] of latents [P, D, ...]; its values are finite.

        Args:
            latents: of a window of the grid.
            rate_fraction: 0 … 1.
            corner: the window's first position in the grid.
            speaker: the speaker embedding [1, V], for models with voices.
            spare_cores: cores that are left to other threads.
            release: as for `encode`.
        """
        first = np.array([corner[0]], np.int64)
        inputs: list[NDArray[Any]] = [latents, _as_vector(rate_fraction), first]
        if NULL_SPEAKER in self.weights:
            null = self.weights[NULL_SPEAKER][None]
            inputs.append(null.astype(np.float32) if speaker is None else speaker)
        (signal,) = self._run("decoder", inputs, spare_cores, release=release)
        if not np.isfinite(signal).all():  # latents that no encoder writes: sampled, or hostile
            signal = np.nan_to_num(signal, nan=0.0, posinf=_LARGE, neginf=-_LARGE)
        return signal

    def embed_speaker(self, features: Array) -> Array:
        """Return the speaker embedding [1, V] of features [1, C, F]."""
        (vector,) = self._run("speaker", [features])
        return vector

    def _run(
        self,
        name: str,
        values: list[NDArray[Any]],
        spare_cores: int = 0,
        *,
        release: bool = True,
    ) -> list[NDArray[Any]]:
        """Return the outputs of a graph; `values` are its inputs in the order of `INPUTS`."""
        session = self._session(name, max(1, num_threads() - spare_cores))
        inputs = [node.name for node in session.get_inputs()]
        # A graph has no input that its network ignores.
        known = dict(zip(INPUTS[name], values, strict=False))
        if not known.keys() >= set(inputs):
            raise ModelFileError(f"model: its {name} has the inputs {', '.join(inputs)}")
        given = {key: known[key] for key in inputs}
        options = _run_options(self.device, release=release)
        try:
            outputs: list[NDArray[Any]] = session.run(None, given, options)
        except Exception as error:  # ONNX Runtime's exceptions have no other base class
            raise ModelFileError(f"model: its {name} does not run: {error}") from error
        return outputs

    def _session(self, name: str, threads: int) -> onnxruntime.InferenceSession:
        """Return the session of a graph for a thread count."""
        key = (name, threads)
        if key not in self._sessions:
            with _MAKING:
                if key not in self._sessions:
                    self._sessions[key] = self._make_session(name, threads)
        return self._sessions[key]

    def _make_session(self, name: str, threads: int) -> onnxruntime.InferenceSession:
        if name not in self._graphs:
            raise ModelFileError(f"model: has no {name}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _ERRORS_ONLY
        options.enable_cpu_mem_arena = self.device == "cpu"  # see `_run_options`
        # Threads that wait in a busy loop would take cores from the prior.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        weights = [restore_weight(self.weights, key) for key in self._names[name]]
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in weights]
        options.add_external_initializers(self._names[name], values)
        try:
            return onnxruntime.InferenceSession(
                self._graphs[name], options, providers=[self._provider]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no other base class
            raise ModelFileError(f"model: its {name} is not a graph that runs: {error}") from error


_ALL: WeakSet[Networks] = WeakSet()


def _run_options(device: str, *, release: bool) -> onnxruntime.RunOptions:
    """Return options with which a run on the processor may free its memory at its end, not earlier.

    The features of a large window are more than the allocator of the C library keeps. Without an
    arena, the system would fetch and clear their pages again for every layer.
    """
    options = onnxruntime.RunOptions()
    if device == "cpu" and release:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _leave_sessions_to_parent() -> None:
    """Let a forked process make its own sessions: the threads of the old ones are not in it.

    The old ones are never destroyed, because ONNX Runtime would wait for their threads forever.
    """
    for networks in _ALL:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(networks._sessions))
        networks._sessions = {}


call_in_forks(_leave_sessions_to_parent)

# The inputs of each graph, in order.
INPUTS = {
    "encoder": ("signal", "rate"),
    "decoder": ("latents", "rate", "first", "speaker"),
    "speaker": ("features",),
}


def _as_vector(number: float) -> Array:
    return np.array([number], np.float32)
