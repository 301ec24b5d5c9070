"""Sounds that libsndfile decodes, with the true number of samples."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.channel_order import from_vorbis_order
from vqcodec.signals.flac_length import FlacFacts
from vqcodec.signals.libsndfile import SoundFile, ends_there, open_sndfile, read_frames
from vqcodec.signals.sound import BLOCK, Waveform
from vqcodec.signals.sound_tags import tags_of_mapping
from vqcodec.signals.views import FileView, length_of

_CUT = re.compile(r"should be|truncated|not equal|does not match|short read|> file length")
_SCALE = np.float32(2.0**-31)
_SMALL_BLOCK = 256  # samples
_SHORT_BYTES = 1 << 22  # of an Ogg stream that is decoded to count its samples: 5 minutes or so
_MOST_TRIMMED = 8192  # samples that an Ogg stream omits from its last packet

Opener = Callable[[], BinaryIO]  # opens the file again, at its start


class SndfileSound:
    """A sound that libsndfile decodes."""

    def __init__(
        self, opener: Opener, *, salvage: bool, logged: bool = True, can_seek: bool = True
    ) -> None:
        """Read the header, and count the samples if the header may be wrong.

        Args:
            opener: opens the file.
            salvage: end the sound at damage, with a note.
            logged: whether libsndfile's messages on lengths become notes.
            can_seek: whether to check the length by seeking: in damaged Vorbis, libsndfile crashes.

        Raises:
            InputError: libsndfile does not know the format.
        """
        self._opener, self._salvage = opener, salvage
        self._block = _SMALL_BLOCK if salvage else BLOCK  # a block with damage is lost
        self.notes: list[Note] = []
        self._ends_at_damage: list[Note] = []
        with open_sndfile(opener()) as sound:
            self.sample_rate: int = sound.samplerate
            self.num_channels: int = sound.channels
            self.num_samples: int = sound.frames
            self.format: str = sound.format
            log = sound.extra_info
            self.tags = tags_of_mapping(sound.copy_metadata())
            trusted = not can_seek or (not salvage and ends_there(sound))
        if not trusted:
            self.num_samples = self._count()
        if logged and any(_CUT.search(line) for line in log.splitlines()):
            text = f"ends early: has {self.num_samples} samples, fewer than its header says"
            self.notes.append(Note(NoteCode.ENDS_EARLY, text))

    def blocks(self, notes: list[Note]) -> Iterator[Waveform]:
        """Yield all samples [C, n] in order.

        Raises:
            InputError: the samples end early.
        """
        left = self.num_samples
        with self._reading(notes), open_sndfile(self._opener()) as sound:
            while left > 0:
                block = self._read(sound, min(self._block, left))
                if not block.shape[1]:
                    raise InputError(
                        f"damaged: {self.num_samples - left} of {self.num_samples} samples "
                        "can be read"
                    )
                left -= block.shape[1]
                yield block
        notes += [note for note in self._ends_at_damage if note not in notes]
        self._verify(notes)

    def _read(self, sound: SoundFile, size: int) -> Waveform:
        block: Waveform = read_frames(sound, size, "float32").T
        return block

    def _verify(self, notes: list[Note]) -> None:
        """Check the samples against the checksum of the file, if it has one."""

    @contextmanager
    def _reading(self, notes: list[Note]) -> Iterator[None]:
        """With `salvage`, turn damage into a note: the count ended there, too."""
        try:
            yield
        except InputError as error:
            if not self._salvage:
                raise
            notes.append(Note(NoteCode.DAMAGED, f"{error}; the sound ends there"))

    def _count(self) -> int:
        """Return the number of readable samples; with `salvage`, up to the damage."""
        count = 0
        found: list[Note] = []
        with self._reading(found), open_sndfile(self._opener()) as sound:
            while size := self._read(sound, self._block).shape[1]:
                count += size
        where = f", after {count / self.sample_rate:.2f} s"
        self._ends_at_damage = [Note(note.code, note.text + where) for note in found]
        return count


class FlacSound(SndfileSound):
    """A FLAC file, checked against the MD5 sum of its samples if it has one."""

    def __init__(self, file: BinaryIO, facts: FlacFacts, *, salvage: bool) -> None:
        """Take a file and its facts from `read_flac_facts`."""
        self._facts = facts
        self._md5 = hashlib.md5(usedforsecurity=False)
        super().__init__(lambda: _view(file, facts.parts), salvage=salvage, logged=False)
        self.tags.merge(facts.tags)
        if facts.claimed is not None and facts.claimed > facts.num_samples:
            text = f"ends early: {facts.num_samples} of {facts.claimed} samples are there"
            self.notes.append(Note(NoteCode.ENDS_EARLY, text))
        elif facts.is_cut:
            text = "ends early: its last FLAC frame is cut off or damaged"
            self.notes.append(Note(NoteCode.ENDS_EARLY, text))
        elif facts.trailing:
            text = f"{facts.trailing} bytes after the last FLAC frame are left out"
            self.notes.append(Note(NoteCode.TRAILING_BYTES, text))

    def blocks(self, notes: list[Note]) -> Iterator[Waveform]:
        """Yield all samples [C, n] in order.

        Raises:
            InputError: the samples end early, or their MD5 sum is wrong.
        """
        self._md5 = hashlib.md5(usedforsecurity=False)
        return super().blocks(notes)

    def _read(self, sound: SoundFile, size: int) -> Waveform:
        levels: NDArray[np.int32] = read_frames(sound, size, "int32")
        self._md5.update(_packed(levels >> (32 - self._facts.bits), self._facts.bits))
        block: Waveform = levels.T.astype(np.float32) * _SCALE
        return block

    def _verify(self, notes: list[Note]) -> None:
        if self._facts.md5 is None or self._facts.md5 == self._md5.digest():
            return
        text = "damaged: the MD5 sum of its samples differs from its header"
        if not self._salvage:
            raise InputError(text)
        if not notes:
            notes.append(Note(NoteCode.DAMAGED, text))


class OggSound(SndfileSound):
    """One logical stream of an Ogg file."""

    def __init__(
        self,
        opener: Opener,
        others: Sequence[Opener],
        *,
        plausible: bool,
        has_speakers: bool,
        salvage: bool,
    ) -> None:
        """Take the stream's pages, and the same pages with other positions.

        Args:
            opener: opens the pages as they are.
            others: open the pages with a too large length on the last; a further one without any
                position before.
            plausible: whether the positions are possible.
            has_speakers: whether its channels are those of speakers, in the order of Vorbis.
            salvage: end the sound at damage, with a note.
        """
        self._has_speakers = has_speakers
        for number, each in enumerate((opener, *others)):
            is_last = number == len(others)
            try:
                super().__init__(each, salvage=salvage, logged=False, can_seek=False)
                claimed, is_short = self.num_samples, length_of(each()) < _SHORT_BYTES
                if number or salvage or is_short:
                    self.num_samples = self._count()
                if number:
                    return
                agrees = salvage or self.num_samples == claimed
                if plausible and agrees and self._ends_at(claimed, others[0]):
                    return
            except InputError:  # a position is invalid
                if is_last:
                    raise

    def _read(self, sound: SoundFile, size: int) -> Waveform:
        block = super()._read(sound, size)
        return from_vorbis_order(block) if self._has_speakers else block

    def _ends_at(self, claimed: int, endless: Opener) -> bool:
        """Return whether the position on the last page is the end of the data."""
        count = 0
        try:
            with open_sndfile(endless()) as sound:
                while size := self._read(sound, BLOCK).shape[1]:
                    count += size
        except InputError:
            return False
        return 0 < claimed <= count < claimed + _MOST_TRIMMED


def _view(file: BinaryIO, parts: list[tuple[int, int] | bytes]) -> BinaryIO:
    return io.BufferedReader(FileView(file, parts), BLOCK)


def _packed(levels: NDArray[np.int32], bits: int) -> bytes:
    """Return samples as FLAC's MD5 sum needs them: whole bytes, little-endian."""
    size = -(-bits // 8)
    plain = np.ascontiguousarray(levels, "<i4").view(np.uint8).reshape(-1, 4)
    return plain[:, :size].tobytes()
