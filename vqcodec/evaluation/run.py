"""Codecs x files -> one record each: bytes, seconds and quality."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vqcodec.bitstream.header import MAGIC
from vqcodec.bitstream.stream import parse_stream
from vqcodec.cluster.connection import Cluster
from vqcodec.cluster.run import run_on_cluster
from vqcodec.errors import InputError, UsageError, VqcodecError
from vqcodec.evaluation.identity import digest_of_codec, digest_of_file, is_model
from vqcodec.evaluation.memory import MemoryWatch
from vqcodec.evaluation.metrics import audio as audio_metrics
from vqcodec.evaluation.metrics import image as image_metrics
from vqcodec.evaluation.record import Record
from vqcodec.extras import install_hint
from vqcodec.notes import Note
from vqcodec.pool import run_in_processes
from vqcodec.rate import bits_per_pixel, bits_per_second
from vqcodec.signals.files import Signal, notes_of, open_signal, read_signal
from vqcodec.signals.options import DEFAULT, ReadOptions
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip, Sound

if TYPE_CHECKING:
    from vqcodec.evaluation.levels import LevelMeter


class Codec(Protocol):
    """A codec that can be evaluated: a model or a baseline."""

    @property
    def name(self) -> str:
        """The name in records."""

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return a stream for `decompress`; each codec has its own quality scale."""

    def decompress(self, stream: bytes) -> Signal:
        """Return the signal."""


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """One file through one codec at one setting."""

    path: Path
    codec: Codec
    quality: float
    reading: ReadOptions = DEFAULT


def measure_all(
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    cluster: Cluster | None = None,
    finished: Callable[[Record], None] | None = None,
    failed: Callable[[Path, InputError], None] | None = None,
) -> list[Record]:
    """Return the record of each task, in the order of the tasks.

    Args:
        tasks: are measured.
        jobs: the number of processes. Several processes share the cores, and each receives every
            codec once, pickled. With 1, this process does the work.
        cluster: does the work instead. All nodes have to see the files. A failure does not stop the
            other tasks; the first one is raised at the end.
        finished: is called with each record as soon as it is measured, in any order.
        failed: is called with each file that cannot be read any more, and the reason; its records
            are left out.

    Raises:
        InputError: a file cannot be read, and `failed` is not given.
        UsageError: a codec does not support a file or a quality, or the cluster cannot be used.
    """
    if jobs < 1:
        raise UsageError(f"jobs: {jobs} is not 1 or more")
    records: dict[int, Record] = {}

    def keep(index: int, record: Record | InputError) -> None:
        if isinstance(record, InputError):
            if failed is None:
                raise record
            failed(tasks[index].path, record)
            return
        records[index] = record
        if finished:
            finished(record)

    codecs = list(dict.fromkeys(task.codec for task in tasks))
    measurer = _Measurer(codecs)
    items = [(task.path, codecs.index(task.codec), task.quality, task.reading) for task in tasks]
    if cluster is not None:
        errors: dict[int, VqcodecError] = {}
        run_on_cluster(
            measurer,
            items,
            cluster,
            finished=keep,
            failed=errors.__setitem__,
            size_of=lambda item: item[0].stat().st_size,
        )
        if errors:
            index, error = min(errors.items())
            others = f"; {len(errors)} of {len(tasks)} tasks failed" if len(errors) > 1 else ""
            raise type(error)(f"{tasks[index].path}: {error}{others}") from error
    elif jobs == 1:
        for index, item in enumerate(items):
            keep(index, measurer(item))
    else:
        run_in_processes(measurer, items, jobs, keep)
    return [records[index] for index in sorted(records)]


@dataclass(frozen=True, slots=True)
class _Measurer:
    """Measures with its codecs; it can be pickled for another process."""

    codecs: Sequence[Codec]

    def __call__(self, item: tuple[Path, int, float, ReadOptions]) -> Record | InputError:
        path, index, quality, reading = item
        try:
            return measure(path, self.codecs[index], quality, reading)
        except InputError as error:  # returned, so that the other tasks go on
            return error
        except UsageError as error:  # the codec cannot code this file
            return InputError(f"{path}: {self.codecs[index].name}: {error}")


def measure(path: Path, codec: Codec, quality: float, reading: ReadOptions = DEFAULT) -> Record:
    """Return the record of a codec on one file; the decoder receives only the stream."""
    signal = read_signal(path, options=reading)
    meter = _level_meter(codec)
    memory = MemoryWatch()
    start_s, start_cpu_s = time.perf_counter(), _cpu_s()
    stream = codec.compress(signal, quality=quality)
    compressed_s, compressed_cpu_s = time.perf_counter(), _cpu_s()
    decoded = (meter or codec).decompress(stream)
    decompressed_s, decompressed_cpu_s = time.perf_counter(), _cpu_s()
    peak_bytes = memory.peak_bytes()
    pixel_rate = second_rate = None
    if isinstance(signal, Picture):
        pixel_rate = bits_per_pixel(len(stream), signal.width, signal.height)
    else:
        second_rate = bits_per_second(len(stream), signal.duration_s)
    payload_bytes = _payload_bytes(stream)
    codebook_bits = meter.codebook_bits() if meter else None
    return Record(
        file=path.name,
        codec=codec.name,
        quality=quality,
        size_bytes=len(stream),
        payload_bytes=payload_bytes,
        bits_per_pixel=pixel_rate,
        bits_per_second=second_rate,
        compress_s=compressed_s - start_s,
        decompress_s=decompressed_s - compressed_s,
        compress_cpu_s=compressed_cpu_s - start_cpu_s,
        decompress_cpu_s=decompressed_cpu_s - compressed_cpu_s,
        peak_memory_bytes=peak_bytes,
        overhead_bytes=None if payload_bytes is None else len(stream) - payload_bytes,
        level_bits=meter.in_levels(codebook_bits) if meter and codebook_bits else None,
        codebook_bits=codebook_bits,
        metrics=_finite(compare(signal, decoded)),
        file_digest=digest_of_file(path, reading),
        codec_digest=digest_of_codec(codec),
        notes=[{"code": note.code.value, "text": note.text} for note in _notes_on(signal, codec)],
    )


def highest_rate(paths: Iterable[Path], reading: ReadOptions = DEFAULT) -> int | None:
    """Return the highest sample rate of sound files, in Hz; None for no files."""
    rates = []
    for path in paths:
        with path.open("rb") as file:
            sound = open_signal(file, str(path), options=reading)
            assert not isinstance(sound, Picture)
            rates.append(sound.sample_rate)
    return max(rates, default=None)


def try_codec(
    path: Path, codec: Codec, quality: float, reading: ReadOptions = DEFAULT
) -> tuple[Signal, Signal]:
    """Return the signal of a file, and its reconstruction by a codec."""
    signal = read_signal(path, options=reading)
    return signal, codec.decompress(codec.compress(signal, quality=quality))


def _notes_on(signal: Signal, codec: Codec) -> list[Note]:
    """Return what the reader left out of a signal, and what a model does not code of it."""
    if not is_model(codec):
        return list(notes_of(signal))
    measured = codec.measured(signal, separate_channels=False)
    if isinstance(measured, Sound):
        for _ in measured.blocks():
            pass  # its notes are complete when it has been read
    return list(notes_of(measured))


def _level_meter(codec: Codec) -> LevelMeter | None:
    """Return a meter that decodes with a model and counts its bits; None for other codecs."""
    if not is_model(codec):
        return None
    from vqcodec.evaluation.levels import LevelMeter  # here: torch takes seconds

    return LevelMeter(codec)


def _cpu_s() -> float:
    """Return the CPU time of this process and of its child programs that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _payload_bytes(stream: bytes) -> int | None:
    if not stream.startswith(MAGIC):
        return None
    return sum(map(len, parse_stream(stream).segments))


def compare(signal: Signal, decoded: Signal) -> dict[str, float | None]:
    """Return the metrics of a reconstruction against its original."""
    if isinstance(signal, Picture):
        assert isinstance(decoded, Picture)
        return image_metrics.compare(signal, decoded)
    assert isinstance(decoded, AudioClip)
    return audio_metrics.compare(signal, decoded)


def missing_metrics(modality: str) -> list[str]:
    """Return the name of each metric that is not installed, and how to install it."""
    missing = (image_metrics if modality == "image" else audio_metrics).missing()
    return [f"{name}; {install_hint('eval')}" for name in missing]


def _finite(metrics: dict[str, float | None]) -> dict[str, float | None]:
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in metrics.items()
    }
