"""Files that were joined, and the tags and zeros between and around them: nothing is lost."""

import io

import numpy as np
import pytest
from input_files import (
    N,
    chunk,
    id3,
    mp3,
    mp3_without_tag,
    noisy_tone,
    ogg_of_packets,
    replaced,
    sound,
)

from vqcodec.errors import InputError
from vqcodec.signals.files import read_signal
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.sound_tags import build_id3
from vqcodec.signals.tag_blocks import tag_size

ID3_V1 = b"TAG" + b"Lied".ljust(125, b"\0")
ITEM = (4).to_bytes(4, "little") + bytes(4) + b"Title\0Lied"


def ape(num_items=1, *, has_header=True):
    def block(flags):
        size = (len(ITEM) * num_items + 32).to_bytes(4, "little")
        count = num_items.to_bytes(4, "little")
        return b"APETAGEX" + (2000).to_bytes(4, "little") + size + count + flags + bytes(8)

    items = ITEM * num_items
    if not has_header:
        return items + block(bytes(4))
    return block(b"\0\0\0\xa0") + items + block(b"\0\0\0\x80")


TAGS = {
    "ID3v1": ID3_V1,
    "ID3v2": build_id3([("TITLE", "Lied")]),
    "APE": ape(),
    "APE without a header": ape(has_header=False),
    "Lyrics3": b"LYRICSBEGINLYR00004Lied000019LYRICS200",
    "enhanced": b"TAG+" + b"Lied".ljust(223, b"\0") + ID3_V1,
}


def read(data, **options):
    return read_signal(io.BytesIO(data), "input", options=ReadOptions(**options))


def codes(clip):
    return [note.code for note in clip.notes]


@pytest.mark.parametrize("format", ["OGG", "FLAC", "MP3"])
@pytest.mark.parametrize("between", [b"", bytes(1000), ID3_V1, bytes(300) + id3(), ape()])
def test_joined_sounds_are_read_whole_whatever_padding_is_between(format, between):
    data = mp3() if format == "MP3" else sound(format)
    one, both = read(data), read(data + between + data)
    assert both.num_samples == 2 * one.num_samples
    assert set(codes(both)) <= {"metadata-dropped"}


@pytest.mark.parametrize("format", ["WAV", "WAVEX", "AIFF", "FLAC"])
def test_joined_files_of_one_kind_are_read_whole(format):
    data = sound(format)
    both = read(data + data)
    assert np.array_equal(both.waveform, np.concatenate([read(data).waveform] * 2, axis=1))
    assert not both.notes
    other = read(data + sound(format, samples=noisy_tone(num_channels=2)))
    assert (other.num_samples, codes(other)) == (N, ["stream-left-out"])


@pytest.mark.parametrize("data", [sound("WAV", samples=noisy_tone(1)), b"fLaC\0\0\0\x22"])
def test_very_many_joined_files_are_refused(data):
    with pytest.raises(InputError, match="256"):
        read(data * 5000)


def test_chunks_between_joined_files_do_not_hide_the_second():
    data = sound("WAV") + chunk(b"LIST", b"INFO" + bytes(8))
    assert read(data + data).num_samples == 2 * N


def test_an_ogg_stream_without_sound_before_one_with_sound_is_noted():
    video = ogg_of_packets([b"\x80theora" + bytes(40), bytes(50)], last_granule=1)
    assert codes(read(video + sound("OGG"))) == ["stream-left-out"]
    with pytest.raises(InputError, match="Theora"):
        read(video)


@pytest.mark.parametrize("tag", TAGS)
def test_tags_after_a_sound_are_named_and_no_sound(tag):
    clip = read(mp3_without_tag() + TAGS[tag])
    assert clip.num_samples == read(mp3_without_tag()).num_samples
    assert codes(clip) == ["metadata-dropped"]


@pytest.mark.parametrize("tag", ["ID3v1", "ID3v2", "APE"])
@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG"])
def test_tags_after_other_sounds_are_named_and_can_be_kept(format, tag):
    data = sound(format) + TAGS[tag]
    clip = read(data)
    assert (clip.num_samples, codes(clip)) == (N, ["metadata-dropped"])
    assert read(data, keep_metadata=True).tags == (("TITLE", "Lied"),)


def test_a_long_title_is_not_repeated_by_its_beginning():
    title = "A title that is longer than thirty characters"
    data = (
        build_id3([("TITLE", title)]) + mp3_without_tag() + b"TAG" + title[:30].encode() + bytes(95)
    )
    assert read(data, keep_metadata=True).tags == (("TITLE", title),)


def test_bytes_before_the_first_frame_are_noted():
    frames = mp3_without_tag()
    for data in (b"HTTP/1.1 200 OK\r\n" + frames, frames[50:]):
        assert codes(read(data)) == ["damaged"]


def test_a_tag_that_claims_more_than_the_file_hides_nothing():
    huge = b"ID3\3\0\0\0\x7f\x7f\x7f" + bytes(20)
    assert read(huge + mp3_without_tag()).num_samples == read(mp3_without_tag()).num_samples


def test_the_end_of_a_salvaged_sound_is_noted_without_a_checksum():
    data = replaced(sound("FLAC"), 26, bytes(16))
    at = len(data) // 2
    clip = read(replaced(data, at, bytes([data[at] ^ 0x40])), salvage=True)
    assert 0 < clip.num_samples < N
    (note,) = clip.notes
    assert note.code == "damaged"
    assert f"after {clip.num_samples / 16_000:.2f} s" in note.text


def test_a_damaged_tag_has_no_size():
    for data in (b"", b"ID3", b"APETAGEX", b"LYRICSBEGIN and no end", b"ID3\3\0\0\xff\0\0\0"):
        assert tag_size(data) == 0
