"""Sound files <-> AudioClip, by libsndfile; resampling and length."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from vqcodec.bitstream.header import AudioFacts
from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.modalities.audio.signal import AudioClip

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
_NEVER_EMPTY = {"FLAC", "MP3"}  # without a sample, libsndfile writes what nothing can read
_MAX_OGG_RATE = 192_000  # Hz; libsndfile's Vorbis writer crashes above 200,000
_BLOCK = 1 << 16  # samples; the same writer overflows the stack on a long sound in one piece
RESAMPLING_REACH = 32  # zero crossings of the sinc on each side: flat to 95 % of the lower band
_MAX_FILTER_TERMS = 1 << 22
_FFT_MARGIN = 4096  # samples of silence between the end and the start, which a cyclic filter joins


class _Source(io.BytesIO):
    """A file's bytes for libsndfile, which on damaged files may seek before the start."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(max(0, offset) if whence == io.SEEK_SET else offset, whence)


def read_clip(source: Path | BinaryIO, name: str | None = None) -> AudioClip:
    """Return the sound of a file, all its channels, clipped to -1 … 1.

    Args:
        source: a path, or a file open for reading.
        name: what messages call the file.

    Raises:
        InputError: the file is missing, damaged, not a sound, or too large for a stream.
    """
    label = name or str(source if isinstance(source, Path) else "sound")
    try:
        data = source.read_bytes() if isinstance(source, Path) else source.read()
        with soundfile.SoundFile(_Source(data)) as file:
            AudioFacts(  # raises InputError
                num_samples=file.frames,
                sample_rate=file.samplerate,
                num_channels=file.channels,
                downmixed=False,
            )
            waveform = file.read(dtype="float32", always_2d=True).T
            if waveform.shape[1] < file.frames:
                raise InputError(f"ends after {waveform.shape[1]} of {file.frames} samples")
            sample_rate = file.samplerate
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise InputError(f"{label}: cannot be read as a sound: {reason}") from error
    except MemoryError as error:
        raise InputError(f"{label}: a sound larger than the memory") from error
    except OSError as error:
        raise InputError(f"{label}: {error.strerror or error}") from error
    except InputError as error:
        raise InputError(f"{label}: {error}") from error
    if not np.isfinite(waveform).all():
        raise InputError(f"{label}: has samples that are not finite numbers")
    return AudioClip(np.ascontiguousarray(waveform.clip(-1, 1)), sample_rate)


def write_clip(clip: AudioClip, file: BinaryIO, format: str) -> None:
    """Write a sound in one of the formats of `SUFFIXES`, 16 bits a sample where it is lossless.

    Args:
        clip: what to write; samples beyond -1 … 1 are clipped.
        file: open for writing; need not seek.
        format: libsndfile's name of the format.

    Raises:
        UsageError: the format is unknown.
        OutputError: the format cannot hold this clip, or the file cannot be written.
    """
    if format not in _SUBTYPES:
        raise UsageError(f"{format}: sounds are written as {', '.join(sorted(_SUBTYPES))}")
    if format in _NEVER_EMPTY and not clip.num_samples:
        raise OutputError(f"{format} cannot hold an empty sound: choose WAV")
    if format == "OGG" and clip.sample_rate > _MAX_OGG_RATE:
        raise OutputError(f"OGG holds up to {_MAX_OGG_RATE} Hz, not {clip.sample_rate}: choose WAV")
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(
            buffer,
            "w",
            samplerate=clip.sample_rate,
            channels=clip.num_channels,
            format=format,
            subtype=_SUBTYPES[format],
        ) as target:
            for start in range(0, clip.num_samples, _BLOCK):
                target.write(_to_16_bits(clip.waveform[:, start : start + _BLOCK]).T)
        file.write(buffer.getbuffer())
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise OutputError(f"the sound cannot be written as {format}: {reason}") from error
    except OSError as error:
        raise OutputError(f"the sound cannot be written: {error.strerror or error}") from error


def resample(waveform: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Return waveform [C, T] at another rate, as [C, ceil(T * to_rate / from_rate)].

    By torchaudio's windowed sinc, whose filters grow with the terms of the reduced ratio; for
    rates like 44,101 and 16,000 Hz that have next to no common divisor by a Fourier transform.
    """
    num_samples = -(-waveform.shape[1] * to_rate // from_rate)
    if from_rate == to_rate or not num_samples:
        return waveform[:, :num_samples]
    divisor = math.gcd(from_rate, to_rate)
    old, new = from_rate // divisor, to_rate // divisor
    if old * new > _MAX_FILTER_TERMS:
        return _resample_by_spectrum(waveform, old, new)[:, :num_samples]
    import torch  # here: takes seconds
    from torchaudio import functional

    with torch.inference_mode():
        samples = functional.resample(
            torch.from_numpy(np.ascontiguousarray(waveform)),
            old,
            new,
            lowpass_filter_width=RESAMPLING_REACH,
        )
    return to_length(samples.numpy(), num_samples)


def to_length(waveform: NDArray[np.float32], num_samples: int) -> NDArray[np.float32]:
    """Return waveform [C, T] cut, or continued by silence, to [C, num_samples]."""
    missing = num_samples - waveform.shape[1]
    return np.pad(waveform, ((0, 0), (0, max(0, missing))))[:, :num_samples]


def _resample_by_spectrum(waveform: NDArray[np.float32], old: int, new: int) -> NDArray[np.float32]:
    num_periods = -(-(waveform.shape[1] + _FFT_MARGIN) // old)  # whole ones: no drift
    spectrum = np.fft.rfft(waveform, num_periods * old, axis=1)
    samples = np.fft.irfft(spectrum, num_periods * new, axis=1) * (new / old)
    return samples.astype(np.float32)


def _to_16_bits(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    levels: NDArray[np.float32] = np.rint(waveform * np.float32(32768))
    return levels.clip(-32768, 32767).astype(np.int16)
