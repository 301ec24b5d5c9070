"""The rate that meets a goal: a quality, or by search a largest size or a lowest PSNR."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

from vqcodec.codec.compress import compress_signal
from vqcodec.codec.decompress import decompress_stream
from vqcodec.codec.graphs import Progress
from vqcodec.codec.parts import Parts
from vqcodec.errors import TargetSizeError, UsageError
from vqcodec.numbers import as_number
from vqcodec.rate import DEFAULT_QUALITY
from vqcodec.signals.files import LazySignal
from vqcodec.signals.picture import Picture, psnr

LOWEST_QUALITY, HIGHEST_QUALITY = 1.0, 10.0


def rate_of(parts: Parts, quality: float) -> int:
    """Return the rate byte of a quality.

    Raises:
        UsageError: the quality is not 1 … 10.
    """
    if not (isinstance(quality, Real) and LOWEST_QUALITY <= quality <= HIGHEST_QUALITY):
        raise UsageError(f"quality: {quality!r} is not {LOWEST_QUALITY:g} … {HIGHEST_QUALITY:g}")
    return parts.quantizer.config.rate_of(quality)


def compress_to_goal(
    parts: Parts,
    signal: LazySignal,
    *,
    quality: float | None = None,
    size_bytes: int | None = None,
    psnr_db: float | None = None,
    separate_channels: bool = False,
    progressive: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """Return the stream of at most a size, or of at least a PSNR, or else of a quality.

    Without a goal, the quality is `DEFAULT_QUALITY`.

    Raises:
        UsageError: a goal is not a number, or no rate meets it.
    """
    if size_bytes is not None:
        as_number(size_bytes, "size_bytes")
        return compress_to_target(
            parts,
            signal,
            size_bytes=size_bytes,
            separate_channels=separate_channels,
            progressive=progressive,
            progress=progress,
        )
    if psnr_db is not None:
        psnr_db = as_number(psnr_db, "psnr_db")
        assert isinstance(signal, Picture)
        return compress_to_psnr(
            parts, signal, psnr_db=psnr_db, progressive=progressive, progress=progress
        )
    return compress_signal(
        signal,
        parts,
        rate_of(parts, DEFAULT_QUALITY if quality is None else quality),
        separate_channels=separate_channels,
        progressive=progressive,
        progress=progress,
    )


def compress_to_target(
    parts: Parts,
    signal: LazySignal,
    *,
    size_bytes: int,
    separate_channels: bool = False,
    progressive: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """Return the stream at the highest rate whose size is at most `size_bytes`.

    Raises:
        TargetSizeError: the stream of the lowest quality is larger.
    """

    def attempt(rate: int) -> tuple[bytes, bool]:
        stream = compress_signal(
            signal, parts, rate, separate_channels=separate_channels, progressive=progressive
        )
        return stream, len(stream) <= size_bytes

    best, too_large = _search(parts, attempt, progress)
    if best is None:
        assert too_large is not None
        raise TargetSizeError(
            f"target: the lowest quality takes {len(too_large)} bytes, not {size_bytes}",
            len(too_large),
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
    """Return the stream of a picture at the lowest rate that reaches a PSNR of RGB values.

    Raises:
        UsageError: the PSNR of the highest quality is lower.
    """
    reached_db = -math.inf

    def attempt(rate: int) -> tuple[bytes, bool]:
        nonlocal reached_db
        stream = compress_signal(picture, parts, rate, progressive=progressive)
        decoded = decompress_stream(stream, parts)
        assert isinstance(decoded, Picture)
        reached_db = psnr(picture, decoded)
        return stream, reached_db < psnr_db

    _, best = _search(parts, attempt, progress)
    if best is None:  # the search tried the highest quality last
        raise UsageError(
            f"PSNR: the highest quality reaches only {reached_db:.2f} dB, needed {psnr_db:g} dB"
        )
    return best


def _search(
    parts: Parts, attempt: Callable[[int], tuple[bytes, bool]], progress: Progress | None
) -> tuple[bytes | None, bytes | None]:
    """Return the stream at the highest rate that passes, and at the lowest rate that fails.

    A stream is None if no rate passes, or if no rate fails. A binary search tries at most nine of
    at most 256 rates: size and fidelity increase with the rate.

    Args:
        parts: of the model.
        attempt: returns the stream at a rate, and whether that rate passes; if a rate passes, all
            lower rates pass.
        progress: is called with the share done, 0 … 1.
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
