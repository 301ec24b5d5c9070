"""Formats that an optional package reads: AAC and MP4 by PyAV, HEIC by pillow-heif."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

import numpy as np

from vqcodec.errors import InputError
from vqcodec.extras import install_hint
from vqcodec.interrupts import in_whole_steps
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.picture_structure import end_of_boxes, trailing_bytes
from vqcodec.signals.sound import BLOCK, Waveform
from vqcodec.signals.sound_tags import FoundTags, tags_of_mapping
from vqcodec.signals.views import length_of, read_at

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
_LARGEST_AVI = 1 << 31  # bytes; a larger size stands for an unknown one
_MOST_CUT = 2  # packets that a cut can damage
_TOLERANCE_S = 0.25  # between a header's duration and the samples: frames, edit lists
_ESTIMATED = {"aac", "ac3", "amr", "mpeg", "mpegts"}  # containers that store no duration
_MOST_PLANES = 7  # of a frame; PyAV finds one too many in a frame of eight, and crashes
_INSTALL = install_hint("formats")


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
        f"a HEIC picture needs an extra package; {_INSTALL}; "
        "or convert it: heif-convert picture.heic picture.png"
    )


def sound_hint() -> str:
    """Return a message that says how to read a sound that needs PyAV."""
    return (
        f"AAC, M4A, MP4, Speex and the like need an extra package; {_INSTALL}; "
        "or convert it: ffmpeg -i INPUT sound.wav"
    )


def is_installed() -> bool:
    """Return whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def open_sound(file: BinaryIO, name: str | None = None, *, salvage: bool = False) -> ContainerSound:
    """Return the first sound of a file, by PyAV; `name` is FFmpeg's name of the format.

    Raises:
        InputError: PyAV is not installed, or cannot read it.
    """
    if not is_installed():
        raise InputError(sound_hint())
    name = name or container_of(file)
    assert name is not None
    return ContainerSound(file, name, salvage=salvage)


class ContainerSound:
    """The first sound of a file that FFmpeg's libraries read; decoded once to count its samples."""

    def __init__(self, file: BinaryIO, format: str, *, salvage: bool = False) -> None:
        """Decode the whole sound to count its samples; `format` is FFmpeg's name.

        With `salvage`, packets that cannot be decoded are left out with a note. The last packets
        are so in any case: the file is cut off.

        Raises:
            InputError: it holds no sound, or is damaged.
        """
        self._file, self._format, self._salvage = file, format, salvage
        self.notes: list[Note] = []
        self.tags = FoundTags()
        self._claimed_s: float | None = None
        self.sample_rate, self.num_channels, self.num_samples = 0, 0, 0
        for block in self.blocks(self.notes):
            self.num_samples += block.shape[1]
        if not self.sample_rate:
            raise InputError("cannot be read as a sound: it holds none")
        duration_s = self.num_samples / self.sample_rate
        is_noted = any(note.code is NoteCode.ENDS_EARLY for note in self.notes)
        if not is_noted and self._is_cut():
            text = f"ends early, after {duration_s:.2f} s"
            self.notes.append(Note(NoteCode.ENDS_EARLY, text))
            return
        if (
            self._claimed_s is not None
            and not is_noted
            and duration_s < self._claimed_s - _TOLERANCE_S
        ):
            text = f"ends early: {duration_s:.2f} s of the {self._claimed_s:.2f} s are there"
            self.notes.append(Note(NoteCode.ENDS_EARLY, text))

    def blocks(self, notes: list[Note]) -> Iterator[Waveform]:
        """Yield all samples [C, n] in order.

        Raises:
            InputError: it is damaged.
        """
        return in_whole_steps(self._blocks(notes))  # FFmpeg's libraries call back

    def _blocks(self, notes: list[Note]) -> Generator[Waveform, None, None]:
        import av

        av.logging.set_level(av.logging.PANIC)
        self._file.seek(0)
        held, num_held = list[Waveform](), 0  # and their samples
        try:
            with av.open(
                self._file, mode="r", format=self._format, metadata_errors="ignore"
            ) as container:
                if not container.streams.audio:
                    raise InputError("cannot be read as a sound: it holds none")
                if notes is self.notes:  # the first time
                    self._describe(container)
                    notes += self._notes_on_others(container)
                resampler = None
                for frame in self._frames(container, notes):
                    if resampler is None:
                        self.sample_rate = frame.sample_rate
                        self.num_channels = frame.layout.nb_channels
                        packing = "fltp" if self.num_channels <= _MOST_PLANES else "flt"
                        resampler = av.AudioResampler(packing, frame.layout, frame.sample_rate)
                    for part in resampler.resample(frame):
                        samples = np.asarray(part.to_ndarray(), np.float32)  # [C, n] or [1, n·C]
                        if packing == "flt":
                            samples = samples.reshape(part.samples, -1).T
                        if len(samples) != self.num_channels:
                            raise InputError("damaged: its number of channels changes")
                        held.append(samples)
                        num_held += samples.shape[1]
                        if num_held >= BLOCK:
                            yield np.concatenate(held, axis=1)
                            held, num_held = [], 0
        except (av.FFmpegError, ValueError, EOFError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "damaged"
            raise InputError(f"cannot be read as a sound: {reason}") from error
        if held:
            yield np.concatenate(held, axis=1)

    def _frames(self, container: Any, notes: list[Note]) -> Iterator[Any]:
        """Yield all frames.

        Raises:
            InputError: a packet is damaged, and others after it are not.
        """
        import av

        num_frames, num_failed, num_lost = 0, 0, 0  # failed packets: the last ones, and before
        packets = container.demux(container.streams.audio[0])
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # at the end of the data, if the file is cut off
                if not num_frames or not (self._salvage or self._is_at_end()):
                    raise
                num_failed += 1
                break
            if packet is None:
                break
            try:
                frames = packet.decode()
            except av.FFmpegError:
                num_failed += 1
                continue
            if packet.size and frames and num_failed:
                num_lost, num_failed = num_lost + num_failed, 0
                if not self._salvage:
                    raise InputError("damaged: a packet of sound cannot be decoded")
            num_frames += len(frames)
            yield from frames
        if num_failed and (not num_frames or (num_failed > _MOST_CUT and not self._salvage)):
            raise InputError("damaged: its packets of sound cannot be decoded")
        if notes is self.notes and num_failed:
            notes.append(Note(NoteCode.ENDS_EARLY, "ends early: its last packet is cut off"))
        if notes is self.notes and num_lost:
            text = f"{num_lost} damaged packets of sound are left out"
            notes.append(Note(NoteCode.DAMAGED, text))

    def _is_cut(self) -> bool:
        """Return whether the file is shorter than its header says, or ends within a packet."""
        length = length_of(self._file)
        if self._format == "avi":
            claimed = 8 + int.from_bytes(read_at(self._file, 4, 4), "little")
            return length < claimed < _LARGEST_AVI
        return self._format == "mpegts" and bool(length % _TS_PACKET)

    def _is_at_end(self) -> bool:
        return self._file.tell() >= length_of(self._file)

    def _notes_on_others(self, container: Any) -> list[Note]:
        """Return what is left out: other streams, and files that were joined to an MP4."""
        import av

        notes = []
        pictures = [
            stream
            for stream in container.streams
            if stream.disposition & av.stream.Disposition.attached_pic
        ]
        if pictures:
            self.tags.leave_out("picture")
        others = len(container.streams) - 1 - len(pictures)
        if others:
            text = f"{others} streams other than the first sound are left out"
            notes.append(Note(NoteCode.STREAM_LEFT_OUT, text))
        if self._format == "mov":
            position = self._file.tell()
            more = trailing_bytes(self._file, end_of_boxes(self._file), length_of(self._file))
            self._file.seek(position)
            if more:
                text = f"{more} bytes after the first sound or film are left out"
                notes.append(Note(NoteCode.TRAILING_BYTES, text))
        return notes

    def _describe(self, container: Any) -> None:
        """Take the tags and the duration of an open container."""
        stream = container.streams.audio[0]
        self.tags = tags_of_mapping({**stream.metadata, **container.metadata})
        if self._format in _ESTIMATED:
            return
        if self._format == "avi" and stream.frames and stream.time_base is not None:
            self._claimed_s = float(stream.frames * stream.time_base)  # not cut as the duration is
        elif stream.duration is not None and stream.time_base is not None:
            self._claimed_s = float(stream.duration * stream.time_base)
        elif container.duration is not None and len(container.streams) == 1:
            self._claimed_s = container.duration / 1e6
