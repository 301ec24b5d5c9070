"""Codecs x files -> one record each: bytes, seconds and quality."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vqcodec.bitstream.header import MAGIC
from vqcodec.bitstream.stream import parse_stream
from vqcodec.data.manifest import find_files
from vqcodec.errors import InputError, UsageError
from vqcodec.modalities.audio import media as audio_media
from vqcodec.modalities.audio.signal import AudioClip
from vqcodec.modalities.image import media as image_media
from vqcodec.modalities.image.signal import Picture
from vqcodec.modalities.media import Signal, read_signal
from vqcodec.rate import bits_per_pixel, bits_per_second

SUFFIXES = {*audio_media.SUFFIXES, *image_media.SUFFIXES}


class Codec(Protocol):
    """What can be evaluated: a model, or a baseline."""

    @property
    def name(self) -> str:
        """What records call it."""

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return a stream that holds all that `decompress` needs; the scale is the codec's own."""

    def decompress(self, stream: bytes) -> Signal:
        """Return the signal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a codec did to one file, or on average to many.

    Attributes:
        file: its name; "mean of N files" for an average.
        codec: name of the codec.
        quality: the setting, on the codec's own scale.
        size_bytes: of the whole stream.
        payload_bytes: of the entropy-coded segments alone; None for other codecs' streams.
        bits_per_pixel: of the whole stream; None for a sound.
        bits_per_second: of the whole stream; None for a picture.
        compress_s: wall time from the signal in memory to the stream.
        decompress_s: and back.
        compress_cpu_s: seconds of all processors, with those of programs that a codec starts;
            None where nobody measured them.
        decompress_cpu_s: and back.
        metrics: by name; None where a metric has no finite value, as PSNR of an equal picture.
    """

    file: str
    codec: str
    quality: float
    size_bytes: float
    payload_bytes: float | None
    bits_per_pixel: float | None
    bits_per_second: float | None
    compress_s: float
    decompress_s: float
    compress_cpu_s: float | None = None
    decompress_cpu_s: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Trial:
    """A file beside what a codec makes of it."""

    signal: Signal
    decoded: Signal
    record: Record


def evaluate(
    sources: Sequence[Path],
    codecs: Sequence[Codec],
    qualities: Sequence[float],
    *,
    progress: Callable[[int, int, str], None] | None = None,
    jobs: int = 1,
) -> list[Record]:
    """Return one record per file, codec and quality, in this order.

    Args:
        sources: files, and folders whose sounds and pictures are found at any depth.
        codecs: models or baselines; each has to take all the files.
        qualities: settings for each of them.
        progress: called with records done, records in all, and the name of the file just done.
        jobs: how many to run at once, as threads; with more than one, the times say little.

    Raises:
        InputError: a source is missing or unreadable, or there is nothing in a folder.
        UsageError: a codec cannot take a file or a quality.
    """
    if jobs < 1:
        raise UsageError(f"jobs: {jobs} is not 1 or more")
    tasks = [
        (path, codec, quality)
        for path in _find(sources)
        for codec in codecs
        for quality in qualities
    ]
    records = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(measure, *task) for task in tasks]
        try:
            for future, (path, _, _) in zip(futures, tasks, strict=True):
                records.append(future.result())
                if progress:
                    progress(len(records), len(tasks), path.name)
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure the rest is not wanted
    return records


def measure(path: Path, codec: Codec, quality: float) -> Record:
    """Return what a codec does to one file; it is decoded from the bytes of the stream alone."""
    return try_codec(path, codec, quality).record


def try_codec(path: Path, codec: Codec, quality: float) -> Trial:
    """Return what a codec makes of one file, with its record."""
    signal = read_signal(path)
    start_s, start_cpu_s = time.perf_counter(), _cpu_s()
    stream = codec.compress(signal, quality=quality)
    compressed_s, compressed_cpu_s = time.perf_counter(), _cpu_s()
    decoded = codec.decompress(stream)
    decompressed_s, decompressed_cpu_s = time.perf_counter(), _cpu_s()
    pixel_rate = second_rate = None
    if isinstance(signal, Picture):
        pixel_rate = bits_per_pixel(len(stream), signal.width, signal.height)
    else:
        second_rate = bits_per_second(len(stream), signal.duration_s)
    record = Record(
        file=path.name,
        codec=codec.name,
        quality=quality,
        size_bytes=len(stream),
        payload_bytes=_payload_bytes(stream),
        bits_per_pixel=pixel_rate,
        bits_per_second=second_rate,
        compress_s=compressed_s - start_s,
        decompress_s=decompressed_s - compressed_s,
        compress_cpu_s=compressed_cpu_s - start_cpu_s,
        decompress_cpu_s=decompressed_cpu_s - compressed_cpu_s,
        metrics=_finite(compare(signal, decoded)),
    )
    return Trial(signal=signal, decoded=decoded, record=record)


def mean_record(records: Sequence[Record]) -> Record:
    """Return the plain mean of every column; a metric's mean is that of the files that have one.

    Raises:
        UsageError: there is no record, or they are of different codecs or qualities.
    """
    settings = {(record.codec, record.quality) for record in records}
    if len(settings) != 1:
        raise UsageError("a mean is of one or more records of one codec at one quality")
    ((codec, quality),) = settings
    metrics = dict.fromkeys(name for record in records for name in record.metrics)
    return Record(
        file=f"mean of {len(records)} files",
        codec=codec,
        quality=quality,
        size_bytes=sum(record.size_bytes for record in records) / len(records),
        payload_bytes=_mean(record.payload_bytes for record in records),
        bits_per_pixel=_mean(record.bits_per_pixel for record in records),
        bits_per_second=_mean(record.bits_per_second for record in records),
        compress_s=sum(record.compress_s for record in records) / len(records),
        decompress_s=sum(record.decompress_s for record in records) / len(records),
        compress_cpu_s=_mean(record.compress_cpu_s for record in records),
        decompress_cpu_s=_mean(record.decompress_cpu_s for record in records),
        metrics={name: _mean(record.metrics.get(name) for record in records) for name in metrics},
    )


def mean_records(records: Sequence[Record]) -> list[Record]:
    """Return the mean record of every codec at every quality, in the order of their first."""
    groups: dict[tuple[str, float], list[Record]] = {}
    for record in records:
        groups.setdefault((record.codec, record.quality), []).append(record)
    return [mean_record(group) for group in groups.values()]


def _cpu_s() -> float:
    """Return the processor time of this process and of its programs that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _find(sources: Sequence[Path]) -> list[Path]:
    files = []
    for source in sources:
        files += find_files([source], SUFFIXES) if source.is_dir() else [source]
    if not files:
        raise InputError("nothing to evaluate: no file was named")
    return files


def _payload_bytes(stream: bytes) -> int | None:
    if not stream.startswith(MAGIC):
        return None
    return sum(map(len, parse_stream(stream).segments))


def compare(signal: Signal, decoded: Signal) -> dict[str, float | None]:
    """Return the metrics of a decoded sound or picture beside its original."""
    from vqcodec.modalities.audio import metrics as audio_metrics  # here: torch takes seconds
    from vqcodec.modalities.image import metrics as image_metrics

    if isinstance(signal, Picture):
        assert isinstance(decoded, Picture)
        return image_metrics.compare(signal, decoded)
    assert isinstance(decoded, AudioClip)
    return audio_metrics.compare(signal, decoded)


def _finite(metrics: dict[str, float | None]) -> dict[str, float | None]:
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in metrics.items()
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
