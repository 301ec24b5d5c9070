"""The bits of our streams by part."""

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
        header_bits: of the header, the frames of all sections, and all sections except segments.
        payload_bits: of the entropy-coded indices.
        level_bits: of the payload, by level, see `levels`. Each segment is rounded to whole bytes,
            so the payload is a little more than the sum. Empty if they were not measured.
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
    """Return the means of our streams for each model and setting, in the records' order."""
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
    """Return the names of the levels, for the setting with the most levels."""
    most = max((len(each.level_bits) for each in sizes), default=0)
    return [f"level {number}" for number in range(1, most + 1)]


def levels_of(sizes: PartSizes, count: int) -> list[float | None]:
    """Return the bits of `count` levels; None for a level that the model does not have."""
    missing = count - len(sizes.level_bits)
    return [*sizes.level_bits, *([None] * missing)]
