"""Other codecs to compare with; each has its own quality scale."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from vqcodec.errors import MissingCodecError, UsageError
from vqcodec.signals.files import Signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import read_picture, write_picture
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip, write_clip


class Baseline(ABC):
    """Another codec, and the settings at which it is compared."""

    name: str
    modality: str  # "image" or "audio"
    qualities: Sequence[float]

    @abstractmethod
    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the codec's own file. Pictures are coded as 8 bits, without alpha or profile.

        Raises:
            UsageError: the codec does not support this signal or quality.
        """

    @abstractmethod
    def decompress(self, stream: bytes) -> Signal:
        """Return the signal, at the codec's own rate if it has one."""


class PillowCodec(Baseline):
    """A picture format that Pillow writes; quality is 0 … 100."""

    modality = "image"
    qualities = (5, 15, 30, 50, 70, 85)

    def __init__(self, format: str, options: Mapping[str, Any]) -> None:
        self.name = format.lower()
        self._format = format
        self._options = options

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the bytes of the file."""
        picture = Picture(_picture(self.name, signal).to_8_bits())
        file = io.BytesIO()
        write_picture(picture, file, self._format, {**self._options, "quality": round(quality)})
        return file.getvalue()

    def decompress(self, stream: bytes) -> Picture:
        """Return the picture."""
        return read_picture(io.BytesIO(stream))


class JpegXlCodec(Baseline):
    """JPEG XL by libjxl at effort 7; quality is 0 … 100."""

    name = "jxl"
    modality = "image"
    qualities = (10, 20, 35, 50, 70, 85)

    def __init__(self) -> None:
        _imagecodecs()

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the bytes of the file."""
        pixels = _picture(self.name, signal).to_8_bits()
        return bytes(_imagecodecs().jpegxl_encode(pixels, level=quality, effort=7))

    def decompress(self, stream: bytes) -> Picture:
        """Return the picture."""
        pixels = np.asarray(_imagecodecs().jpegxl_decode(stream))
        return Picture(pixels.reshape(*pixels.shape[:2], -1))


class ToolCodec(Baseline):
    """A sound codec with an encoder and a decoder program for WAV; quality is in kbit/s."""

    modality = "audio"

    def __init__(
        self,
        name: str,
        package: str,
        qualities: Sequence[float],
        encoder: Sequence[str],
        decoder: Sequence[str],
    ) -> None:
        """The commands contain the placeholders {source}, {target} and {quality}."""
        self.name = name
        self.qualities = qualities
        self._suffix = f".{name}"
        self._encoder = encoder
        self._decoder = decoder
        _need_programs(name, package, encoder[0], decoder[0])

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the bytes of the file."""
        wav = io.BytesIO()
        write_clip(_clip(self.name, signal), wav, "WAV")
        command = [part.replace("{quality}", f"{quality:g}") for part in self._encoder]
        return _convert(command, wav.getvalue(), ".wav", self._suffix)

    def decompress(self, stream: bytes) -> AudioClip:
        """Return the sound."""
        return read_clip(io.BytesIO(_convert(self._decoder, stream, self._suffix, ".wav")))


class Codec2(Baseline):
    """Codec 2, a vocoder for mono speech at 8 kHz; quality is its nominal kbit/s."""

    name = "codec2"
    modality = "audio"
    qualities = (0.7, 1.2, 1.3, 1.4, 1.6, 2.4, 3.2)

    sample_rate = 8000
    frame_samples = 320  # of the longest frame; an incomplete last frame is not coded
    max_delay = 240  # samples

    def __init__(self) -> None:
        _need_programs(self.name, "codec2", "c2enc", "c2dec")

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return a .c2 file."""
        clip = _clip(self.name, signal)
        if clip.num_channels > 1:
            raise UsageError(f"codec2: codes mono sounds, not {clip.num_channels} channels")
        if quality not in self.qualities:
            raise UsageError(
                f"codec2: {quality:g} is none of {', '.join(map(str, self.qualities))}"
            )
        mode = "700C" if quality == 0.7 else f"{1000 * quality:.0f}"
        waveform = resample(clip.waveform, clip.sample_rate, self.sample_rate)[0]
        silence = self.max_delay + self.frame_samples
        samples = np.pad(waveform, (0, silence)).clip(-1, 1) * np.float32(32767)
        command = ["c2enc", mode, "{source}", "{target}"]
        return _convert(command, np.rint(samples).astype("<i2").tobytes(), ".raw", ".c2")

    def decompress(self, stream: bytes) -> AudioClip:
        """Return the sound at 8 kHz; it is a few frames longer than the original."""
        # The mode in the file's header overrides this argument.
        data = _convert(["c2dec", "3200", "{source}", "{target}"], stream, ".c2", ".raw")
        is_700c = stream[5] == 8  # the mode in the file's header
        delay = self.max_delay if is_700c else 160  # these give the highest STOI
        samples = np.frombuffer(data, "<i2")[delay:]
        return AudioClip(samples[None].astype(np.float32) / np.float32(32768), self.sample_rate)


def _jpeg() -> Baseline:
    return PillowCodec("JPEG", {"subsampling": "4:2:0", "optimize": True})


def _webp() -> Baseline:
    return PillowCodec("WEBP", {"method": 6})


def _avif() -> Baseline:
    return PillowCodec("AVIF", {"subsampling": "4:4:4", "speed": 4})


def _opus() -> Baseline:
    header = ["--discard-comments", "--padding", "0", "--serial", "1"]  # small, not random
    return ToolCodec(
        "opus",
        "opus-tools",
        (6, 8, 10, 12, 16, 24, 32),
        ["opusenc", "--quiet", *header, "--bitrate", "{quality}", "{source}", "{target}"],
        ["opusdec", "--quiet", "--no-dither", "{source}", "{target}"],
    )


def _mp3() -> Baseline:
    return ToolCodec(
        "mp3",
        "lame",
        (8, 16, 24, 32, 48, 64),
        ["lame", "--silent", "--abr", "{quality}", "{source}", "{target}"],
        ["lame", "--silent", "--decode", "{source}", "{target}"],
    )


BASELINES = {
    "jpeg": _jpeg,
    "webp": _webp,
    "avif": _avif,
    "jxl": JpegXlCodec,
    "opus": _opus,
    "codec2": Codec2,
    "mp3": _mp3,
}


def load_baseline(name: str) -> Baseline:
    """Return the baseline of this name.

    Raises:
        UsageError: no baseline has this name.
        MissingCodecError: it is not installed; the message says how to install it.
    """
    if name not in BASELINES:
        raise UsageError(f"{name}: baselines are {', '.join(BASELINES)}")
    return BASELINES[name]()


def _imagecodecs() -> Any:
    """Return the module. It is not an attribute, because a module cannot be pickled."""
    try:
        return import_module("imagecodecs")
    except ImportError as error:
        raise MissingCodecError("jxl: needs imagecodecs: pip install imagecodecs") from error


def _picture(name: str, signal: Signal) -> Picture:
    if not isinstance(signal, Picture):
        raise UsageError(f"{name}: codes pictures, not sounds")
    return signal


def _clip(name: str, signal: Signal) -> AudioClip:
    if not isinstance(signal, AudioClip):
        raise UsageError(f"{name}: codes sounds, not pictures")
    return signal


def _need_programs(name: str, package: str, *programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise MissingCodecError(
            f"{name}: {' and '.join(missing)} not found: install {package} "
            f"(apt-get install {package})"
        )


def _convert(command: Sequence[str], data: bytes, from_suffix: str, to_suffix: str) -> bytes:
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
