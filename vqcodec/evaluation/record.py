"""Measurements of a codec on a file, and means of such records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vqcodec.errors import UsageError
from vqcodec.numbers import counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Measurements of a codec on one file, or means over many files.

    Attributes:
        file: its name; "mean of N files" for an average.
        codec: name of the codec.
        quality: the setting, on the codec's own scale.
        size_bytes: of the whole stream.
        payload_bytes: of the entropy-coded segments alone; None for other codecs' streams.
        overhead_bytes: of the rest of our streams: header, frames and checksums of sections,
            opacity, colour profile; None for other codecs' streams.
        level_bits: bits of the indices of each level, see `levels`; None for other codecs.
        codebook_bits: bits of the indices of each codebook; None for other codecs.
        bits_per_pixel: of the whole stream; None for a sound.
        bits_per_second: of the whole stream; None for a picture.
        compress_s: wall time from the signal in memory to the stream.
        decompress_s: wall time from the stream to the signal in memory.
        compress_cpu_s: CPU time, with that of programs that the codec starts; None if it was not
            measured.
        decompress_cpu_s: the same for decompression.
        peak_memory_bytes: of both, without the memory in use before, see `memory`; None if it
            cannot be measured.
        metrics: by name; None if a value is not finite, such as the PSNR of an equal picture.
        file_digest: of the file's content, see `identity`; None for an average.
        codec_digest: distinguishes models of the same name; None for other codecs.
        notes: on parts that the reader left out or changed, each with a code and a text.
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
    peak_memory_bytes: float | None = None
    overhead_bytes: float | None = None
    level_bits: list[float] | None = None
    codebook_bits: list[float] | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    file_digest: str | None = None
    codec_digest: str | None = None
    notes: list[dict[str, str]] = field(default_factory=list)


def mean_record(records: Sequence[Record]) -> Record:
    """Return the mean of every column; the mean of a metric is over the files that have a value.

    Raises:
        UsageError: there is no record, or they are of different codecs or qualities.
    """
    settings = {(record.codec, record.quality) for record in records}
    if len(settings) != 1:
        raise UsageError("a mean is of one or more records of one codec at one quality")
    ((codec, quality),) = settings
    metrics = dict.fromkeys(name for record in records for name in record.metrics)
    return Record(
        file=f"mean of {counted(len(records), 'file')}",
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
        peak_memory_bytes=_mean(record.peak_memory_bytes for record in records),
        overhead_bytes=_mean(record.overhead_bytes for record in records),
        level_bits=_mean_lists([record.level_bits for record in records]),
        codebook_bits=_mean_lists([record.codebook_bits for record in records]),
        metrics={name: _mean(record.metrics.get(name) for record in records) for name in metrics},
    )


def mean_records(records: Sequence[Record]) -> list[Record]:
    """Return the mean record of each codec at each quality, in the order of first occurrence."""
    groups: dict[tuple[str, float], list[Record]] = {}
    for record in records:
        groups.setdefault((record.codec, record.quality), []).append(record)
    return [mean_record(group) for group in groups.values()]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _mean_lists(lists: Iterable[list[float] | None]) -> list[float] | None:
    known = [bits for bits in lists if bits is not None]
    return [sum(bits) / len(known) for bits in zip(*known, strict=True)] if known else None
