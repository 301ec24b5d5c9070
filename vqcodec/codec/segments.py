"""Planes to segments and back, and the segments of a stream as they are needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.stream import Stream
from vqcodec.nn.windows import Place, pieces, sizes, spans, whole
from vqcodec.priors.base import Indices

if TYPE_CHECKING:
    from vqcodec.codec.model import Model

_POSITIONS_AT_A_TIME = 1 << 16  # are decoded side by side; 20 minutes of speech
Number = TypeVar("Number", bound=np.generic)


def split_segments(plane: NDArray[Number], model: Model) -> list[NDArray[Number]]:
    """Return the segments of what stands in a plane [K', ...], row by row."""
    size = model.autoencoder.modality.geometry().segment
    return [plane[(slice(None), *piece)] for piece in pieces(plane.shape[1:], size)]


def join_segments(
    segments: Sequence[NDArray[Number]], grid: tuple[int, ...], model: Model
) -> NDArray[Number]:
    """Return what stands in a plane [K', *grid] out of its segments: `split_segments` undone."""
    plane = np.zeros((len(segments[0]), *grid), segments[0].dtype)
    places = pieces(grid, model.autoencoder.modality.geometry().segment)
    for piece, segment in zip(places, segments, strict=True):
        plane[(slice(None), *piece)] = segment
    return plane


class SegmentRows:
    """The segments of a stream by rows: those that begin at one position of the first axis.

    A row of a sound is one segment of each coded channel. All segments of some rows are decoded
    side by side.
    """

    def __init__(self, stream: Stream, model: Model) -> None:
        """Take a stream from `open_stream` and its model."""
        modality, header = model.autoencoder.modality, stream.header
        self.model, self.payloads, self.rate = model, stream.segments, header.rate
        self.grid = modality.grid(header.facts)
        self.num_planes = modality.num_planes(header.facts)
        self.size = modality.geometry().segment
        self.num_rows = len(spans(self.grid[0], self.size))
        self.num_columns = math.prod(len(spans(length, self.size)) for length in self.grid[1:])
        segment = math.prod(min(length, self.size) for length in self.grid)
        positions = max(1, segment * self.num_columns * self.num_planes)
        self.rows_at_a_time = max(1, _POSITIONS_AT_A_TIME // positions)

    def batches(self) -> Iterator[range]:
        """Yield all rows, so many at a time as memory is to hold."""
        for start in range(0, self.num_rows, self.rows_at_a_time):
            yield range(start, min(self.num_rows, start + self.rows_at_a_time))

    def place(self, rows: range) -> Place:
        """Return the positions of rows."""
        stop = min(rows.stop * self.size, self.grid[0])
        return (slice(rows.start * self.size, stop), *whole(self.grid[1:]))

    def decode(self, rows: range) -> list[Indices]:
        """Return the indices of each segment in some rows, plane after plane.

        Raises:
            CorruptStreamError: a payload is not one that an encoder writes.
        """
        num_codebooks = self.model.autoencoder.quantizer.codebooks_at(self.rate)
        shapes = [
            (num_codebooks, *sizes(piece)) for piece in pieces(sizes(self.place(rows)), self.size)
        ]
        payloads: list[bytes] = []
        for plane in range(self.num_planes):
            start = (plane * self.num_rows + rows.start) * self.num_columns
            payloads += self.payloads[start : start + len(shapes)]
        return self.model.prior.decompress(payloads, shapes * self.num_planes, self.rate)

    def join(self, segments: Sequence[NDArray[Number]], rows: range) -> NDArray[Number]:
        """Return what stands in some rows, [P, K', ...], out of their segments."""
        grid, per_plane = sizes(self.place(rows)), len(rows) * self.num_columns
        starts = range(0, len(segments), per_plane)
        planes = [join_segments(segments[n : n + per_plane], grid, self.model) for n in starts]
        return np.stack(planes)


class IndexReader:
    """Gives the indices of a stream, window after window, and keeps no more than it needs."""

    def __init__(self, stream: Stream, model: Model, region: Place) -> None:
        """Take a stream from `open_stream`, its model, and the place where all windows lie."""
        self._rows = SegmentRows(stream, model)
        size = self._rows.size
        self._next_row, self._stop_row = region[0].start // size, -(-region[0].stop // size)
        self._start = self._next_row * size  # the first position that is held
        self._held: NDArray[np.int16] | None = None  # [P, K', ...]

    def __call__(self, place: Place) -> Indices:
        """Return the indices [P, K', ...] of a place, which begins in no row before the last one's.

        Raises:
            CorruptStreamError: a payload is not one that an encoder writes.
        """
        first, others = place[0], place[1:]
        parts = [] if self._held is None else [self._held[:, :, first.start - self._start :]]
        self._start = max(self._start, first.start) if parts else self._start
        while self._start + sum(part.shape[2] for part in parts) < first.stop:
            parts.append(self._decode_on())
        self._held = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        inside = slice(first.start - self._start, first.stop - self._start)
        return self._held[(slice(None), slice(None), inside, *others)].astype(np.int64)

    def _decode_on(self) -> NDArray[np.int16]:
        """Return the indices of the next rows."""
        stop = min(self._stop_row, self._next_row + self._rows.rows_at_a_time)
        rows = range(self._next_row, stop)
        self._next_row = stop
        compact = [segment.astype(np.int16) for segment in self._rows.decode(rows)]
        return self._rows.join(compact, rows)
