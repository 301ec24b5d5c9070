"""The quality that meets a target: a size that is not to be passed, or a fidelity to be reached."""

from __future__ import annotations

from collections.abc import Callable

from vqcodec.codec.compress import compress_signal
from vqcodec.codec.decompress import decompress_stream
from vqcodec.codec.parts import Parts, Progress
from vqcodec.errors import UsageError
from vqcodec.signals.files import LazySignal
from vqcodec.signals.picture import Picture, psnr

LOWEST_QUALITY, HIGHEST_QUALITY = 1.0, 10.0


def rate_of(parts: Parts, quality: float) -> int:
    """Return the rate byte of a quality.

    Raises:
        UsageError: the quality is not 1 … 10.
    """
    if not LOWEST_QUALITY <= quality <= HIGHEST_QUALITY:
        raise UsageError(f"quality: {quality} is not {LOWEST_QUALITY:g} … {HIGHEST_QUALITY:g}")
    return parts.quantizer.config.rate_of(quality)


def compress_to_target(
    parts: Parts,
    signal: LazySignal,
    *,
    size_bytes: int,
    separate_channels: bool = False,
    progressive: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """Return the stream of a signal at the highest rate that keeps it within size_bytes.

    Raises:
        UsageError: even the lowest quality takes more.
    """

    def attempt(rate: int) -> tuple[bytes, bool]:
        stream = compress_signal(
            signal, parts, rate, separate_channels=separate_channels, progressive=progressive
        )
        return stream, len(stream) <= size_bytes

    best, too_large = _search(parts, attempt, progress)
    if best is None:
        assert too_large is not None
        raise UsageError(
            f"target: the lowest quality takes {len(too_large)} bytes, not {size_bytes}"
        )
    return best


def compress_to_psnr(
    parts: Parts,
    picture: Picture,
    *,
    psnr_db: float,
    progressive: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """Return the stream of a picture at the lowest rate that reaches a PSNR of its RGB values.

    Raises:
        UsageError: even the highest quality falls short of it.
    """

    def reached_db(stream: bytes) -> float:
        decoded = decompress_stream(stream, parts)
        assert isinstance(decoded, Picture)
        return psnr(picture, decoded)

    def attempt(rate: int) -> tuple[bytes, bool]:
        stream = compress_signal(picture, parts, rate, progressive=progressive)
        return stream, reached_db(stream) < psnr_db

    falls_short, best = _search(parts, attempt, progress)
    if best is None:
        assert falls_short is not None
        reached = reached_db(falls_short)
        raise UsageError(f"target: the highest quality reaches {reached:.2f} dB, not {psnr_db:g}")
    return best


def _search(
    parts: Parts, attempt: Callable[[int], tuple[bytes, bool]], progress: Progress | None
) -> tuple[bytes | None, bytes | None]:
    """Return the stream at the highest rate that holds, and at the lowest that does not.

    A model has at most 256 rates, and size and fidelity grow with them: a binary search tries eight
    or fewer. None stands for a side on which there is no rate.

    Args:
        parts: whose rates are tried.
        attempt: returns a stream and whether it holds, which it does up to some rate.
        progress: is told the share that is done.
    """
    low, high = (rate_of(parts, quality) for quality in (LOWEST_QUALITY, HIGHEST_QUALITY))
    tried, steps = 0, (high - low).bit_length() + 1
    below: bytes | None = None
    above: bytes | None = None
    while low <= high:
        middle = (low + high) // 2
        stream, holds = attempt(middle)
        if holds:
            below, low = stream, middle + 1
        else:
            above, high = stream, middle - 1
        tried += 1
        if progress:
            progress(min(1.0, tried / steps))
    return below, above
