"""Where the bits of our streams went, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqcodec.evaluation.record import Record, mean_records


@dataclass(frozen=True, kw_only=True, slots=True)
class PartSizes:
    """Mean bits of the streams of a model at one setting.

    Attributes:
        codec: name of the model.
        quality: the setting.
        header_bits: with the sections' frames and all sections but the segments.
        payload_bits: of the entropy-coded indices.
        level_bits: of it, by level, see `levels`; the payload is rounded to whole bytes, segment
            by segment, and so a little more than the sum. Empty where nobody measured them.
    """

    codec: str
    quality: float
    header_bits: float
    payload_bits: float
    level_bits: Sequence[float]

    @property
    def num_bits(self) -> float:
        """The bits of the whole stream."""
        return self.header_bits + self.payload_bits


def part_sizes(records: Sequence[Record]) -> list[PartSizes]:
    """Return the means of our streams, one entry a model and setting, in the records' order."""
    return [
        PartSizes(
            codec=mean.codec,
            quality=mean.quality,
            header_bits=8 * (mean.size_bytes - mean.payload_bytes),
            payload_bits=8 * mean.payload_bytes,
            level_bits=mean.level_bits or (),
        )
        for mean in mean_records(records)
        if mean.payload_bytes is not None
    ]


def level_names(sizes: Sequence[PartSizes]) -> list[str]:
    """Return what the levels are called, of as many as any setting has."""
    most = max((len(each.level_bits) for each in sizes), default=0)
    return [f"level {number}" for number in range(1, most + 1)]


def levels_of(sizes: PartSizes, count: int) -> list[float | None]:
    """Return the bits of each level, and None for those up to `count` that a model has not."""
    missing = count - len(sizes.level_bits)
    return [*sizes.level_bits, *([None] * missing)]
