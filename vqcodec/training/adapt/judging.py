"""Real files of held-out signals: bytes and distortion of codecs, and the gap between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from vqcodec.modalities.base import Modality
from vqcodec.signals.files import Signal, read_signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip
from vqcodec.training.modality import training_side
from vqcodec.training.validation import rate_gap

LARGEST_SIDE = 1024  # pixels of a picture that are judged, each way, in its middle
LONGEST_S = 20.0  # of a sound, in its middle
LEAST_DISTORTION = 1e-6


class Codec(Protocol):
    """A model, or another codec."""

    @property
    def name(self) -> str:
        """The name in records."""

    def compress(self, signal: Any, *, quality: float) -> bytes:
        """Return a stream; each codec has its own scale of quality."""

    def decompress(self, stream: bytes) -> Signal:
        """Return the signal."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One file through one codec at one quality.

    Attributes:
        file: its name.
        codec: its name.
        quality: on the codec's own scale.
        size_bytes: of the stream.
        quality_db: -10 * log10 of the distortion that the model's recipe minimises; for squared
            errors, PSNR.
    """

    file: str
    codec: str
    quality: float
    size_bytes: int
    quality_db: float


def judge(
    codec: Codec,
    files: Sequence[Path],
    qualities: Sequence[float],
    modality: Modality[Any],
    distortion: str,
) -> Iterator[Judged]:
    """Yield the records of all files at all qualities; the decoder receives only the stream.

    Args:
        codec: makes the streams.
        files: their middles are coded if they are large.
        qualities: on the codec's scale.
        modality: of the files.
        distortion: its name in the recipe's objective.
    """
    side = training_side(modality)
    for path in files:
        signal = middle_of(read_signal(path))
        target = _planes(modality, signal)
        for quality in qualities:
            stream = codec.compress(signal, quality=quality)
            decoded = _planes(modality, codec.decompress(stream))
            num = min(decoded.shape[-1], target.shape[-1])  # decoders of sounds may add samples
            with torch.no_grad():
                terms = side.distortion(decoded[..., :num], target[..., :num], distortion)
            total = float(terms["total"].mean())
            if "psnr_db" in terms:
                quality_db = float(terms["psnr_db"].mean())
            else:
                quality_db = -10 * math.log10(max(total, LEAST_DISTORTION))
            yield Judged(path.name, codec.name, quality, len(stream), quality_db)


def middle_of(signal: Signal) -> Signal:
    """Return the middle of a signal: at most `LARGEST_SIDE` pixels each way, or `LONGEST_S`."""
    if isinstance(signal, Picture):
        rows, columns = (
            slice(
                max(0, length - LARGEST_SIDE) // 2,
                max(0, length - LARGEST_SIDE) // 2 + LARGEST_SIDE,
            )
            for length in (signal.height, signal.width)
        )
        alpha = None if signal.alpha is None else signal.alpha[rows, columns]
        return replace(signal, pixels=signal.pixels[rows, columns], alpha=alpha)
    longest = round(LONGEST_S * signal.sample_rate)
    start = max(0, signal.num_samples - longest) // 2
    return AudioClip(signal.waveform[:, start : start + longest], signal.sample_rate)


def _planes(modality: Modality[Any], signal: Signal) -> Tensor:
    """Return a signal as networks take it, [P, C, ...], with the padding of its last positions."""
    facts = modality.facts(signal, separate_channels=False)
    step, trim = modality.geometry.step, modality.geometry.tail_trim
    place = tuple(slice(0, max(0, n * step - trim)) for n in modality.grid(facts))
    return torch.from_numpy(modality.reader(signal, facts)(place).copy())


def gap_percent(before: Sequence[Judged], after: Sequence[Judged]) -> float:
    """Return the average difference of bytes in per cent at equal quality; below 0 `after` wins.

    Bytes are sums over files, qualities are means over files. If the qualities do not overlap, or
    there is a single one: the difference of all bytes if `after` is nowhere worse, else NaN.
    """
    terms = [_terms(records) for records in (before, after)]
    if all(len(own) > 1 for own in terms):
        gap = rate_gap(*terms)
        if math.isfinite(gap):
            return gap
    if terms[0].keys() != terms[1].keys():
        return math.nan
    if any(terms[1][key]["quality_db"] < terms[0][key]["quality_db"] - 0.01 for key in terms[0]):
        return math.nan
    sizes = [sum(own["rate"] for own in each.values()) for each in terms]
    return 100 * (sizes[1] / sizes[0] - 1)


def _terms(records: Sequence[Judged]) -> dict[int, dict[str, float]]:
    """Return total bytes and mean quality by the thousandth of the quality."""
    terms: dict[int, dict[str, float]] = {}
    for quality in sorted({record.quality for record in records}):
        own = [record for record in records if record.quality == quality]
        terms[round(1000 * quality)] = {
            "rate": float(sum(record.size_bytes for record in own)),
            "quality_db": sum(record.quality_db for record in own) / len(own),
        }
    return terms
