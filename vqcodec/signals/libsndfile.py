"""Files that libsndfile reads: its callbacks, its errors, and its positions."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import soundfile
from numpy.typing import NDArray

from vqcodec.errors import InputError
from vqcodec.interrupts import uninterrupted

_GUESSED = re.compile(r"resource fork|bad (data|map) (offset|length)")  # it tries SD2 at last
_SET_CHANNEL_MAP = 0x1101  # libsndfile's number of the command
_SPEAKERS = {  # libsndfile's numbers of those that it has bits in WAV for
    "FL": 2,
    "FR": 3,
    "FC": 4,
    "BC": 8,
    "BL": 9,
    "BR": 10,
    "LFE": 11,
    "SL": 14,
    "SR": 15,
}
_UNKNOWN_FORMAT = 1  # libsndfile's number of the error


class NotASoundError(InputError):
    """The content is of no known sound format; the file may be of another kind."""


class CallbackFile:
    """A file for libsndfile's callbacks, which must not raise: it keeps the first failure."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        """Show a file from a position on."""
        self._file, self._start = file, start
        self._failure: OSError | None = None

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure is not None:
            raise self._failure

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; damage can ask for one before the start, which becomes the start."""
        try:
            if whence == io.SEEK_CUR:
                offset += self._file.tell()
            elif whence == io.SEEK_END:
                offset += self._file.seek(0, io.SEEK_END)
            else:
                offset += self._start
            return self._file.seek(max(self._start, offset)) - self._start
        except (OSError, OverflowError) as error:
            self._keep(error)
            return 0

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell() - self._start

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none after a failure."""
        try:
            return self._file.read(size)
        except OSError as error:
            self._keep(error)
            return b""

    def write(self, data: bytes) -> int:
        """Write and report success; `check` raises a failure."""
        try:
            self._file.write(data)
        except OSError as error:
            self._keep(error)
        return len(data)

    def _keep(self, error: Exception) -> None:
        failure = error if isinstance(error, OSError) else OSError(str(error))
        self._failure = self._failure or failure


class SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """A `soundfile.SoundFile` on a `CallbackFile`, whose callbacks no signal interrupts."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        with uninterrupted():
            super().__init__(*arguments, **options)

    def read(self, *arguments: Any, **options: Any) -> NDArray[Any]:
        """Return the next samples."""
        with uninterrupted():
            samples: NDArray[Any] = super().read(*arguments, **options)
        return samples

    def write(self, data: NDArray[Any]) -> None:
        """Write samples [n, C]."""
        with uninterrupted():
            super().write(data)

    def set_speakers(self, speakers: Sequence[str]) -> None:
        """Say which speakers the channels of a new WAVEX or RF64 file are for."""
        numbers = soundfile._ffi.new("int[]", [_SPEAKERS[speaker] for speaker in speakers])
        size = soundfile._ffi.sizeof(numbers)
        with uninterrupted():
            done = soundfile._snd.sf_command(self._file, _SET_CHANNEL_MAP, numbers, size)
        assert done, speakers

    def seek(self, frames: int, whence: int = io.SEEK_SET) -> int:
        """Go to a sample and return its number."""
        with uninterrupted():
            position: int = super().seek(frames, whence)
        return position

    def close(self) -> None:
        """Write what is left, and close the file."""
        with uninterrupted():
            super().close()


@contextmanager
def open_sndfile(file: BinaryIO) -> Iterator[SoundFile]:
    """Open a file for reading from its start.

    Raises:
        InputError: libsndfile cannot read it, when it is opened or within the block.
        OSError: the underlying file cannot be read.
    """
    source = CallbackFile(file)
    try:
        with SoundFile(source) as sound:
            yield sound
            source.check()
    except soundfile.LibsndfileError as error:
        source.check()
        reason = error.error_string.strip().rstrip(".") or "damaged"
        if error.code == _UNKNOWN_FORMAT or _GUESSED.search(reason):
            raise NotASoundError("cannot be read as a sound: Format not recognised") from error
        if reason.startswith("Internal error"):
            reason = "its header is damaged"
        raise InputError(f"cannot be read as a sound: {reason}") from error


def read_frames(sound: SoundFile, size: int, dtype: str) -> NDArray[Any]:
    """Return the next samples [n, C], n up to `size`.

    Raises:
        InputError: libsndfile's position is beyond the length that it says, as in damaged Opus.
    """
    try:
        samples: NDArray[Any] = sound.read(size, dtype=dtype, always_2d=True)
    except ValueError as error:
        raise InputError("damaged: the length of the sound is impossible") from error
    return samples


def ends_there(sound: SoundFile) -> bool:
    """Return whether the samples end where the header says."""
    if not sound.frames:
        return True
    if not sound.seekable():
        return False
    try:
        sound.seek(sound.frames - 1)
        return len(sound.read(2)) == 1
    except soundfile.LibsndfileError:
        return False
