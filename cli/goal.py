"""What decides the size of a stream, as the options of `vqcodec compress` say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vqcodec.errors import UsageError
from vqcodec.numbers import plain

from .options import parse_amount, parse_size, require_quality, require_within

if TYPE_CHECKING:
    from vqcodec.signals.files import LazySignal


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What decides the size of a stream: a quality, a limit in one of three units, or a PSNR."""

    quality: float | None = None
    bits_per_second: float | None = None
    bits_per_pixel: float | None = None
    size_bytes: float | None = None
    psnr_db: float | None = None

    @classmethod
    def parse(
        cls,
        *,
        quality: float | None,
        bitrate: str | None,
        bpp: str | None,
        size: str | None,
        psnr: float | None,
    ) -> Goal:
        """Return the goal that the options name; without any, the default quality.

        Raises:
            UsageError: there are two, or one is not a number it can be.
        """
        given: dict[str, object] = {
            "--quality": quality,
            "--bitrate": bitrate,
            "--bpp": bpp,
            "--size": size,
            "--psnr": psnr,
        }
        named = [option for option, value in given.items() if value is not None]
        if len(named) > 1:
            raise UsageError(f"{' and '.join(named)}: give only one of them")
        if bitrate is not None:
            return cls(bits_per_second=parse_amount("--bitrate", bitrate))
        if bpp is not None:
            return cls(bits_per_pixel=parse_amount("--bpp", bpp, "0.25 or 1.5"))
        if size is not None:
            return cls(size_bytes=parse_size("--size", size))
        if psnr is not None:
            return cls(psnr_db=require_within("--psnr", psnr, 1, 100))
        return cls(quality=require_quality(quality))

    def limit_bytes(self, signal: LazySignal) -> int | None:
        """Return how large the stream of this signal may be; None where something else decides.

        Raises:
            UsageError: the limit is one for the other kind of signal.
        """
        from vqcodec.signals.picture import Picture

        if self.bits_per_second is not None:
            if isinstance(signal, Picture):
                raise UsageError("--bitrate is for sounds; for a picture use --bpp or --size")
            return int(self.bits_per_second * signal.num_samples / signal.sample_rate / 8)
        if self.bits_per_pixel is not None:
            if not isinstance(signal, Picture):
                raise UsageError("--bpp is for pictures; for a sound use --bitrate or --size")
            return int(self.bits_per_pixel * signal.width * signal.height / 8)
        if self.psnr_db is not None and not isinstance(signal, Picture):
            raise UsageError("--psnr is for pictures; for a sound use --quality or --bitrate")
        return None if self.size_bytes is None else int(self.size_bytes)

    def refusal(self, signal: LazySignal, least_bytes: int) -> str:
        """Return why no stream of this signal keeps the limit, in the unit of the option.

        The rate that it names is one that can be met.
        """
        from vqcodec.signals.picture import Picture

        least, wanted, unit = float(least_bytes), self.size_bytes, "bytes"
        if self.bits_per_second is not None and not isinstance(signal, Picture):
            if signal.num_samples:
                least = math.ceil(8 * least_bytes * signal.sample_rate / signal.num_samples)
                wanted, unit = self.bits_per_second, "bit/s"
        elif self.bits_per_pixel is not None and isinstance(signal, Picture):
            num_pixels = signal.width * signal.height
            least = math.ceil(8e4 * least_bytes / num_pixels) / 1e4
            wanted, unit = self.bits_per_pixel, "bits per pixel"
        return f"the lowest quality takes {plain(least, 12)} {unit}, not {plain(wanted or 0, 12)}"
