"""Sound files <-> sounds: whole, or block by block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.tags import Tags
from vqcodec.errors import InputError, OutputError, UsageError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.channel_order import speakers_of, to_vorbis_order
from vqcodec.signals.libsndfile import CallbackFile, SoundFile
from vqcodec.signals.options import DEFAULT, ReadOptions
from vqcodec.signals.sound import BLOCK, AudioClip, Sound, Waveform, checked_blocks, tags_of
from vqcodec.signals.sound_formats import open_sound
from vqcodec.signals.sound_tags import build_id3, joined

_SUBTYPES = {
    "WAV": "PCM_16",
    "FLAC": "PCM_16",
    "OGG": "VORBIS",
    "MP3": "MPEG_LAYER_III",
    "AIFF": "PCM_16",
}
_COMMON_TAGS = {"TITLE", "ARTIST", "COMMENT"}
_MORE_TAGS = {*_COMMON_TAGS, "COPYRIGHT", "DATE", "ALBUM", "TRACKNUMBER", "GENRE"}
_TAGS = {  # that libsndfile writes; MP3 holds all, by `build_id3`
    "WAV": _MORE_TAGS,
    "AIFF": _COMMON_TAGS,
    "FLAC": {*_MORE_TAGS, "LICENSE"},
    "OGG": {*_MORE_TAGS, "LICENSE"},
}
_INTEGERS_ABOVE = 100  # times full scale: no recording is so loud
_PLAIN = {"WAV", "AIFF"}  # without compression
_NEVER_EMPTY = {"FLAC", "MP3"}  # libsndfile writes unreadable files without samples
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MAX_OGG_RATE = 192_000  # Hz; libsndfile's Vorbis writer crashes above 200,000
_MAX_BYTES = (1 << 31) - (1 << 16)  # of samples; lengths in AIFF and WAV are 32-bit fields


class AudioFile:
    """A `Sound` in a file that is open for reading."""

    def __init__(self, file: BinaryIO, name: str, options: ReadOptions = DEFAULT) -> None:
        """Read the facts of the file and count its samples; `name` is for messages.

        Raises:
            InputError: it is damaged, not a sound, or too large for a stream.
        """
        self._name, self._options = name, options
        with _naming_failures(name):
            self._sound = open_sound(file, salvage=options.salvage)
            self._facts = AudioFacts(  # raises InputError
                num_samples=self._sound.num_samples,
                sample_rate=self._sound.sample_rate,
                num_channels=self._sound.num_channels,
                downmixed=False,
            )
        self._notes_of_samples: list[Note] = []

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
        """Samples of each channel, counted if the header may be wrong."""
        return self._facts.num_samples

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out or changed; complete once all blocks have been read."""
        tags = self._sound.tags.note(kept=self._options.keep_metadata)
        return (*self._sound.notes, *tags, *self._notes_of_samples)

    @property
    def tags(self) -> Tags:
        """Names and values, if they are to be kept."""
        return tuple(self._sound.tags.values) if self._options.keep_metadata else ()

    def blocks(self) -> Iterator[Waveform]:
        """Yield all samples in order, clipped to -1 … 1; every call yields the same.

        Raises:
            InputError: the file is damaged, or has samples that are not numbers.
        """
        notes: list[Note] = []
        clipping = _Clipping()
        with _naming_failures(self._name):
            for block in self._sound.blocks(notes):
                finite = np.isfinite(block)
                if not finite.all():
                    block = self._without_odd_values(block, finite, notes)  # noqa: PLW2901
                yield clipping.clip(block)
            # Replaced at the end, so that a second reading does not repeat notes.
            self._notes_of_samples = [*notes, *clipping.notes()]

    def _without_odd_values(
        self, block: Waveform, finite: NDArray[np.bool_], notes: list[Note]
    ) -> Waveform:
        if not self._options.salvage:
            raise InputError("has samples that are not finite numbers")
        if not any(note.code is NoteCode.DAMAGED for note in notes):
            text = "samples that are not finite numbers are silent"
            notes.append(Note(NoteCode.DAMAGED, text))
        return np.where(finite, block, np.float32(0))


class _Clipping:
    """Clips blocks, and counts the clipped samples."""

    def __init__(self) -> None:
        self._num_samples, self._num_clipped, self._peak = 0, 0, 1.0

    def clip(self, block: Waveform) -> Waveform:
        """Return a block within -1 … 1."""
        peak = float(np.abs(block).max(initial=0))
        self._num_samples += block.size
        if peak > 1:
            self._num_clipped += int(np.count_nonzero(np.abs(block) > 1))
            self._peak = max(self._peak, peak)
        return block.clip(-1, 1)

    def notes(self) -> list[Note]:
        """Return a note if samples were clipped."""
        if not self._num_clipped:
            return []
        text = (
            f"{self._num_clipped} of {self._num_samples} samples lie beyond full scale "
            f"and are clipped; the largest is {self._peak:.4g}"
        )
        if self._peak > _INTEGERS_ABOVE:
            text += ", as where integers are written as floats: divide them by 32768"
        return [Note(NoteCode.CLIPPED, text)]


@contextmanager
def _naming_failures(name: str) -> Iterator[None]:
    """Add the file's name to an InputError; turn an OSError into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from error
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error


def read_clip(
    source: Path | BinaryIO, name: str | None = None, *, options: ReadOptions = DEFAULT
) -> AudioClip:
    """Return the sound of a file, all its channels, clipped to -1 … 1.

    Args:
        source: a path, or a file open for reading that can seek.
        name: of the file, for messages.
        options: how to read.

    Raises:
        InputError: the file is missing, damaged, not a sound, or too large for a stream.
    """
    label = name or str(source if isinstance(source, Path) else "sound")
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                return AudioClip.of_sound(AudioFile(file, label, options))
        return AudioClip.of_sound(AudioFile(source, label, options))
    except MemoryError as error:
        raise InputError(f"{label}: a sound larger than the memory") from error
    except OSError as error:
        raise InputError(f"{label}: {error.strerror or error}") from error


def write_clip(clip: Sound, file: BinaryIO, format: str) -> None:
    """Write a sound in one of `SOUND_FORMATS`, with 16 bits if it is lossless.

    Args:
        clip: what to write, block by block; samples beyond -1 … 1 are clipped.
        file: open for writing, at its start; has to seek.
        format: libsndfile's name of the format.

    Raises:
        UsageError: the format is unknown, or a sample is not a finite number.
        OutputError: the format cannot hold this sound, or the file cannot be written.
    """
    _check_format(clip, format)
    speakers = speakers_of(clip.num_channels) if format == "WAV" else ()
    tags = tags_of(clip)
    if format == "MP3":  # libsndfile would write texts beyond ASCII wrongly
        file.write(build_id3(tags))
    target = CallbackFile(file, start=file.tell())
    try:
        with SoundFile(
            target,
            "w",
            samplerate=clip.sample_rate,
            channels=clip.num_channels,
            format=_variant_of(clip, format),
            subtype=_SUBTYPES[format],
        ) as sound:
            if speakers:
                sound.set_speakers(speakers)
            for name, text in joined(tags).items():
                if name in _TAGS.get(format, ()):
                    setattr(sound, name.lower(), text)
            for block in checked_blocks(clip):
                ordered = to_vorbis_order(block) if format == "OGG" else block
                for start in range(0, block.shape[1], BLOCK):  # Vorbis would overflow the stack
                    sound.write(_to_16_bits(ordered[:, start : start + BLOCK]).T)
                    target.check()
        target.check()
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise OutputError(f"the sound cannot be written as {format}: {reason}") from error
    except OSError as error:
        raise OutputError(f"the sound cannot be written: {error.strerror or error}") from error


def _variant_of(clip: Sound, format: str) -> str:
    """Return the format for libsndfile: WAV has others for long sounds and for more channels."""
    if format != "WAV":
        return format
    if least_bytes(clip, format) > _MAX_BYTES:
        return "RF64"
    return "WAVEX" if clip.num_channels > 2 else "WAV"  # WAVEX says which speakers they are for


def notes_on_writing(clip: Sound, format: str) -> list[Note]:
    """Return what a format cannot hold of a sound that can be written in it."""
    lost = {} if format == "MP3" else joined(tags_of(clip))
    names = [name.lower() for name in lost if name not in _TAGS.get(format, ())]
    if not names:
        return []
    text = f"{format} cannot hold its tags: {', '.join(names)}"
    return [Note(NoteCode.METADATA_DROPPED, text)]


def _check_format(clip: Sound, format: str) -> None:
    """Check that a format can hold a sound, before anything is written."""
    if format not in _SUBTYPES:
        raise UsageError(f"{format}: sounds are written as {', '.join(sorted(_SUBTYPES))}")
    if format in _NEVER_EMPTY and not clip.num_samples:
        raise OutputError(f"{format} cannot hold an empty sound: choose WAV")
    if format == "OGG" and clip.sample_rate > _MAX_OGG_RATE:
        raise OutputError(f"OGG holds up to {_MAX_OGG_RATE} Hz, not {clip.sample_rate}: choose WAV")
    if format == "MP3" and clip.num_channels > 2:
        raise OutputError(f"MP3 holds one or two channels, not {clip.num_channels}: choose FLAC")
    if format == "MP3" and clip.sample_rate not in _MP3_RATES:
        rates = ", ".join(map(str, _MP3_RATES))
        raise OutputError(f"MP3 holds {rates} Hz, not {clip.sample_rate}: choose FLAC")
    num_bytes = least_bytes(clip, format)
    if format == "AIFF" and num_bytes > _MAX_BYTES:
        raise OutputError(f"AIFF holds up to {_MAX_BYTES} bytes, not {num_bytes}: choose WAV")


def least_bytes(clip: Sound, format: str) -> int:
    """Return the least bytes of a sound in a file of a format; 0 if that is not known before."""
    return 2 * clip.num_samples * clip.num_channels if format in _PLAIN else 0


def _to_16_bits(waveform: Waveform) -> NDArray[np.int16]:
    levels: NDArray[np.float32] = np.rint(waveform * np.float32(32768))
    return levels.clip(-32768, 32767).astype(np.int16)
