"""The choice of a decoder for a sound file: by its content, never by its name."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from vqcodec.errors import InputError
from vqcodec.notes import Note, NoteCode
from vqcodec.signals import extra_formats
from vqcodec.signals.chunk_lengths import ChunkedSound, read_chunked_sound
from vqcodec.signals.chunks import find_chunked_files
from vqcodec.signals.flac_length import find_flac_files, read_flac_facts
from vqcodec.signals.libsndfile import NotASoundError
from vqcodec.signals.mpeg_sound import MpegSound, begins_with_frames
from vqcodec.signals.ogg_packets import flac_parts, has_speakers, tags_of_stream
from vqcodec.signals.ogg_streams import read_ogg_streams
from vqcodec.signals.sndfile_sounds import FlacSound, OggSound, Opener, SndfileSound
from vqcodec.signals.sound import BLOCK, Waveform
from vqcodec.signals.sound_tags import FoundTags
from vqcodec.signals.tag_blocks import Range, find_tags, read_tags
from vqcodec.signals.views import FileView, Part, length_of, read_at

_MAGIC = (b"fLaC", b"OggS", b"RF64", b"BW64", b".snd", b"caff", b"riff", b"Creative Voice", b"NIST")

_FFMPEG_NAMES = {b"RIFF": "wav", b"RF64": "wav", b"FORM": "aiff", b"caff": "caf"}
_IS_OTHER_CODEC = re.compile(r"unsupported encoding|unimplemented format|Malformed 'fmt '")
_MOST_JOINED = 256  # each has buffers
_MOST_AFTER_VOC = 16  # bytes: an end mark, and a block header that some writers do not count
_DUMP_HEADER_BYTES, _DUMP_PACKET_BYTES = 21, 127


class OpenSound(Protocol):
    """A sound in an open file."""

    sample_rate: int
    num_channels: int
    num_samples: int
    notes: list[Note]  # on the header
    tags: FoundTags

    def blocks(self, notes: list[Note]) -> Iterator[Waveform]:
        """Yield all samples [C, n] in order, as stored; append notes."""


def begins_like_sound(file: BinaryIO) -> bool:
    """Return whether the content begins like a common kind of sound; the position is kept."""
    position = file.tell()
    try:
        start = file.read(16)
        if extra_formats.container_of(file) is not None:
            return True
        if start[:4] in (b"RIFF", b"RIFX", b"FORM"):
            return start[8:12] in (b"WAVE", b"AIFF", b"AIFC", b"8SVX", b"16SV")
        return start.startswith(_MAGIC) or begins_with_frames(file, position)
    finally:
        file.seek(position)


def open_sound(file: BinaryIO, *, salvage: bool) -> OpenSound:
    """Return the sound in a file, with its true number of samples.

    Args:
        file: open for reading; it must be seekable and stay open.
        salvage: read damaged files as far as possible, with a note.

    Raises:
        InputError: it is damaged, or not a sound.
    """
    tags, start = _tags_before(file)
    sound = _open(file, start, salvage=salvage)
    if tags:
        found = read_tags(file, tags)
        found.merge(sound.tags)
        sound.tags = found
    return sound


def _open(file: BinaryIO, start: int, *, salvage: bool) -> OpenSound:
    magic = read_at(file, start, 4)
    finder = find_flac_files if magic == b"fLaC" else find_chunked_files
    starts = finder(file, start)
    if len(starts) > 1:
        return _open_joined(file, starts, salvage=salvage)
    if magic == b"fLaC":
        return FlacSound(file, read_flac_facts(file, start), salvage=salvage)
    if magic == b"OggS":
        return _open_ogg(file, start, salvage=salvage)
    chunked = read_chunked_sound(file, start)
    if chunked is not None:
        return _open_chunked(file, start, chunked, salvage=salvage)
    return _open_unchunked(file, start, magic, salvage=salvage)


def _open_unchunked(file: BinaryIO, start: int, magic: bytes, *, salvage: bool) -> OpenSound:
    view = _opener(file, [(start, length_of(file))])()  # AAC may come after an ID3 tag
    if extra_formats.container_of(view) is not None:
        return extra_formats.open_sound(view, salvage=salvage)
    if begins_with_frames(file, 0):
        return MpegSound(file, 0, length_of(file))
    return _open_plain(
        file,
        is_mpeg=bool(start) or magic[:3] == b"ID3" or begins_like_frame(magic),
        salvage=salvage,
    )


def _open_joined(file: BinaryIO, starts: Sequence[int], *, salvage: bool) -> OpenSound:
    """Open files that were joined to one, as by `cat`.

    Raises:
        InputError: one of them is damaged, or there are very many.
    """
    if len(starts) > _MOST_JOINED:
        raise InputError(f"more than {_MOST_JOINED} sounds were joined to one: split them")
    stops = [*starts[1:], length_of(file)]
    parts = zip(starts, stops, strict=True)
    return _chain_of(
        [_open(_opener(file, [part])(), 0, salvage=salvage) for part in parts], list[Note]()
    )


def _open_chunked(file: BinaryIO, start: int, chunked: ChunkedSound, *, salvage: bool) -> OpenSound:
    sound: OpenSound
    if chunked.mpeg is not None:
        sound = MpegSound(file, *chunked.mpeg)
    else:
        parts = chunked.parts or [(start, length_of(file))]
        try:
            sound = SndfileSound(_opener(file, parts), salvage=salvage, logged=False)
        except InputError as error:
            name = _FFMPEG_NAMES.get(read_at(file, start, 4))
            if name is None or not _IS_OTHER_CODEC.search(str(error)):
                raise
            if not extra_formats.is_installed():
                raise InputError(f"{error}; {extra_formats.sound_hint()}") from error
            view = _opener(file, [(start, length_of(file))])()
            sound = extra_formats.open_sound(view, name, salvage=salvage)
    sound.notes += chunked.notes
    sound.tags.merge_missing(chunked.tags)
    return sound


def _open_plain(file: BinaryIO, *, is_mpeg: bool, salvage: bool) -> OpenSound:
    """Open a file with libsndfile, unless it would search for missing MPEG frames."""
    if is_mpeg:
        raise NotASoundError("cannot be read as a sound: no MPEG frames after its start")
    _check_sample_dump(file)
    sound = SndfileSound(_opener(file, [(0, length_of(file))]), salvage=salvage)
    _compare_with_header(file, sound)
    return sound


def _check_sample_dump(file: BinaryIO) -> None:
    """Refuse a damaged MIDI sample dump (SDS): libsndfile would print to stdout."""
    head = read_at(file, 0, _DUMP_HEADER_BYTES)
    if head[:1] + head[1:2] + head[3:4] != b"\xf0\x7e\x01":
        return
    for position in range(_DUMP_HEADER_BYTES, length_of(file), _DUMP_PACKET_BYTES):
        packet = read_at(file, position, _DUMP_PACKET_BYTES)
        if len(packet) < _DUMP_PACKET_BYTES or packet[:2] != b"\xf0\x7e" or packet[-1] != 0xF7:
            raise InputError(f"damaged: the packet at byte {position} of its sample dump")


def begins_like_frame(data: bytes) -> bool:
    """Return whether bytes look like the start of MPEG audio to libsndfile.

    Its decoder writes to stderr if it finds no frames; it does not receive such files.
    """
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0


def _tags_before(file: BinaryIO) -> tuple[list[Range], int]:
    """Return the tags at the start and the position after them; 0 if there are none."""
    length = length_of(file)
    tags, start = find_tags(file, 0, length)
    if not tags or start >= length:  # a tag may claim to be larger than the file
        return [], 0
    return tags, start


def _opener(file: BinaryIO, parts: Sequence[Part]) -> Opener:
    return lambda: io.BufferedReader(FileView(file, parts), BLOCK)


def _open_ogg(file: BinaryIO, start: int, *, salvage: bool) -> OpenSound:
    streams, notes, tags = read_ogg_streams(file, start, salvage=salvage)
    sounds: list[OpenSound] = []
    for stream in streams:
        sound: OpenSound
        if stream.kind == "FLAC":
            flac = _opener(file, flac_parts(file, stream.parts))()
            sound = FlacSound(flac, read_flac_facts(flac, 0), salvage=salvage)
        elif stream.kind == "Speex":
            sound = extra_formats.open_sound(_opener(file, stream.parts)(), "ogg", salvage=salvage)
        else:
            others = [_opener(file, stream.without_length(file))]
            if stream.kind == "Vorbis":
                others.append(_opener(file, stream.without_positions(file)))
            sound = OggSound(
                _opener(file, stream.parts),
                others,
                plausible=stream.plausible,
                has_speakers=has_speakers(file, stream.parts, stream.kind),
                salvage=salvage,
            )
            sound.tags = tags_of_stream(file, stream.parts, stream.kind)
        sounds.append(sound)
    chain = _chain_of(sounds, notes)
    chain.tags.merge(tags)
    return chain


def _chain_of(sounds: Sequence[OpenSound], notes: list[Note]) -> _Chain:
    """Return the sounds that are like the first, one after the other."""
    first = sounds[0]
    for sound in sounds:
        if not _are_alike(first, sound):
            seconds = sound.num_samples / sound.sample_rate
            text = (
                f"{seconds:.2f} s are left out: they have {sound.sample_rate} Hz and "
                f"{sound.num_channels} channels, unlike the first stream"
            )
            notes.append(Note(NoteCode.STREAM_LEFT_OUT, text))
    return _Chain([sound for sound in sounds if _are_alike(first, sound)], notes)


def _are_alike(one: OpenSound, other: OpenSound) -> bool:
    return (one.sample_rate, one.num_channels) == (other.sample_rate, other.num_channels)


class _Chain:
    """Sounds one after the other."""

    def __init__(self, sounds: Sequence[OpenSound], notes: list[Note]) -> None:
        self._sounds = sounds
        self.sample_rate = sounds[0].sample_rate
        self.num_channels = sounds[0].num_channels
        self.num_samples = sum(sound.num_samples for sound in sounds)
        self.notes = list(dict.fromkeys([*notes, *(n for sound in sounds for n in sound.notes)]))
        self.tags = FoundTags()
        for sound in sounds:
            self.tags.merge(sound.tags)

    def blocks(self, notes: list[Note]) -> Iterator[Waveform]:
        """Yield all samples in order."""
        for sound in self._sounds:
            yield from sound.blocks(notes)


def _compare_with_header(file: BinaryIO, sound: SndfileSound) -> None:
    """Add a note that libsndfile lacks: the header of a VOC, NIST or AVR claims another length."""
    head, claimed, found = read_at(file, 0, 1024), 0, sound.num_samples
    if sound.format == "NIST":
        match = re.search(rb"sample_count -i (\d{1,15})", head)
        claimed = int(match[1]) if match else 0
    elif sound.format == "AVR":
        claimed = int.from_bytes(head[26:30], "big")
    elif sound.format == "VOC":
        first = int.from_bytes(head[20:22], "little")
        block = read_at(file, first, 4)
        claimed, found = first + 4 + int.from_bytes(block[1:], "little"), length_of(file)
    what = "bytes" if sound.format == "VOC" else "samples"
    if found > claimed + _MOST_AFTER_VOC > _MOST_AFTER_VOC:
        text = f"its header says {claimed} {what}, but {found} are there: all are read"
        sound.notes.append(Note(NoteCode.WRONG_LENGTH, text))
    if claimed > found and not any(n.code is NoteCode.ENDS_EARLY for n in sound.notes):
        text = f"ends early: {found} of {claimed} {what} are there"
        sound.notes.append(Note(NoteCode.ENDS_EARLY, text))
