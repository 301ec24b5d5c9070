"""The quality that meets a target: a size that is not to be passed, or a fidelity to be reached."""

from __future__ import annotations

from collections.abc import Callable

from vqcodec.codec.compress import compress_signal
from vqcodec.codec.model import HIGHEST_QUALITY, LOWEST_QUALITY, Model, Progress
from vqcodec.errors import UsageError
from vqcodec.modalities.image.metrics import psnr
from vqcodec.modalities.image.signal import Picture
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

    Raises:
        UsageError: even the lowest quality takes more.
    """
    best: bytes | None = None
    smallest = 0

    def fits(rate: int) -> bool:
        nonlocal best, smallest
        stream = compress_signal(signal, model, rate, separate_channels=separate_channels)
        if len(stream) <= size_bytes:
            best = stream
            return True
        smallest = len(stream)
        return False

    highest_rate(model, fits, progress)
    if best is None:
        raise UsageError(f"target: the lowest quality takes {smallest} bytes, not {size_bytes}")
    return best


def compress_to_psnr(
    model: Model, picture: Picture, *, psnr_db: float, progress: Progress | None = None
) -> bytes:
    """Return the stream of a picture at the lowest rate that reaches a PSNR of its RGB values.

    Raises:
        UsageError: even the highest quality falls short of it.
    """
    best: bytes | None = None
    reached = 0.0

    def falls_short(rate: int) -> bool:
        nonlocal best, reached
        stream = compress_signal(picture, model, rate)
        decoded = model.decompress(stream)
        assert isinstance(decoded, Picture)
        found = psnr(picture, decoded)
        if found >= psnr_db:
            best = stream
            return False
        reached = found
        return True

    highest_rate(model, falls_short, progress)
    if best is None:
        raise UsageError(f"target: the highest quality reaches {reached:.2f} dB, not {psnr_db:g}")
    return best


def highest_rate(
    model: Model, holds: Callable[[int], bool], progress: Progress | None = None
) -> None:
    """Try rates until the highest is found for which `holds`, which is true up to some rate.

    A model has at most 256 rates, and size and fidelity grow with them: a binary search tries eight
    or fewer. The last one that holds and the last one that does not lie side by side.
    """
    low, high = model.rate_of(LOWEST_QUALITY), model.rate_of(HIGHEST_QUALITY)
    tried, steps = 0, (high - low).bit_length() + 1
    while low <= high:
        middle = (low + high) // 2
        if holds(middle):
            low = middle + 1
        else:
            high = middle - 1
        tried += 1
        if progress:
            progress(min(1.0, tried / steps))
