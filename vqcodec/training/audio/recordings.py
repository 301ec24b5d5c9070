"""The samples of recordings for training: all in memory, or parts of them read from their files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import InputError
from vqcodec.signals.libsndfile import ends_there, open_sndfile
from vqcodec.signals.resampling import reach_of, resample, resample_blocks
from vqcodec.signals.sound import AudioClip, Waveform
from vqcodec.signals.sound_files import AudioFile
from vqcodec.signals.views import read_at
from vqcodec.training.cache import DecodedFiles, describe_memory
from vqcodec.training.inputs import InputReader
from vqcodec.training.sources import open_name

# Files that libsndfile seeks in exactly, by their first bytes. Others are decoded from their start.
_SEEKABLE = (b"fLaC", b"RIFF", b"RF64", b"BW64", b"FORM")
_SEEKABLE_SAMPLES = ("PCM_", "FLOAT", "DOUBLE")  # beginnings of libsndfile's names
_SAMPLE_BYTES = 2


class Recordings(ABC):
    """Recordings with one channel, at one rate, by number.

    Attributes:
        files: names of the N recordings.
        lengths: [N], samples of each, at least one.
    """

    files: Sequence[str]
    lengths: NDArray[np.int64]

    @abstractmethod
    def read(self, number: int, start: int, stop: int) -> NDArray[np.int16]:
        """Return samples start … stop - 1 of a recording; both lie inside it.

        Raises:
            InputError: its file cannot be read.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return how much is read, and how much of it is in memory."""


class HeldRecordings(Recordings):
    """Recordings [T] in memory."""

    files: list[str]

    def __init__(self, waveforms: Mapping[str, NDArray[np.int16]]) -> None:
        """Take recordings by name."""
        self.files, self.waveforms = list(waveforms), list(waveforms.values())
        self.lengths = np.array([len(waveform) for waveform in self.waveforms])

    def read(self, number: int, start: int, stop: int) -> NDArray[np.int16]:
        """Return samples start … stop - 1 of a recording."""
        return self.waveforms[number][start:stop]

    def describe(self) -> str:
        """Return the number of recordings, and that all are in memory."""
        num_bytes = _SAMPLE_BYTES * int(self.lengths.sum())
        text = f"{len(self.lengths)} recordings"
        return describe_memory(text, num_bytes, DecodedFiles(num_bytes))


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """What a file's header says, and whether its samples can be read from any place on."""

    sample_rate: int
    num_samples: int
    seekable: bool


class RecordingFiles(Recordings):
    """Recordings in files; of WAV, FLAC and AIFF, only the needed part is read and resampled."""

    def __init__(
        self, files: Mapping[str, RecordingFacts], sample_rate: int, memory_bytes: int
    ) -> None:
        """Take files.

        Args:
            files: what `facts_of` returns for each name.
            sample_rate: of the recordings, in Hz.
            memory_bytes: of decoded files of other formats that are kept.
        """
        self.files, self.facts, self.sample_rate = list(files), list(files.values()), sample_rate
        self.lengths = np.array(
            [-(-facts.num_samples * sample_rate // facts.sample_rate) for facts in self.facts]
        )
        self.decoded = DecodedFiles(memory_bytes)

    @property
    def num_bytes(self) -> int:
        """Size of all decoded recordings."""
        return _SAMPLE_BYTES * int(self.lengths.sum())

    def _read_whole(self, number: int) -> NDArray[np.int16]:
        return as_integers(read_recording(self.files[number], self.sample_rate))

    def describe(self) -> str:
        """Return the number of recordings, and how much of them is in memory."""
        return describe_memory(f"{len(self.files)} recordings", self.num_bytes, self.decoded)

    def read(self, number: int, start: int, stop: int) -> NDArray[np.int16]:
        """Return samples start … stop - 1 of a recording."""
        if self.facts[number].seekable:
            return as_integers(self.waveform(number, start, stop))
        return self.decoded.get(number, self._read_whole)[start:stop]

    def waveform(self, number: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples start … stop - 1 of a recording in 32 bits, -1 … 1."""
        facts, name = self.facts[number], self.files[number]
        if not facts.seekable:
            return read_recording(name, self.sample_rate)[start:stop]
        old, new = facts.sample_rate, self.sample_rate
        reach = reach_of(old, new) if old != new else 0
        first = max(0, start * old // new - reach)
        last = min(facts.num_samples, -(-stop * old // new) + reach)
        part = iter([_read_part(name, first, last)])
        blocks = resample_blocks(part, 1, old, new, range(start, stop), first)
        found: NDArray[np.float32] = np.concatenate(list(blocks), axis=1)[0]
        return found


def read_recording(name: str | Path, sample_rate: int) -> NDArray[np.float32]:
    """Return a file's sound [T], -1 … 1, at a rate in Hz, mixed down to one channel.

    Raises:
        InputError: it cannot be read.
    """
    with open_name(name) as file:
        clip = AudioClip.of_sound(AudioFile(file, str(name)))
    mono = clip.waveform.mean(axis=0, keepdims=True)
    recording: NDArray[np.float32] = resample(mono, clip.sample_rate, sample_rate)[0]
    return recording


def as_integers(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return samples [T] in -1 … 1 as 16-bit integers."""
    return np.round(waveform.clip(-1, 1) * 32767).astype(np.int16)


def open_recordings(
    names: Sequence[str], sample_rate: int, memory_bytes: int, reader: InputReader
) -> Recordings:
    """Return recordings at a rate in Hz, in memory if they fit into it."""
    files = RecordingFiles(reader.read_each(names, facts_of), sample_rate, memory_bytes)
    if files.num_bytes > memory_bytes:
        return files
    return HeldRecordings(
        reader.read_each(files.files, lambda name: as_integers(read_recording(name, sample_rate)))
    )


def facts_of(name: str | Path) -> RecordingFacts:
    """Return the facts of a recording.

    Raises:
        InputError: it is not a sound, or has no samples.
    """
    try:
        with open_name(name) as file:
            if read_at(file, 0, 4) in _SEEKABLE:
                file.seek(0)
                with open_sndfile(file) as sound:
                    if (
                        sound.subtype.startswith(_SEEKABLE_SAMPLES)
                        and sound.frames
                        and ends_there(sound)
                    ):
                        return RecordingFacts(sound.samplerate, sound.frames, seekable=True)
            file.seek(0)
            whole = AudioFile(file, str(name))
            if not whole.num_samples:
                raise InputError("has no samples")
            return RecordingFacts(whole.sample_rate, whole.num_samples, seekable=False)
    except InputError as error:
        message = str(error)
        raise InputError(message if str(name) in message else f"{name}: {message}") from error


def _read_part(name: str | Path, first: int, last: int) -> Waveform:
    """Return samples first … last - 1 of a seekable file, mixed down to [1, n]."""
    try:
        with open_name(name) as file, open_sndfile(file) as sound:
            sound.seek(first)
            samples = sound.read(last - first, dtype="float32", always_2d=True)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if len(samples) < last - first:
        raise InputError(f"{name}: damaged: ends before its sample {last}")
    if not np.isfinite(samples).all():
        raise InputError(f"{name}: has samples that are not finite numbers")
    mono: Waveform = samples.T.clip(-1, 1).mean(axis=0, keepdims=True)
    return mono
