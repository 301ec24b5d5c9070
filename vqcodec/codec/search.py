"""The best quality whose stream is not larger than asked for."""

from __future__ import annotations

from vqcodec.codec.compress import compress_signal
from vqcodec.codec.model import HIGHEST_QUALITY, LOWEST_QUALITY, Model, Progress
from vqcodec.errors import UsageError
from vqcodec.modalities.media import Signal


def compress_to_target(
    model: Model,
    signal: Signal,
    *,
    size_bytes: int,
    separate_channels: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """Return the stream of a signal at the highest rate that keeps it within size_bytes.

    The rates of a model are few, 256 at most, and size grows with them: a binary search tries
    eight or fewer.

    Raises:
        UsageError: even the lowest quality takes more.
    """
    low, high = model.rate_of(LOWEST_QUALITY), model.rate_of(HIGHEST_QUALITY)
    best: bytes | None = None
    tried, steps = 0, (high - low).bit_length() + 1
    smallest = 0
    while low <= high:
        middle = (low + high) // 2
        stream = compress_signal(signal, model, middle, separate_channels=separate_channels)
        if len(stream) <= size_bytes:
            best, low = stream, middle + 1
        else:
            smallest, high = len(stream), middle - 1
        tried += 1
        if progress:
            progress(min(1.0, tried / steps))
    if best is None:
        raise UsageError(f"target: the lowest quality takes {smallest} bytes, not {size_bytes}")
    return best
