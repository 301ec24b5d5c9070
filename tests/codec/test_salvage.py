"""Damaged streams, restored as far as they are whole."""

import numpy as np
import pytest
from tiny import SAMPLE_RATE, load_tiny_model, noise_clip, noise_picture, short_segments

from vqcodec.bitstream.fields import FieldReader
from vqcodec.bitstream.header import AudioFacts, Header, build_header, parse_header
from vqcodec.bitstream.limits import MAX_NUM_SAMPLES, MAX_NUM_SECTIONS
from vqcodec.bitstream.sections import Section, Tag, build_section
from vqcodec.bitstream.stream import parse_stream
from vqcodec.codec import salvage
from vqcodec.errors import CorruptStreamError, StreamError
from vqcodec.signals.files import notes_of
from vqcodec.signals.picture import Picture


@pytest.fixture(scope="module")
def speech():
    """A model with short windows and segments."""
    model = load_tiny_model("speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.parts.modality, "geometry", short_segments(model))
        yield model


@pytest.fixture(scope="module")
def image():
    return load_tiny_model("image")


def spans_of(data):
    """Where each section lies."""
    stream = parse_stream(data)
    position, spans = len(build_header(stream.header)), []
    for section in stream.sections:
        size = len(build_section(section, last=False))
        spans.append((position, position + size))
        position += size
    return spans


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


@pytest.fixture(scope="module")
def sound_stream(speech):
    geometry = speech.parts.modality.geometry
    num_samples = geometry.segment * geometry.step * 5 - 1000
    return speech.compress(noise_clip(num_samples))


@pytest.fixture(scope="module")
def picture_stream(image):
    geometry = image.parts.modality.geometry
    side = geometry.segment * geometry.step
    return image.compress(noise_picture(2 * side + 40, side + 40))


def test_an_intact_stream_is_restored_as_ever(speech, sound_stream):
    plain, salvaged = (speech.decompress(sound_stream, salvage=each) for each in (False, True))
    assert np.array_equal(plain.waveform, salvaged.waveform)
    assert not salvaged.notes


@pytest.mark.parametrize("offset", [0, 1, 2, 40, -1])
def test_one_damaged_segment_is_silent_and_the_others_are_whole(speech, sound_stream, offset):
    start, stop = spans_of(sound_stream)[2]
    damaged = flipped(sound_stream, start + offset if offset >= 0 else stop + offset)
    with pytest.raises(StreamError):
        speech.decompress(damaged)
    whole = speech.decompress(sound_stream).waveform[0]
    found = speech.decompress(damaged, salvage=True)
    (note,) = found.notes
    assert "1 of 5 segments" in note.text
    length = speech.parts.modality.geometry.segment * speech.parts.modality.geometry.step
    assert not found.waveform[0, 2 * length : 3 * length].any()
    for place in (slice(0, 2 * length - 4000), slice(3 * length + 4000, None)):
        assert np.allclose(found.waveform[0, place], whole[place], atol=1e-4)
        assert whole[place].any()


@pytest.mark.parametrize("cut", [1, 10, 750])
def test_a_cut_sound_is_silent_from_there_on(speech, sound_stream, cut):
    found = speech.decompress(sound_stream[:-cut], salvage=True)
    assert found.num_samples == parse_stream(sound_stream).header.facts.num_samples
    assert found.waveform[0, 1000:9000].any()
    assert not found.waveform[0, -1000:].any()
    assert found.notes


def claiming(model, num_samples):
    """A stream of few bytes with one whole segment, cut after it; the header claims more."""
    facts = AudioFacts(num_samples=num_samples, sample_rate=1_000, num_channels=1, downmixed=False)
    header = Header(fingerprint=bytes.fromhex(model.fingerprint), rate=100, facts=facts)
    return build_header(header) + build_section(Section(Tag.SEGMENT, b"\x01\x02"), last=False)


def test_only_a_few_of_many_missing_segments_are_named(speech, monkeypatch):
    modality, named = speech.parts.modality, []
    find_place = type(modality).name_of_place

    def name_of_place(self, facts, plane, place):
        named.append(place)
        return find_place(self, facts, plane, place)

    monkeypatch.setattr(type(modality), "name_of_place", name_of_place)
    stream = claiming(speech, 10**7)
    assert len(stream) < 35
    (note,) = speech.open(stream, salvage=True).notes
    num_segments = modality.num_segments(parse_header(FieldReader(stream)).facts)
    assert num_segments > 1000
    assert note.text.startswith(f"{num_segments - 1} of {num_segments} segments")
    assert note.text.endswith(f" and {num_segments - 6} more")
    assert len(named) == 5


def test_neighbouring_missing_segments_are_one_silence(speech):
    stream = claiming(speech, 10**6)
    found = speech.open(stream, salvage=True)
    geometry = speech.parts.modality.geometry
    first = geometry.segment * geometry.step * 1_000 // SAMPLE_RATE
    assert [list(each) for each in found.silences] == [[range(first, 10**6)]]


def test_missing_segments_of_several_channels_are_each_silent(speech):
    geometry = speech.parts.modality.geometry
    length = geometry.segment * geometry.step
    clip = noise_clip(3 * length - 1000, channels=2)
    sound = speech.open(speech.compress(clip, separate_channels=True))
    silences = speech.parts.modality.with_gaps(sound, {0, 2, 3, 4}, ()).silences
    first, last = range(length), range(2 * length, 3 * length - 1000)
    assert [list(each) for each in silences] == [[first, last], [range(2 * length)]]
    assert not any(speech.parts.modality.with_gaps(sound, (), ()).silences)


def test_more_segments_than_the_format_has_are_refused_at_once(speech, monkeypatch):
    def place_segments(pieces, num_segments):
        raise AssertionError(num_segments)

    monkeypatch.setattr(salvage, "place_segments", place_segments)
    with pytest.raises(CorruptStreamError, match=f"more than the {MAX_NUM_SECTIONS} sections"):
        speech.open(claiming(speech, MAX_NUM_SAMPLES), salvage=True)


def test_lost_bytes_are_counted_as_the_segments_that_they_held(speech, sound_stream):
    spans = spans_of(sound_stream)
    start, stop = spans[1][0] + 20, spans[2][1] - 20
    found = speech.decompress(sound_stream[:start] + sound_stream[stop:], salvage=True)
    assert "2 of 5 segments" in found.notes[0].text


def test_a_damaged_part_of_a_picture_has_no_detail(image, picture_stream):
    spans = spans_of(picture_stream)
    damaged = flipped(picture_stream, (spans[1][0] + spans[1][1]) // 2)
    whole = image.decompress(picture_stream)
    found = image.decompress(damaged, salvage=True)
    assert isinstance(found, Picture)
    assert "1 of 6 segments" in found.notes[0].text
    side = image.parts.modality.geometry.segment * image.parts.modality.geometry.step
    assert f"x {side} … {2 * side - 1}, y 0 … {side - 1}" in found.notes[0].text
    assert np.array_equal(found.pixels[:, : side - 600], whole.pixels[:, : side - 600])
    assert not np.array_equal(found.pixels, whole.pixels)


def test_whole_levels_are_restored(image):
    stream = image.compress(noise_picture(100, 80), progressive=True)
    damaged = flipped(stream, spans_of(stream)[1][1] - 2)
    found = image.decompress(damaged, salvage=True)
    assert "only 1 of 3 levels" in found.notes[0].text
    assert np.array_equal(found.pixels, image.decompress(stream, level=1).pixels)
    with pytest.raises(CorruptStreamError, match="nothing can be restored"):
        image.decompress(flipped(stream, spans_of(stream)[0][1] - 2), salvage=True)


def test_damaged_opacity_is_left_out_with_a_note(image):
    picture = Picture(noise_picture(60, 40).pixels, alpha=np.full((40, 60), 100, np.uint8))
    stream = image.compress(picture)
    found = image.decompress(flipped(stream, spans_of(stream)[0][1] - 2), salvage=True)
    assert found.alpha is None
    (note,) = notes_of(found)
    assert note.text == "its section of alpha is damaged and left out"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (b"m", "1 byte after its last section is left out"),
        (b"more", "4 bytes after its last section are left out"),
        (
            b"VQC\x01",
            "4 bytes after its last section, which begin like another stream, are left out",
        ),
    ],
)
def test_bytes_after_the_end_are_left_out_and_counted(speech, sound_stream, more, text):
    found = speech.decompress(sound_stream + more, salvage=True)
    assert [note.text for note in found.notes] == [text]


def test_of_two_joined_streams_the_first_is_restored(speech, sound_stream):
    second = speech.compress(noise_clip(3000))
    found = speech.decompress(sound_stream + second, salvage=True)
    assert np.array_equal(found.waveform, speech.decompress(sound_stream).waveform)
    (note,) = found.notes
    assert note.text.startswith(f"{len(second)} bytes after its last section, which begin like")


def test_left_out_bytes_are_counted_beside_other_damage(speech, sound_stream):
    damaged = flipped(sound_stream, spans_of(sound_stream)[2][0] + 40) + b"more"
    texts = [note.text for note in speech.decompress(damaged, salvage=True).notes]
    assert len(texts) == 2
    assert texts[0].startswith("1 of 5 segments")
    assert texts[1].startswith("4 bytes after")
    texts = [note.text for note in speech.decompress(flipped(damaged, 6), salvage=True).notes]
    assert len(texts) == 3


def test_a_damaged_byte_of_a_header_is_repaired(speech, sound_stream):
    whole = speech.decompress(sound_stream)
    for position in (*range(3), *range(4, 12)):  # another version is no damage
        damaged = sound_stream[:position] + b"\xaa" + sound_stream[position + 1 :]
        with pytest.raises(StreamError):
            speech.decompress(damaged)
        found = speech.decompress(damaged, salvage=True)
        assert np.array_equal(found.waveform, whole.waveform)
        assert found.notes[0].text.startswith("a byte of its header was damaged")


def test_a_header_with_more_damage_cannot_be_restored(speech, sound_stream):
    with pytest.raises(StreamError):
        speech.decompress(flipped(flipped(sound_stream, 6), 9), salvage=True)
    with pytest.raises(StreamError):
        speech.decompress(sound_stream[:8], salvage=True)


def test_no_damage_is_anything_but_an_error_of_ours(speech):
    stream = speech.compress(noise_clip(9000))
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(stream)
        for place in rng.integers(12, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(256)
        data = bytes(data[: rng.integers(12, len(data) + 1)])
        try:
            speech.decompress(data, salvage=True)
        except StreamError:
            continue


def test_sections_of_later_versions_are_kept_out(speech, sound_stream):
    header = len(build_header(parse_stream(sound_stream).header))
    later = build_section(Section(0x80 | 60, b"later"), last=False)
    data = flipped(sound_stream[:header] + later + sound_stream[header:], len(sound_stream) - 3)
    assert speech.decompress(data, salvage=True).notes
    assert Tag.SEGMENT == 1
