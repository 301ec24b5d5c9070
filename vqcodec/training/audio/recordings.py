"""The samples of recordings for training: all in memory, or parts of them read from their files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import InputError
from vqcodec.numbers import counted
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


@dataclass(frozen=True, slots=True)
class Form:
    """How recordings are given.

    Attributes:
        sample_rate: in Hz.
        num_channels: 1, mixed down; or 2, the first two, or one channel twice.
        longest_s: of a longer recording only the middle counts; None for no limit.
    """

    sample_rate: int
    num_channels: int = 1
    longest_s: float | None = None


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """What a file's header says.

    Attributes:
        sample_rate: in Hz.
        first: number of the first sample that counts.
        num_samples: number of samples that count, at least 1.
        seekable: whether its samples can be read from any place on.
    """

    sample_rate: int
    first: int
    num_samples: int
    seekable: bool


class Recordings(ABC):
    """Recordings in one form, by number.

    Attributes:
        files: names of the N recordings.
        lengths: [N], samples of each, at least one.
    """

    files: Sequence[str]
    lengths: NDArray[np.int64]

    @abstractmethod
    def read(self, number: int, start: int, stop: int) -> NDArray[np.int16]:
        """Return samples start … stop - 1 of a recording, [C, n]; both lie inside it.

        Raises:
            InputError: its file cannot be read.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return how much is read, and how much of it is in memory."""


class HeldRecordings(Recordings):
    """Recordings in memory."""

    def __init__(self, waveforms: Mapping[str, NDArray[np.int16]]) -> None:
        """Take recordings [C, T] by name."""
        self.files, self.waveforms = list(waveforms), list(waveforms.values())
        self.lengths = np.array([waveform.shape[1] for waveform in self.waveforms])

    def read(self, number: int, start: int, stop: int) -> NDArray[np.int16]:
        """Return samples start … stop - 1 of a recording, [C, n]."""
        return self.waveforms[number][:, start:stop]

    def describe(self) -> str:
        """Return the number of recordings, and that all are in memory."""
        num_bytes = sum(waveform.nbytes for waveform in self.waveforms)
        text = counted(len(self.lengths), "recording")
        return describe_memory(text, num_bytes, DecodedFiles(num_bytes))


class RecordingFiles(Recordings):
    """Recordings in files; of WAV, FLAC and AIFF, only the needed part is read and resampled."""

    def __init__(self, files: Mapping[str, RecordingFacts], form: Form, memory_bytes: int) -> None:
        """Take files.

        Args:
            files: what `facts_of` returns for each name.
            form: of the recordings.
            memory_bytes: of decoded files of other formats that are kept.
        """
        self.files, self.facts, self.form = list(files), list(files.values()), form
        self.lengths = np.array(
            [-(-f.num_samples * form.sample_rate // f.sample_rate) for f in self.facts]
        )
        self.decoded = DecodedFiles(memory_bytes)

    @property
    def num_bytes(self) -> int:
        """Size of all decoded recordings."""
        return _SAMPLE_BYTES * self.form.num_channels * int(self.lengths.sum())

    def describe(self) -> str:
        """Return the number of recordings, and how much of them is in memory."""
        return describe_memory(counted(len(self.files), "recording"), self.num_bytes, self.decoded)

    def read(self, number: int, start: int, stop: int) -> NDArray[np.int16]:
        """Return samples start … stop - 1 of a recording, [C, n]."""
        if self.facts[number].seekable:
            return as_integers(self.waveform(number, start, stop))
        whole = self.decoded.get(number, self._read_whole)
        return whole[:, start:stop]

    def _read_whole(self, number: int) -> NDArray[np.int16]:
        return as_integers(read_recording(self.files[number], self.form))

    def waveform(self, number: int, start: int, stop: int) -> Waveform:
        """Return samples start … stop - 1 of a recording in 32 bits, [C, n] in -1 … 1."""
        facts, name = self.facts[number], self.files[number]
        if not facts.seekable:
            return read_recording(name, self.form)[:, start:stop]
        old, new = facts.sample_rate, self.form.sample_rate
        reach = reach_of(old, new) if old != new else 0
        first = max(0, start * old // new - reach)
        last = min(facts.num_samples, -(-stop * old // new) + reach)
        part = _in_channels(_read_part(name, facts.first + first, facts.first + last), self.form)
        blocks = resample_blocks(iter([part]), len(part), old, new, range(start, stop), first)
        return np.concatenate(list(blocks), axis=1)


def open_recordings(
    names: Sequence[str], form: Form, memory_bytes: int, reader: InputReader
) -> Recordings:
    """Return the recordings that can be read, in memory if they fit into it."""
    files = RecordingFiles(
        reader.read_each(names, partial(facts_of, form=form)), form, memory_bytes
    )
    if files.num_bytes > memory_bytes:
        return files
    return HeldRecordings(
        reader.read_each(files.files, lambda name: as_integers(read_recording(name, form)))
    )


def read_recording(name: str | Path, form: Form) -> Waveform:
    """Return a file's sound in a form, [C, T] in -1 … 1.

    Raises:
        InputError: it cannot be read.
    """
    with open_name(name) as file:
        clip = AudioClip.of_sound(AudioFile(file, str(name)))
    first, length = _middle(clip.num_samples, clip.sample_rate, form)
    part = _in_channels(clip.waveform[:, first : first + length], form)
    return resample(part, clip.sample_rate, form.sample_rate)


def as_integers(waveform: Waveform) -> NDArray[np.int16]:
    """Return samples in -1 … 1 as 16-bit integers, which take half of the memory."""
    return np.round(waveform.clip(-1, 1) * 32767).astype(np.int16)


def facts_of(name: str | Path, form: Form) -> RecordingFacts:
    """Return the facts of a recording.

    Raises:
        InputError: it is not a sound, or has no samples.
    """
    try:
        with open_name(name) as file:
            if read_at(file, 0, 4) in _SEEKABLE:
                file.seek(0)
                with open_sndfile(file) as sound:
                    plain = sound.subtype.startswith(_SEEKABLE_SAMPLES)
                    if plain and sound.frames and ends_there(sound):
                        middle = _middle(sound.frames, sound.samplerate, form)
                        return RecordingFacts(sound.samplerate, *middle, seekable=True)
            file.seek(0)
            whole = AudioFile(file, str(name))
            if not whole.num_samples:
                raise InputError("has no samples")
            middle = _middle(whole.num_samples, whole.sample_rate, form)
            return RecordingFacts(whole.sample_rate, *middle, seekable=False)
    except InputError as error:
        message = str(error)
        raise InputError(message if str(name) in message else f"{name}: {message}") from error


def _middle(num_samples: int, sample_rate: int, form: Form) -> tuple[int, int]:
    """Return the first sample and the number of samples that count."""
    if form.longest_s is None:
        return 0, num_samples
    length = min(num_samples, round(form.longest_s * sample_rate))
    return (num_samples - length) // 2, length


def _in_channels(waveform: Waveform, form: Form) -> Waveform:
    if form.num_channels == 1:
        mono: Waveform = waveform.mean(axis=0, keepdims=True)
        return mono
    return waveform[[0, min(1, len(waveform) - 1)]]


def _read_part(name: str | Path, first: int, last: int) -> Waveform:
    """Return samples first … last - 1 of a seekable file, [C, n] in -1 … 1."""
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
    part: Waveform = samples.T.clip(-1, 1)
    return part
