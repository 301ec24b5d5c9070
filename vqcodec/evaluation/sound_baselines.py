"""Sound codecs to compare with."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np

from vqcodec.errors import MissingCodecError, UsageError
from vqcodec.evaluation.baseline import Baseline, convert, need_programs
from vqcodec.extras import install_hint
from vqcodec.interrupts import uninterrupted
from vqcodec.signals.files import Signal
from vqcodec.signals.resampling import resample
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import read_clip, write_clip


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
        full_band_qualities: Sequence[float],
    ) -> None:
        """The commands contain the placeholders {source}, {target} and {quality}."""
        self.name = name
        self.qualities, self.full_band_qualities = qualities, full_band_qualities
        self._suffix = f".{name}"
        self._encoder = encoder
        self._decoder = decoder
        need_programs(name, package, encoder[0], decoder[0])

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the bytes of the file."""
        wav = io.BytesIO()
        write_clip(_clip(self.name, signal), wav, "WAV")
        command = [part.replace("{quality}", f"{quality:g}") for part in self._encoder]
        return convert(command, wav.getvalue(), ".wav", self._suffix)

    def decompress(self, stream: bytes) -> AudioClip:
        """Return the sound."""
        return read_clip(io.BytesIO(convert(self._decoder, stream, self._suffix, ".wav")))


class Codec2(Baseline):
    """Codec 2, a vocoder for mono speech at 8 kHz; quality is its nominal kbit/s."""

    name = "codec2"
    modality = "audio"
    qualities = (0.7, 1.2, 1.3, 1.4, 1.6, 2.4, 3.2)

    sample_rate = 8000
    frame_samples = 320  # of the longest frame; an incomplete last frame is not coded
    max_delay = 240  # samples

    def __init__(self) -> None:
        need_programs(self.name, "codec2", "c2enc", "c2dec")

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
        return convert(command, np.rint(samples).astype("<i2").tobytes(), ".raw", ".c2")

    def decompress(self, stream: bytes) -> AudioClip:
        """Return the sound at 8 kHz; it is a few frames longer than the original."""
        # The mode in the file's header overrides this argument.
        data = convert(["c2dec", "3200", "{source}", "{target}"], stream, ".c2", ".raw")
        is_700c = stream[5] == 8  # the mode in the file's header
        delay = self.max_delay if is_700c else 160  # these give the highest STOI
        samples = np.frombuffer(data, "<i2")[delay:]
        return AudioClip(samples[None].astype(np.float32) / np.float32(32768), self.sample_rate)


class AacCodec(Baseline):
    """AAC-LC by FFmpeg's own encoder, in an .m4a file; quality is in kbit/s.

    Below about 24 kbit/s in stereo the encoder does not keep the rate.
    """

    name = "aac"
    modality = "audio"
    qualities = (16, 24, 32, 48, 64)
    full_band_qualities = (24, 32, 48, 64, 96)

    def __init__(self) -> None:
        _av()

    def compress(self, signal: Signal, *, quality: float) -> bytes:
        """Return the bytes of the file."""
        clip = _clip(self.name, signal)
        if clip.num_channels > 2:
            raise UsageError(f"aac: codes 1 or 2 channels here, not {clip.num_channels}")
        av, file = _av(), io.BytesIO()
        layout = "mono" if clip.num_channels == 1 else "stereo"
        samples = np.ascontiguousarray(clip.waveform)
        with uninterrupted(), av.open(file, "w", format="ipod") as container:
            stream = container.add_stream("aac", rate=clip.sample_rate, layout=layout)
            stream.bit_rate = round(1000 * quality)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = clip.sample_rate, 0
            frame.time_base = Fraction(1, clip.sample_rate)
            for each in (frame, None):
                container.mux(stream.encode(each))
        return file.getvalue()

    def decompress(self, stream: bytes) -> AudioClip:
        """Return the sound; it is part of a frame longer than the original."""
        return read_clip(io.BytesIO(stream))


def opus() -> Baseline:
    """Return Opus by opusenc: variable rate, complexity 10."""
    header = ["--discard-comments", "--padding", "0", "--serial", "1"]  # small, not random
    return ToolCodec(
        "opus",
        "opus-tools",
        (6, 8, 10, 12, 16, 24, 32),
        ["opusenc", "--quiet", *header, "--bitrate", "{quality}", "{source}", "{target}"],
        ["opusdec", "--quiet", "--no-dither", "{source}", "{target}"],
        full_band_qualities=(8, 12, 16, 24, 32, 48, 64),
    )


def mp3() -> Baseline:
    """Return MP3 by LAME at an average rate."""
    return ToolCodec(
        "mp3",
        "lame",
        (8, 16, 24, 32, 48, 64),
        ["lame", "--silent", "--abr", "{quality}", "{source}", "{target}"],
        ["lame", "--silent", "--decode", "{source}", "{target}"],
        full_band_qualities=(16, 24, 32, 48, 64, 96),
    )


def vorbis() -> Baseline:
    """Return Vorbis by oggenc; quality is oggenc's own, -1 … 10."""
    return ToolCodec(
        "vorbis",
        "vorbis-tools",
        (-1, 0, 1, 2, 3),
        ["oggenc", "--quiet", "--serial", "1", "-q", "{quality}", "-o", "{target}", "{source}"],
        ["oggdec", "--quiet", "-o", "{target}", "{source}"],
        full_band_qualities=(-1, 0, 1, 2, 3),
    )


def _av() -> Any:
    """Return the module. It is not an attribute, because a module cannot be pickled."""
    try:
        return import_module("av")
    except ImportError as error:
        raise MissingCodecError(f"aac: needs PyAV; {install_hint('formats')}") from error


def _clip(name: str, signal: Signal) -> AudioClip:
    if not isinstance(signal, AudioClip):
        raise UsageError(f"{name}: codes sounds, not pictures")
    return signal
