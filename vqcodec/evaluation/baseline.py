"""The interface of other codecs, and running of their programs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from vqcodec.errors import MissingCodecError, UsageError
from vqcodec.evaluation.metrics.audio import LEAST_FULL_RATE
from vqcodec.signals.files import Signal


class Baseline(ABC):
    """Another codec, and the settings at which it is compared."""

    name: str
    modality: str  # "image" or "audio"
    qualities: Sequence[float]
    full_band_qualities: Sequence[float] | None = None  # of sounds from 32 kHz on; None: the same

    def qualities_at(self, sample_rate: int | None) -> Sequence[float]:
        """Return the settings for sounds of a sample rate in Hz, or for pictures (None)."""
        if self.full_band_qualities is None or (sample_rate or 0) < LEAST_FULL_RATE:
            return self.qualities
        return self.full_band_qualities

    @abstractmethod
    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the codec's own file. Pictures are coded as 8 bits, without alpha or profile.

        Raises:
            UsageError: the codec does not support this signal or quality.
        """

    @abstractmethod
    def decompress(self, stream: bytes) -> Signal:
        """Return the signal, at the codec's own rate if it has one."""


def need_programs(name: str, package: str, *programs: str) -> None:
    """Raise MissingCodecError if a baseline's programs, which are in a package, are missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise MissingCodecError(
            f"{name}: {' and '.join(missing)} not found: install {package} "
            f"(apt-get install {package})"
        )


def convert(command: Sequence[str], data: bytes, from_suffix: str, to_suffix: str) -> bytes:
    """Return the file that a program writes when it reads `data`."""
    with tempfile.TemporaryDirectory(prefix="vqcodec-") as folder:
        source, target = Path(folder, "source" + from_suffix), Path(folder, "target" + to_suffix)
        source.write_bytes(data)
        paths = {"{source}": str(source), "{target}": str(target)}
        arguments = [paths.get(part, part) for part in command]
        done = subprocess.run(arguments, capture_output=True, check=False)
        if done.returncode or not target.exists():
            reason = done.stderr.decode(errors="replace").strip().splitlines() or [
                f"exit status {done.returncode}"
            ]
            raise UsageError(f"{command[0]}: {reason[-1]}")
        return target.read_bytes()
