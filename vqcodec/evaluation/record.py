"""What a codec did to a file, and the means of many such records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vqcodec.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a codec did to one file, or on average to many.

    Attributes:
        file: its name; "mean of N files" for an average.
        codec: name of the codec.
        quality: the setting, on the codec's own scale.
        size_bytes: of the whole stream.
        payload_bytes: of the entropy-coded segments alone; None for other codecs' streams.
        overhead_bytes: of all the rest of our streams: header, frames and checksums of sections,
            opacity, colour profile; None for other codecs' streams.
        level_bits: what the indices of each level cost, see `levels`; None for other codecs.
        codebook_bits: and those of each codebook.
        bits_per_pixel: of the whole stream; None for a sound.
        bits_per_second: of the whole stream; None for a picture.
        compress_s: wall time from the signal in memory to the stream.
        decompress_s: and back.
        compress_cpu_s: seconds of all processors, with those of programs that a codec starts;
            None where nobody measured them.
        decompress_cpu_s: and back.
        peak_memory_bytes: the most that this took beyond what was loaded before, see `memory`;
            None where it cannot be measured.
        metrics: by name; None where a metric has no finite value, as PSNR of an equal picture.
        file_digest: of the file's content, see `identity`; None for an average.
        codec_digest: what tells a model from another of its name; None for other codecs.
        notes: what the reader of the file left out or changed, each with a code and a text.
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
        peak_memory_bytes=_mean(record.peak_memory_bytes for record in records),
        overhead_bytes=_mean(record.overhead_bytes for record in records),
        level_bits=_mean_lists([record.level_bits for record in records]),
        codebook_bits=_mean_lists([record.codebook_bits for record in records]),
        metrics={name: _mean(record.metrics.get(name) for record in records) for name in metrics},
    )


def mean_records(records: Sequence[Record]) -> list[Record]:
    """Return the mean record of every codec at every quality, in the order of their first."""
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
