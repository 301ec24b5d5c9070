"""Sound files <-> sounds, by libsndfile: whole, or block by block."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from vqcodec.bitstream.header import AudioFacts
from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.signals.sound import BLOCK, AudioClip, Sound, Waveform

# What can be written, by file name. Reading goes by content and takes whatever libsndfile knows.
SUFFIXES = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".mp3": "MP3",
    ".aif": "AIFF",
    ".aiff": "AIFF",
}
_SUBTYPES = {
    "WAV": "PCM_16",
    "FLAC": "PCM_16",
    "OGG": "VORBIS",
    "MP3": "MPEG_LAYER_III",
    "AIFF": "PCM_16",
}
_PLAIN = {"WAV", "AIFF"}  # every sample takes its bytes
_NEVER_EMPTY = {"FLAC", "MP3"}  # without a sample, libsndfile writes what nothing can read
_MAX_OGG_RATE = 192_000  # Hz; libsndfile's Vorbis writer crashes above 200,000
_MAX_BYTES = (1 << 31) - (1 << 16)  # of samples; lengths in AIFF and WAV are 32-bit fields


class _File:
    """A file as libsndfile is given it: its callbacks may not raise, so that a failure is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._failure: OSError | None = None

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, or to the start where damage asks for one before that."""
        try:
            if whence == io.SEEK_CUR:
                offset += self._file.tell()
            elif whence == io.SEEK_END:
                offset += self._file.seek(0, io.SEEK_END)
            return self._file.seek(max(0, offset))
        except (OSError, OverflowError) as error:
            self._keep(error)
            return 0

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def read(self, size: int) -> bytes:
        """Return up to so many bytes; none after a failure."""
        try:
            return self._file.read(size)
        except OSError as error:
            self._keep(error)
            return b""

    def write(self, data: bytes) -> int:
        """Write, and say that it went well: `check` knows better."""
        try:
            self._file.write(data)
        except OSError as error:
            self._keep(error)
        return len(data)

    def _keep(self, error: Exception) -> None:
        failure = error if isinstance(error, OSError) else OSError(str(error))
        self._failure = self._failure or failure


class AudioFile:
    """A `Sound` in a file that is open for reading."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read the file's header; `name` is what messages call it.

        Raises:
            InputError: it is damaged, not a sound, or too large for a stream.
        """
        self._file, self._name = file, name
        with _naming_failures(name), self._open() as sound:
            self._facts = AudioFacts(  # raises InputError
                num_samples=sound.frames,
                sample_rate=sound.samplerate,
                num_channels=sound.channels,
                downmixed=False,
            )

    def _open(self) -> soundfile.SoundFile:
        """Begin anew: after a seek, decoders of lossy formats may not give quite the same."""
        self._file.seek(0)
        return soundfile.SoundFile(_File(self._file))

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self._facts.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels."""
        return self._facts.num_channels

    @property
    def num_samples(self) -> int:
        """Samples of each channel, as the header says."""
        return self._facts.num_samples

    def blocks(self) -> Iterator[Waveform]:
        """Yield all samples in order, clipped to -1 … 1.

        Raises:
            InputError: the file is damaged, or has samples that are not numbers.
        """
        with _naming_failures(self._name), self._open() as sound:
            for start in range(0, self.num_samples, BLOCK):
                size = min(BLOCK, self.num_samples - start)
                block = sound.read(size, dtype="float32", always_2d=True).T
                if block.shape[1] < size:
                    ended = start + block.shape[1]
                    raise InputError(f"ends after {ended} of {self.num_samples} samples")
                if not np.isfinite(block).all():
                    raise InputError("has samples that are not finite numbers")
                yield block.clip(-1, 1)


@contextmanager
def _naming_failures(name: str) -> Iterator[None]:
    """Turn what libsndfile raises into an InputError that begins with the file's name."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise InputError(f"{name}: cannot be read as a sound: {reason}") from error
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def read_clip(source: Path | BinaryIO, name: str | None = None) -> AudioClip:
    """Return the sound of a file, all its channels, clipped to -1 … 1.

    Args:
        source: a path, or a file open for reading that can seek.
        name: what messages call the file.

    Raises:
        InputError: the file is missing, damaged, not a sound, or too large for a stream.
    """
    label = name or str(source if isinstance(source, Path) else "sound")
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                return AudioClip.of_sound(AudioFile(file, label))
        return AudioClip.of_sound(AudioFile(source, label))
    except MemoryError as error:
        raise InputError(f"{label}: a sound larger than the memory") from error
    except OSError as error:
        raise InputError(f"{label}: {error.strerror or error}") from error


def write_clip(clip: Sound, file: BinaryIO, format: str) -> None:
    """Write a sound in one of the formats of `SUFFIXES`, 16 bits a sample where it is lossless.

    Args:
        clip: what to write, block by block; samples beyond -1 … 1 are clipped.
        file: open for writing, at its start; has to seek.
        format: libsndfile's name of the format.

    Raises:
        UsageError: the format is unknown.
        OutputError: the format cannot hold this sound, or the file cannot be written.
    """
    _check_format(clip, format)
    is_long_wav = format == "WAV" and least_bytes(clip, format) > _MAX_BYTES
    target = _File(file)
    try:
        with soundfile.SoundFile(
            target,
            "w",
            samplerate=clip.sample_rate,
            channels=clip.num_channels,
            format="RF64" if is_long_wav else format,
            subtype=_SUBTYPES[format],
        ) as sound:
            for block in clip.blocks():
                for start in range(0, block.shape[1], BLOCK):  # Vorbis overflows the stack else
                    sound.write(_to_16_bits(block[:, start : start + BLOCK]).T)
                    target.check()
        target.check()
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise OutputError(f"the sound cannot be written as {format}: {reason}") from error
    except OSError as error:
        raise OutputError(f"the sound cannot be written: {error.strerror or error}") from error


def _check_format(clip: Sound, format: str) -> None:
    """Raise what is wrong with a format for a sound before anything is written."""
    if format not in _SUBTYPES:
        raise UsageError(f"{format}: sounds are written as {', '.join(sorted(_SUBTYPES))}")
    if format in _NEVER_EMPTY and not clip.num_samples:
        raise OutputError(f"{format} cannot hold an empty sound: choose WAV")
    if format == "OGG" and clip.sample_rate > _MAX_OGG_RATE:
        raise OutputError(f"OGG holds up to {_MAX_OGG_RATE} Hz, not {clip.sample_rate}: choose WAV")
    num_bytes = least_bytes(clip, format)
    if format == "AIFF" and num_bytes > _MAX_BYTES:
        raise OutputError(f"AIFF holds up to {_MAX_BYTES} bytes, not {num_bytes}: choose WAV")


def least_bytes(clip: Sound, format: str) -> int:
    """Return what a sound takes at least in a file of a format, as far as that is known before."""
    return 2 * clip.num_samples * clip.num_channels if format in _PLAIN else 0


def _to_16_bits(waveform: Waveform) -> NDArray[np.int16]:
    levels: NDArray[np.float32] = np.rint(waveform * np.float32(32768))
    return levels.clip(-32768, 32767).astype(np.int16)
