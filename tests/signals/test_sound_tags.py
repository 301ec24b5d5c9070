"""Tags of sounds: read from every kind of file, kept on demand, written where there is room."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from tiny import load_tiny_model, noise_clip

from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.bitstream.tags import build_tags, parse_tags
from vqcodec.errors import CorruptStreamError
from vqcodec.notes import NoteCode
from vqcodec.signals.files import notes_of, notes_on_writing, open_signal, read_signal, write_signal
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_tags import build_id3, parse_comments, parse_id3, parse_id3_v1

KEEP = ReadOptions(keep_metadata=True)
TAGS = (("TITLE", "Lied über Ü"), ("ARTIST", "Sängerin"), ("COMMENT", "日本"))


def written(tags, format, *, rate=16_000):
    clip = noise_clip(8000, sample_rate=rate)
    file = io.BytesIO()
    write_signal(AudioClip(clip.waveform, rate, tags=tags), file, format)
    return file.getvalue()


def read(data, options=KEEP):
    return read_signal(io.BytesIO(data), "sound", options=options)


@pytest.mark.parametrize("format", ["WAV", "AIFF", "FLAC", "OGG", "MP3"])
def test_tags_come_back_out_of_every_format(format):
    data = written(TAGS, format)
    found = read(data)
    assert dict(found.tags) == dict(TAGS)
    assert not notes_of(found)
    dropped = read(data, ReadOptions())
    assert dropped.tags == ()
    (note,) = notes_of(dropped)
    assert (note.code, note.quiet) == (NoteCode.METADATA_DROPPED, True)
    assert "title" in note.text
    assert np.array_equal(found.waveform, dropped.waveform)


def test_what_a_format_cannot_hold_is_noted():
    clip = AudioClip(np.zeros((1, 100), np.float32), 8000, tags=(("MOOD", "calm"), *TAGS))
    (note,) = notes_on_writing(clip, "FLAC")
    assert (note.code, note.text) == (
        NoteCode.METADATA_DROPPED,
        "FLAC cannot hold its tags: mood",
    )
    assert notes_on_writing(clip, "MP3") == []
    assert dict(read(written((("MOOD", "calm"),), "MP3")).tags) == {"MOOD": "calm"}


def test_several_values_of_a_name_are_joined():
    tags = (("ARTIST", "one"), ("ARTIST", "two"))
    assert read(written(tags, "FLAC")).tags == (("ARTIST", "one; two"),)


def test_a_stream_keeps_tags_and_other_readers_pass_them():
    model = load_tiny_model("speech")
    clip = noise_clip(4000)
    tagged = AudioClip(clip.waveform, clip.sample_rate, tags=TAGS)
    stream = model.compress(tagged)
    assert model.decompress(stream).tags == TAGS
    assert Tag.TAGS & 0x80  # a reader that does not know it passes over it
    plain = parse_stream(model.compress(clip))
    assert plain.find(Tag.TAGS) is None
    assert np.array_equal(
        model.decompress(stream).waveform, model.decompress(build_stream(plain)).waveform
    )


@pytest.mark.parametrize("body", ["05", "0341", "02413d", "033d6162", "0461 3d6263", "03413dff"])
def test_a_damaged_section_of_tags_is_reported(body):
    data = bytes.fromhex(body)
    if body == "02413d":  # a name without a value is allowed
        assert parse_tags(data) == (("A", ""),)
        return
    with pytest.raises(CorruptStreamError, match="tags"):
        parse_tags(data)
    model = load_tiny_model("speech")
    stream = parse_stream(model.compress(noise_clip(2000)))
    damaged = Stream(stream.header, (Section(Tag.TAGS, data), *stream.sections))
    with pytest.raises(CorruptStreamError, match="tags"):
        model.decompress(build_stream(damaged))


def test_tags_are_parsed_as_they_were_built():
    assert parse_tags(build_tags(TAGS)) == TAGS
    assert parse_tags(b"") == ()


def id3(version, *frames, flags=0, size_of=None):
    body = b"".join(frames)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, flags]) + size + body


def test_id3_of_all_versions_and_encodings_is_read():
    short = b"TT2\0\0\5\0Song" + b"PIC\0\0\2\0x" + b"COM\0\0\x0a\0eng\0hello"
    found = parse_id3(id3(2, short))
    assert found.values == [("TITLE", "Song"), ("COMMENT", "hello")]
    assert found.others == ["picture"]
    utf16 = b"\1" + "Ünï".encode("utf-16")
    three = b"TPE1" + len(utf16).to_bytes(4, "big") + b"\0\0" + utf16
    assert parse_id3(id3(3, three)).values == [("ARTIST", "Ünï")]
    own = b"TXXX\0\0\0\x0b\0\0\3mood\0happy" + b"TCON\0\0\0\7\0\0\3Po\0Ro\0" + b"PRIV\0\0\0\1\0\0x"
    found = parse_id3(id3(4, own))
    assert found.values == [("MOOD", "happy"), ("GENRE", "Po"), ("GENRE", "Ro")]
    assert found.others == ["PRIV"]
    assert parse_id3(build_id3(TAGS)).values == list(TAGS)
    assert build_id3(()) == b""


def test_id3_version_1_at_the_end_is_read():
    tag = b"TAG" + b"Song".ljust(30, b"\0") + b"Singer".ljust(30) + bytes(30) + b"2001" + bytes(31)
    assert parse_id3_v1(tag).values == [("TITLE", "Song"), ("ARTIST", "Singer"), ("DATE", "2001")]
    found = read(written((), "MP3") + tag)
    assert dict(found.tags)["TITLE"] == "Song"


@pytest.mark.parametrize("length", range(0, 60, 3))
def test_damaged_tags_never_raise(length):
    whole = build_id3(TAGS)
    parse_id3(whole[:length])
    parse_id3(whole[:length] + b"\xff" * 40)
    comments = b"\0\0\0\0\2\0\0\0\6\0\0\0A=long\xff\xff\xff\xffB=x"
    parse_comments(comments[:length])


def test_comments_of_any_name_are_kept():
    with soundfile.SoundFile(file := io.BytesIO(), "w", 16_000, 1, format="OGG") as target:
        target.title = "Song"
        target.write(noise_clip(8000).waveform[0])
    assert read(file.getvalue()).tags == (("TITLE", "Song"),)
    block = b"\0\0\0\0\2\0\0\0\6\0\0\0mood=x\x08\0\0\0ENCODER="
    assert parse_comments(block).values == [("MOOD", "x")]


def test_lazy_sounds_have_tags():
    sound = open_signal(io.BytesIO(written(TAGS, "FLAC")), "sound", options=KEEP)
    assert dict(sound.tags) == dict(TAGS)
