"""Splitting of planes into segments, and decoding of a stream's segments on demand."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vqcodec.bitstream.levels import parse_level
from vqcodec.bitstream.stream import Stream
from vqcodec.codec.parts import Parts
from vqcodec.cores import num_threads
from vqcodec.layout import Place, pieces, sizes, spans, whole
from vqcodec.priors.base import Indices, Prior, Shape

# Coded side by side, if each thread has a segment: 5 minutes of speech, 20 s of stereo music.
INDICES_AT_A_TIME = 1 << 21
MOST_AT_A_TIME = 1 << 24  # if each thread has one
_LONG = 1 << 14  # positions
Number = TypeVar("Number", bound=np.generic)


def num_at_a_time(prior: Prior, num_indices: int, num_segments: int = 1) -> int:
    """Return how many rows of segments are coded side by side, at least one.

    Args:
        prior: of the model; its states count like indices.
        num_indices: of each segment.
        num_segments: of a row.
    """
    row = max(1, num_segments * (num_indices + prior.states_per_segment))
    for_threads = -(-num_threads() // max(1, num_segments))
    return max(1, INDICES_AT_A_TIME // row, min(for_threads, MOST_AT_A_TIME // row))


def split_segments(plane: NDArray[Number], size: int) -> list[NDArray[Number]]:
    """Return the segments of a plane [K', ...], at most `size` along each axis, row by row."""
    return [plane[(slice(None), *piece)] for piece in pieces(plane.shape[1:], size)]


def join_segments(
    segments: Sequence[NDArray[Number]], grid: tuple[int, ...], size: int
) -> NDArray[Number]:
    """Return the plane [K', *grid] of its segments; the inverse of `split_segments`."""
    plane = np.zeros((len(segments[0]), *grid), segments[0].dtype)
    for piece, segment in zip(pieces(grid, size), segments, strict=True):
        plane[(slice(None), *piece)] = segment
    return plane


class SegmentRows:
    """The segments of a stream in rows; a row's segments start at one position of the first axis.

    A row of a sound has one segment for each plane. All segments of a batch of rows are decoded
    side by side.
    """

    def __init__(
        self,
        stream: Stream,
        parts: Parts,
        level: int | None = None,
        missing: Collection[int] = (),
    ) -> None:
        """Take a stream from `open_stream`, its model, and the last level that is wanted.

        The segments whose numbers are `missing` are filled with ordinary indices.

        Raises:
            CorruptStreamError: a level does not hold a payload for every segment.
        """
        modality, header = parts.modality, stream.header
        self.prior, self.rate, self.missing = parts.prior, header.rate, missing
        self.num_codebooks = parts.quantizer.config.codebooks_at(self.rate)
        is_last = level == parts.prior.num_levels(self.num_codebooks)
        self.level = None if is_last else level
        self.grid = modality.grid(header.facts)
        self.num_planes = modality.num_planes(header.facts)
        self.size = modality.geometry.segment
        self.num_rows = len(spans(self.grid[0], self.size))
        self.num_columns = math.prod(len(spans(length, self.size)) for length in self.grid[1:])
        segment = math.prod(min(length, self.size) for length in self.grid)
        per_row = self.num_planes * self.num_columns  # segments
        self.rows_at_a_time = num_at_a_time(parts.prior, segment * self.num_codebooks, per_row)
        num_segments = per_row * self.num_rows
        self.is_progressive = bool(stream.levels)
        levels = [parse_level(body, num_segments) for body in stream.levels]
        # For each segment: the payload of each level, or its only payload.
        self.payloads = list(zip(*levels or [list(stream.segments)], strict=True))

    def batches(self) -> Iterator[range]:
        """Yield all rows in batches, to bound memory."""
        for start in range(0, self.num_rows, self.rows_at_a_time):
            yield range(start, min(self.num_rows, start + self.rows_at_a_time))

    def place(self, rows: range) -> Place:
        """Return the place of some rows in the grid."""
        stop = min(rows.stop * self.size, self.grid[0])
        return (slice(rows.start * self.size, stop), *whole(self.grid[1:]))

    def decode(self, rows: range) -> list[Indices]:
        """Return the indices of each segment in some rows, plane by plane.

        Raises:
            CorruptStreamError: no encoder writes such a payload.
        """
        places = pieces(sizes(self.place(rows)), self.size)
        shapes = [(self.num_codebooks, *sizes(place)) for place in places]
        numbers: list[int] = []
        for plane in range(self.num_planes):
            start = (plane * self.num_rows + rows.start) * self.num_columns
            numbers += range(start, start + len(shapes))
        shapes *= self.num_planes
        if self.missing:
            return [
                self.prior.ordinary(shape, self.rate)
                if number in self.missing
                else self._decode([number], [shape])[0]
                for number, shape in zip(numbers, shapes, strict=True)
            ]
        return self._decode(numbers, shapes)

    def _decode(self, numbers: Sequence[int], shapes: Sequence[Shape]) -> list[Indices]:
        """Return the indices of some segments."""
        payloads = [self.payloads[number] for number in numbers]
        if self.is_progressive:
            return self.prior.decompress_levels(payloads, shapes, self.rate)
        whole = [payload for (payload,) in payloads]
        return self.prior.decompress(whole, shapes, self.rate, self.level)

    def join(self, segments: Sequence[NDArray[Number]], rows: range) -> NDArray[Number]:
        """Return the planes [P, K', ...] of some rows from their segments."""
        grid, per_plane = sizes(self.place(rows)), len(rows) * self.num_columns
        starts = range(0, len(segments), per_plane)
        planes = [join_segments(segments[n : n + per_plane], grid, self.size) for n in starts]
        return np.stack(planes)


class IndexReader:
    """Returns the indices of a stream window by window; keeps only the rows still needed.

    For a sound, a thread decodes the next rows while the networks run on the current ones. For a
    picture there is no such thread, because its prior and its networks use all cores.
    """

    def __init__(
        self,
        stream: Stream,
        parts: Parts,
        region: Place,
        level: int | None = None,
        missing: Collection[int] = (),
    ) -> None:
        """Take what `SegmentRows` takes, and the place where all windows lie."""
        self._rows = SegmentRows(stream, parts, level, missing)
        size, at_a_time = self._rows.size, self._rows.rows_at_a_time
        first_row, stop_row = region[0].start // size, -(-region[0].stop // size)
        self._batches = iter(
            range(row, min(stop_row, row + at_a_time))
            for row in range(first_row, stop_row, at_a_time)
        )
        self._start = first_row * size  # the first position in memory
        self._held: NDArray[np.int16] | None = None  # [P, K', ...]
        self._runs_ahead = len(region) == 1
        self._next: Future[NDArray[np.int16]] | None = None

    def __call__(self, place: Place) -> NDArray[np.int16]:
        """Return the indices [P, K', ...] of a place; its start is at or after the previous start.

        Raises:
            CorruptStreamError: no encoder writes such a payload.
        """
        first, others = place[0], place[1:]
        parts = [] if self._held is None else [self._held[:, :, first.start - self._start :]]
        self._start = max(self._start, first.start) if parts else self._start
        while self._start + sum(part.shape[2] for part in parts) < first.stop:
            following = self._next or self._begin_next()
            assert following is not None, "a window past the region"
            parts.append(following.result())
            self._next = self._begin_next() if self._runs_ahead else None
        self._held = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        inside = slice(first.start - self._start, first.stop - self._start)
        return self._held[(slice(None), slice(None), inside, *others)]

    @property
    def is_long(self) -> bool:
        """Whether the decoding thread is busy nearly all the time.

        Depends on the whole stream, so that excerpts decode to the same samples.
        """
        return self._runs_ahead and self._rows.grid[0] > _LONG

    def _begin_next(self) -> Future[NDArray[np.int16]] | None:
        """Start a thread that decodes the next rows; None if no row is left."""
        rows = next(self._batches, None)
        if rows is None:
            return None
        indices: Future[NDArray[np.int16]] = Future()
        Thread(target=self._decode, args=(rows, indices), daemon=True).start()
        return indices

    def _decode(self, rows: range, indices: Future[NDArray[np.int16]]) -> None:
        """Set the result of the future: the indices of some rows, or the exception."""
        try:
            compact = [segment.astype(np.int16) for segment in self._rows.decode(rows)]
            indices.set_result(self._rows.join(compact, rows))
        except BaseException as error:  # the waiting thread must receive every exception
            indices.set_exception(error)
