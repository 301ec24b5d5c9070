"""MPEG audio -> samples, by miniaudio's decoder (dr_mp3), frame by frame."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

import numpy as np

from vqcodec.errors import InputError
from vqcodec.interrupts import in_whole_steps
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.mpeg_frames import MpegScan, MpegStream, frames_of, scan_frames
from vqcodec.signals.sound import BLOCK, Waveform
from vqcodec.signals.tag_blocks import find_tags, read_tags
from vqcodec.signals.views import FileView, length_of

_PROBED = 1 << 17  # bytes that must hold the first frames, after tags and zeros


def begins_with_frames(file: BinaryIO, start: int) -> bool:
    """Return whether MPEG frames begin near a position.

    Any data may hold what looks like a few frames. So if other bytes come first, most of what
    follows has to be frames.
    """
    length = length_of(file)
    _, first = find_tags(file, start, length)
    if first >= length:  # a tag that claims to be larger than the file
        first = start
    scan = scan_frames(file, first, min(length, first + _PROBED))
    ranges = [part for stream in scan.streams for part in stream.ranges]
    frames = sum(end - begin for begin, end in ranges)
    return bool(scan.streams) and (not scan.leading or frames > scan.skipped + scan.trailing)


class MpegSound:
    """MPEG frames between two positions of a file; the number of samples is exact."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        """Find the frames.

        Raises:
            InputError: there are none.
        """
        self._file = file
        scan = scan_frames(file, start, stop)
        if not scan.streams:
            raise InputError("cannot be read as a sound: no MPEG frames")
        first = scan.streams[0].format
        self._streams = [
            stream
            for stream in scan.streams
            if (stream.format.sample_rate, stream.format.num_channels)
            == (first.sample_rate, first.num_channels)
        ]
        self.sample_rate = first.sample_rate
        self.num_channels = first.num_channels
        self.num_samples = sum(len(stream.sound) for stream in self._streams)
        self.notes = _notes_of(scan, self._streams)
        self.tags = read_tags(file, scan.tags)

    def blocks(self, notes: list[Note]) -> Iterator[Waveform]:
        """Yield all samples [C, n] in order; frames that cannot be decoded are silent."""
        num_silent = 0
        for stream in self._streams:
            position, sound = 0, stream.sound
            decoder = _FrameDecoder(self._file, stream)
            for block in decoder.blocks():
                first = max(0, sound.start - position)
                stop = max(0, sound.stop - position)
                position += block.shape[1]
                if block[:, first:stop].size:
                    yield block[:, first:stop]
            num_silent += decoder.num_silent
        if num_silent:
            seconds = num_silent * self._streams[0].format.num_samples / self.sample_rate
            text = f"{num_silent} damaged MPEG frames ({seconds:.2f} s) are silent"
            notes.append(Note(NoteCode.DAMAGED, text))


def _notes_of(scan: MpegScan, read: list[MpegStream]) -> list[Note]:
    notes = []
    for stream in read:
        format, claimed = stream.format, stream.tag and stream.tag.num_frames
        if claimed and claimed > stream.num_frames:
            frame_s = format.num_samples / format.sample_rate
            notes.append(
                Note(
                    NoteCode.ENDS_EARLY,
                    f"ends early: {stream.num_frames * frame_s:.2f} s "
                    f"of the {claimed * frame_s:.2f} s that its header says",
                )
            )
    if scan.cut and not notes:
        notes.append(Note(NoteCode.ENDS_EARLY, "ends early: its last MPEG frame is cut off"))
    kept = {id(stream) for stream in read}
    left_out = [stream for stream in scan.streams if id(stream) not in kept]
    for stream in left_out:
        format = stream.format
        seconds = stream.num_frames * format.num_samples / format.sample_rate
        notes.append(
            Note(
                NoteCode.STREAM_LEFT_OUT,
                f"{seconds:.2f} s are left out: they have {format.sample_rate} Hz and "
                f"{format.num_channels} channels, unlike the first frames",
            )
        )
    if scan.leading:
        text = f"{scan.leading} bytes before the first whole MPEG frame are skipped"
        notes.append(Note(NoteCode.DAMAGED, text))
    if scan.skipped:
        text = f"{scan.skipped} bytes between MPEG frames are no sound and are skipped"
        notes.append(Note(NoteCode.DAMAGED, text))
    if scan.trailing:
        text = f"{scan.trailing} bytes after the last MPEG frame are left out"
        notes.append(Note(NoteCode.TRAILING_BYTES, text))
    return notes


class _FrameDecoder:
    """Decodes one stream; each read passes one frame, so that lost frames are detected."""

    def __init__(self, file: BinaryIO, stream: MpegStream) -> None:
        self._file, self._stream = file, stream
        self.num_silent = 0  # frames that could not be decoded, except a stream's first

    def blocks(self) -> Iterator[Waveform]:
        """Yield as many samples as all frames hold."""
        return in_whole_steps(self._blocks())  # miniaudio calls back

    def _blocks(self) -> Generator[Waveform, None, None]:
        held: list[Waveform] = []
        size = 0
        for part in self._parts():
            held.append(part)
            size += part.shape[1]
            if size >= BLOCK:
                yield np.concatenate(held, axis=1)
                held, size = [], 0
        if held:
            yield np.concatenate(held, axis=1)

    def _parts(self) -> Iterator[Waveform]:
        """Yield the samples of each frame, silence for frames that the decoder skips."""
        import miniaudio

        ffi, lib = miniaudio.ffi, miniaudio.lib
        frame_samples = self._stream.format.num_samples
        source = _frame_source(self._file, self._stream)
        handle = ffi.new_handle(source)
        decoder, count = ffi.new("ma_decoder *"), ffi.new("ma_uint64 *")
        config = lib.ma_decoder_config_init(lib.ma_format_f32, 0, 0)
        config.encodingFormat = lib.ma_encoding_format_mp3
        done = 0  # frames
        result = lib.ma_decoder_init(
            lib._internal_decoder_read_callback,
            lib._internal_decoder_seek_callback,
            handle,
            ffi.addressof(config),
            decoder,
        )
        if result == lib.MA_SUCCESS:
            try:
                while True:
                    buffer = np.empty((frame_samples, decoder.outputChannels), np.float32)
                    pointer = ffi.from_buffer("float[]", buffer)
                    lib.ma_decoder_read_pcm_frames(decoder, pointer, frame_samples, count)
                    if count[0] != frame_samples:
                        break
                    yield from self._silence(done, source.num_frames - 1)
                    done = source.num_frames
                    yield self._with_channels(buffer)
            finally:
                lib.ma_decoder_uninit(decoder)
        if source.error_in_readcallback is not None:
            raise source.error_in_readcallback
        yield from self._silence(done, self._stream.num_frames)

    def _with_channels(self, samples: Waveform) -> Waveform:
        assert samples.shape[1] == self._stream.format.num_channels
        return samples.T

    def _silence(self, start: int, stop: int) -> Iterator[Waveform]:
        """Yield silence for frames start … stop; a stream's first frames may need earlier bytes."""
        format = self._stream.format
        self.num_silent += (stop - start) * bool(start)
        for _ in range(start, stop):
            yield np.zeros((format.num_channels, format.num_samples), np.float32)


def _frame_source(file: BinaryIO, stream: MpegStream) -> Any:
    """Return a source for miniaudio; its base class exists only after the import."""
    import miniaudio

    class FrameSource(miniaudio.StreamableSource):  # type: ignore[misc]
        num_frames = 0  # given so far

        def __init__(self) -> None:
            self._begin()

        def _begin(self) -> None:
            self._frames = frames_of(io.BufferedReader(FileView(file, stream.ranges), BLOCK))
            self._rest = b""
            self.num_frames = 0

        def read(self, num_bytes: int) -> bytes:
            if not self._rest:
                self._rest = next(self._frames, b"")
                self.num_frames += bool(self._rest)
            data, self._rest = self._rest[:num_bytes], self._rest[num_bytes:]
            return data

        def seek(self, offset: int, origin: miniaudio.SeekOrigin) -> bool:
            """Go back to the start: the decoder asks for nothing else after it has begun."""
            if origin == miniaudio.SeekOrigin.START and offset == 0:
                self._begin()
            return True

    return FrameSource()
