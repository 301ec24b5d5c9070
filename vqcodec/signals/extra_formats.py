"""Formats that an optional package reads: AAC and MP4 by PyAV, HEIC by pillow-heif."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.sound import BLOCK, Waveform
from vqcodec.signals.sound_tags import FoundTags, tags_of_mapping
from vqcodec.signals.views import read_at

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"}
_AVIF_BRANDS = {b"avif", b"avis"}
_TS_PACKET = 188  # bytes
_MAGIC = {
    b"\x1aE\xdf\xa3": "matroska",
    b"0&\xb2u\x8ef\xcf\x11": "asf",
    b"FLV\x01": "flv",
    b"\x0b\x77": "ac3",
    b"\0\0\x01\xba": "mpeg",
    b"#!AMR": "amr",
    b"MAC ": "ape",
    b"wvpk": "wv",
    b"TTA1": "tta",
    b".SoX": "sox",
    b"XoS.": "sox",
    b"ADIF": "aac",
}
_TOLERANCE_S = 0.25  # between a header's duration and the samples: frames, edit lists
_ESTIMATED = {"aac", "ac3", "amr", "mpeg", "mpegts"}  # containers that store no duration
_INSTALL = "pip install 'vqcodec[formats]'"


def is_heif(start: bytes) -> bool:
    """Return whether a file that begins so holds a HEIF picture (not AVIF, which Pillow reads)."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def container_of(file: BinaryIO) -> str | None:
    """Return FFmpeg's name of the format of a sound or film that only PyAV reads; else None.

    FFmpeg receives this name; otherwise it would also open files and addresses from playlists.
    """
    start = read_at(file, 0, 3 * _TS_PACKET)
    if start[4:8] == b"ftyp":
        return None if start[8:12] in _HEIF_BRANDS | _AVIF_BRANDS else "mov"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    if len(start) == 3 * _TS_PACKET and set(start[::_TS_PACKET]) == {0x47}:
        return "mpegts"
    if len(start) > 1 and start[0] == 0xFF and start[1] & 0xF6 == 0xF0:  # ADTS: the layer is 0
        return "aac"
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def allow_heif() -> bool:
    """Let Pillow read HEIF, if pillow-heif is installed, and return whether it is."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True


def heif_hint() -> str:
    """Return a message that says how to read a HEIF picture."""
    return (
        f"a HEIC picture needs an extra package: {_INSTALL}; "
        "or convert it: heif-convert picture.heic picture.png"
    )


def open_sound(file: BinaryIO, name: str | None = None) -> ContainerSound:
    """Return the first sound of a file, by PyAV; `name` is FFmpeg's name of the format.

    Raises:
        InputError: PyAV is not installed, or cannot read it.
    """
    if importlib.util.find_spec("av") is None:
        raise InputError(
            f"AAC, M4A, MP4, Speex and the like need an extra package: {_INSTALL}; "
            "or convert it: ffmpeg -i INPUT sound.wav"
        )
    name = name or container_of(file)
    assert name is not None
    return ContainerSound(file, name)


class ContainerSound:
    """The first sound of a file that FFmpeg's libraries read; decoded once to count its samples."""

    def __init__(self, file: BinaryIO, format: str) -> None:
        """Decode the whole sound to count its samples; `format` is FFmpeg's name.

        Raises:
            InputError: it holds no sound, or is damaged.
        """
        self._file, self._format = file, format
        self.notes: list[Note] = []
        self.tags = FoundTags()
        self._claimed_s: float | None = None
        self.sample_rate, self.num_channels, self.num_samples = 0, 0, 0
        for block in self.blocks(self.notes):
            self.num_samples += block.shape[1]
        if not self.sample_rate:
            raise InputError("cannot be read as a sound: it holds none")
        duration_s = self.num_samples / self.sample_rate
        if self._claimed_s is not None and duration_s < self._claimed_s - _TOLERANCE_S:
            text = f"ends early: {duration_s:.2f} s of the {self._claimed_s:.2f} s are there"
            self.notes.append(Note(NoteCode.ENDS_EARLY, text))

    def blocks(self, notes: list[Note]) -> Iterator[Waveform]:
        """Yield all samples [C, n] in order.

        Raises:
            InputError: it is damaged.
        """
        import av

        av.logging.set_level(av.logging.PANIC)
        self._file.seek(0)
        held: list[Waveform] = []
        try:
            with av.open(
                self._file, mode="r", format=self._format, metadata_errors="ignore"
            ) as container:
                if not container.streams.audio:
                    raise InputError("cannot be read as a sound: it holds none")
                self._describe(container)
                others = len(container.streams) - 1
                if others and notes is self.notes:
                    text = f"{others} streams other than the first sound are left out"
                    notes.append(Note(NoteCode.STREAM_LEFT_OUT, text))
                resampler = None
                for frame in container.decode(container.streams.audio[0]):
                    if resampler is None:
                        self.sample_rate = frame.sample_rate
                        self.num_channels = frame.layout.nb_channels
                        resampler = av.AudioResampler("fltp", frame.layout, frame.sample_rate)
                    for part in resampler.resample(frame):
                        samples = np.asarray(part.to_ndarray(), np.float32)
                        if len(samples) != self.num_channels:
                            raise InputError("damaged: its number of channels changes")
                        held.append(samples)
                        if sum(part.shape[1] for part in held) >= BLOCK:
                            yield np.concatenate(held, axis=1)
                            held = []
        except (av.FFmpegError, ValueError, EOFError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "damaged"
            raise InputError(f"cannot be read as a sound: {reason}") from error
        if held:
            yield np.concatenate(held, axis=1)

    def _describe(self, container: Any) -> None:
        """Take the tags and the duration of an open container."""
        stream = container.streams.audio[0]
        self.tags = tags_of_mapping({**stream.metadata, **container.metadata})
        if self._format in _ESTIMATED:
            return
        if stream.duration is not None and stream.time_base is not None:
            self._claimed_s = float(stream.duration * stream.time_base)
        elif container.duration is not None and len(container.streams) == 1:
            self._claimed_s = container.duration / 1e6
