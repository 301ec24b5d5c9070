"""Formats that an optional package reads: AAC and MP4 by PyAV, HEIC by pillow-heif."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.sound import BLOCK, Waveform

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"}
_AVIF_BRANDS = {b"avif", b"avis"}
_INSTALL = "pip install 'vqcodec[formats]'"


def is_heif(start: bytes) -> bool:
    """Return whether a file that begins so holds a HEIF picture (not AVIF, which Pillow reads)."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def is_container(start: bytes) -> bool:
    """Return whether a file that begins so holds a sound that only PyAV reads."""
    if start[4:8] == b"ftyp":
        return start[8:12] not in _HEIF_BRANDS | _AVIF_BRANDS
    is_aac = len(start) > 1 and start[0] == 0xFF and start[1] & 0xF6 == 0xF0  # ADTS, no layer
    return is_aac or start.startswith(
        (b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"ADIF", b"MAC ", b"wvpk", b"TTA1", b"#!AMR")
    )


def allow_heif() -> bool:
    """Let Pillow read HEIF, if pillow-heif is installed, and return whether it does."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True


def heif_hint() -> str:
    """Return what a user can do about a HEIF picture."""
    return (
        f"a HEIC picture needs an extra package: {_INSTALL}; "
        "or convert it: heif-convert picture.heic picture.png"
    )


def open_sound(file: BinaryIO) -> ContainerSound:
    """Return the first sound of a file, by PyAV.

    Raises:
        InputError: PyAV is not installed, or cannot read it.
    """
    if importlib.util.find_spec("av") is None:
        raise InputError(
            f"AAC, M4A, MP4 and the like need an extra package: {_INSTALL}; "
            "or convert it: ffmpeg -i INPUT sound.wav"
        )
    return ContainerSound(file)


class ContainerSound:
    """The first sound of a file that FFmpeg's libraries read; decoded once to be counted."""

    def __init__(self, file: BinaryIO) -> None:
        """Decode the whole sound to count its samples.

        Raises:
            InputError: it holds no sound, or is damaged.
        """
        self._file = file
        self.notes: list[Note] = []
        self.sample_rate, self.num_channels, self.num_samples = 0, 0, 0
        for block in self.blocks(self.notes):
            self.num_samples += block.shape[1]
        if not self.sample_rate:
            raise InputError("cannot be read as a sound: it holds none")

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
            with av.open(self._file, mode="r", metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise InputError("cannot be read as a sound: it holds none")
                others = len(container.streams) - 1
                if others and notes is self.notes:
                    text = f"{others} streams beside the first sound are left out"
                    notes.append(Note(NoteCode.STREAM_LEFT_OUT, text))
                resampler = None
                for frame in container.decode(container.streams.audio[0]):
                    if resampler is None:
                        self.sample_rate = frame.sample_rate
                        self.num_channels = frame.layout.nb_channels
                        resampler = av.AudioResampler("fltp", frame.layout, frame.sample_rate)
                    for part in resampler.resample(frame):
                        held.append(np.asarray(part.to_ndarray(), np.float32))
                        if sum(samples.shape[1] for samples in held) >= BLOCK:
                            yield np.concatenate(held, axis=1)
                            held = []
        except (av.FFmpegError, ValueError, EOFError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "damaged"
            raise InputError(f"cannot be read as a sound: {reason}") from error
        if held:
            yield np.concatenate(held, axis=1)
