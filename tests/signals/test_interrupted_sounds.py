"""An interruption within a callback of a C library is not lost, and ends no sound early."""

from __future__ import annotations

import io
import signal

import numpy as np
import pytest

from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip, write_clip

RATE = 16_000
FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF")


class Interrupted(io.BytesIO):
    """A file during whose n-th access Ctrl-C is pressed."""

    left = None

    def _access(self):
        if self.left is None:
            return
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)

    def read(self, size=-1):
        self._access()
        return super().read(size)

    def readinto(self, buffer):
        self._access()
        return super().readinto(buffer)

    def write(self, data):
        self._access()
        return super().write(data)

    def seek(self, offset, whence=io.SEEK_SET):
        self._access()
        return super().seek(offset, whence)


def noise():
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 3 * RATE)).astype(np.float32)
    return AudioClip(samples, RATE)


def num_accesses(work, file):
    """Return how often a file is read, written or sought in."""
    file.left = 1 << 30
    work(file)
    return (1 << 30) - file.left


@pytest.mark.parametrize("name", FORMATS)
def test_reading_ends_by_any_interruption(name):
    file = io.BytesIO()
    write_clip(noise(), file, name)
    total = num_accesses(read_clip, Interrupted(file.getvalue()))
    for access in np.unique(np.linspace(1, total, 60).astype(int)).tolist():
        source = Interrupted(file.getvalue())
        source.left = access
        with pytest.raises(KeyboardInterrupt):
            read_clip(source)


@pytest.mark.parametrize("name", FORMATS)
def test_writing_ends_by_any_interruption(name):
    def write(file):
        write_clip(noise(), file, name)

    total = num_accesses(write, Interrupted())
    for access in np.unique(np.linspace(1, total, 30).astype(int)).tolist():
        target = Interrupted()
        target.left = access
        with pytest.raises(KeyboardInterrupt):
            write(target)
