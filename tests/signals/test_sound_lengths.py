"""Sounds are read to their true end: the length in a header is a hint."""

import io

import av_reference
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from input_files import (
    N,
    chunk,
    flac_with_length,
    id3,
    mp3,
    mp3_frames,
    mp3_in_wav,
    mp3_without_tag,
    noisy_tone,
    ogg_pages,
    ogg_with_granule,
    replaced,
    sound,
)

from vqcodec.errors import InputError
from vqcodec.notes import NoteCode
from vqcodec.signals.files import open_signal, read_signal
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.sound import AudioClip

SALVAGE = ReadOptions(salvage=True)


def read(data, **options):
    clip = read_signal(io.BytesIO(data), "input", options=ReadOptions(**options))
    assert isinstance(clip, AudioClip)
    return clip


def codes(clip):
    return [note.code for note in clip.notes]


# MP3


def test_a_variable_bit_rate_without_a_tag_is_read_whole():
    frames = mp3_frames(mp3())
    clip = read(b"".join(frames[1:]))
    assert clip.num_samples == 1152 * (len(frames) - 1)
    assert len({len(frame) for frame in frames}) > 2
    assert not clip.notes


def test_a_tag_gives_the_exact_length_and_the_same_samples_as_libsndfile():
    data = mp3(samples=0.5 * noisy_tone(50_001, rate=44_100))
    clip = read(data)
    assert clip.num_samples == 50_001
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    assert np.abs(clip.waveform[0] - expected).max() < 1e-3


@pytest.mark.parametrize("claimed", [1, 10, 0])
def test_a_tag_with_too_few_frames_cuts_nothing(claimed):
    data = mp3()
    at = data.index(b"Xing") if b"Xing" in data else data.index(b"Info")
    num_frames = len(mp3_frames(data)) - 1
    clip = read(replaced(data, at + 8, claimed.to_bytes(4, "big")))
    assert clip.num_samples > 1152 * (num_frames - 2)


def test_a_tag_with_too_many_frames_is_noted():
    data = mp3()
    clip = read(data[: len(data) // 2])
    assert codes(clip) == ["ends-early"]
    assert 0 < clip.num_samples < read(data).num_samples


def test_a_last_frame_that_is_cut_is_noted():
    data = mp3_without_tag()
    assert codes(read(data[:-20])) == ["ends-early"]


@pytest.mark.parametrize("join", [b"", id3(), bytes(700), b"TAG" + bytes(125)])
def test_joined_files_are_read_whole(join):
    one = mp3(num_samples=30_000)
    clip, part = read(one + join + one), read(one)
    assert clip.num_samples == 60_000
    assert np.array_equal(clip.waveform[:, :30_000], part.waveform)
    assert np.array_equal(clip.waveform[:, 30_000:], part.waveform)
    assert not clip.notes


def test_frames_of_another_kind_are_left_out_with_a_note():
    stereo = mp3(samples=noisy_tone(30_000, 2, 44_100))
    clip = read(mp3(num_samples=30_000) + stereo)
    assert codes(clip) == ["stream-left-out"]
    assert clip.num_samples == 30_000
    assert "2 channels" in clip.notes[0].text


def test_zeros_and_tags_before_the_first_frame_do_not_matter():
    data = mp3_without_tag()
    plain = read(data)
    for start in (bytes(500), id3(), bytes(300_000), id3() + bytes(100)):
        clip = read(start + data)
        assert np.array_equal(clip.waveform, plain.waveform)
        assert not clip.notes


def test_junk_between_frames_is_skipped_with_a_note():
    frames = mp3_frames(mp3_without_tag())
    data = b"".join(frames[:20]) + b"no frame at all" + b"".join(frames[20:])
    clip = read(data)
    assert clip.num_samples == 1152 * len(frames)
    assert codes(clip) == ["damaged"]


def test_a_few_frames_in_other_data_are_no_sound():
    frames = mp3_frames(mp3_without_tag())
    junk = bytes([1, 2, 3]) * 7_000
    assert read(junk + b"".join(frames)).num_samples == 1152 * len(frames)
    with pytest.raises(InputError):
        read(junk + b"".join(frames[:3]) + junk)


def test_bytes_after_the_last_frame_are_noted():
    assert codes(read(mp3_without_tag() + b"something else")) == ["trailing-bytes"]
    assert not read(mp3_without_tag() + b"APETAGEX" + bytes(24)).notes


def test_frames_that_cannot_be_decoded_are_silent_and_noted():
    frames = mp3_frames(mp3_without_tag(mode="CONSTANT"))
    cut = frames[:10] + frames[30:40]  # the bit reservoir of the latter is gone
    clip = read(b"".join(cut))
    assert clip.num_samples == 1152 * 20
    spoilt = frames[:10] + [f[:4] + b"\xff" * 30 + f[34:] for f in frames[10:12]] + frames[12:20]
    assert read(b"".join(spoilt)).num_samples == 1152 * 20


def test_mp3_in_wav_is_read_whole():
    clip = read(mp3_in_wav())
    assert clip.num_samples == read(mp3_without_tag()).num_samples
    assert not clip.notes


def test_mp3_has_the_length_that_players_play():
    for data in (mp3_without_tag(), mp3_without_tag(mode="CONSTANT"), mp3_in_wav()):
        assert read(data).num_samples >= av_reference.num_samples(data)


def test_no_decoder_writes_to_stdout_or_stderr(capfd):
    data = mp3()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 40):
        read(replaced(data, int(at), rng.bytes(3)))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


# Ogg


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_streams_are_read_one_after_the_other(subtype):
    one, other = (
        sound("OGG", subtype, noisy_tone(num, rate=48_000), rate=48_000) for num in (30_000, 9001)
    )
    clip = read(one + other)
    assert clip.num_samples == 39_001
    assert not clip.notes
    assert np.array_equal(clip.waveform[:, :30_000], read(one).waveform)
    assert np.array_equal(clip.waveform[:, 30_000:], read(other).waveform)


def test_a_chained_stream_of_another_rate_is_left_out_with_a_note():
    clip = read(sound("OGG") + sound("OGG", rate=44_100))
    assert clip.num_samples == N
    assert codes(clip) == ["stream-left-out"]


def test_an_ogg_file_that_is_cut_is_noted():
    data = sound("OGG", samples=noisy_tone(200_000))
    clip = read(data[: len(data) * 2 // 3])
    assert codes(clip) == ["ends-early"]
    assert 50_000 < clip.num_samples < 200_000
    between = ogg_pages(data)[-1]
    assert codes(read(data[:between])) == ["ends-early"]


def test_a_damaged_page_is_refused_or_left_out():
    data = sound("OGG", samples=noisy_tone(200_000))
    at = ogg_pages(data)[-2] + 100
    spoilt = replaced(data, at, bytes([data[at] ^ 1]))
    with pytest.raises(InputError, match="damaged: the Ogg page"):
        read(spoilt)
    clip = read(spoilt, salvage=True)
    assert NoteCode.DAMAGED in codes(clip)
    assert clip.num_samples > 0


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("granule", [0, 1, 5000, 1 << 20, 1 << 60])
def test_a_wrong_position_at_the_end_changes_little(subtype, granule):
    data = sound("OGG", subtype, noisy_tone(100_000, rate=48_000), rate=48_000)
    last = len(ogg_pages(data)) - 1
    clip = read(ogg_with_granule(data, last, granule))
    assert 100_000 <= clip.num_samples < 100_000 + 8192


# FLAC


@pytest.mark.parametrize("claimed", [0, 1, 100, N - 1, N])
def test_flac_is_read_to_its_last_frame(claimed):
    clip = read(flac_with_length(claimed))
    assert np.array_equal(clip.waveform, read(sound("FLAC")).waveform)
    assert not clip.notes


@pytest.mark.parametrize("claimed", [N + 1, 1 << 20, (1 << 36) - 1])
def test_flac_that_claims_more_is_noted(claimed):
    clip = read(flac_with_length(claimed))
    assert clip.num_samples == N
    assert codes(clip) == ["ends-early"]


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_md5_sum_of_flac_is_checked(subtype, channels):
    data = sound("FLAC", subtype, noisy_tone(num_channels=channels))
    assert any(data[26:42])
    assert not read(data).notes
    spoilt = replaced(data, 30, bytes([data[30] ^ 1]))
    with pytest.raises(InputError, match="MD5"):
        read(spoilt)
    clip = read(spoilt, salvage=True)
    assert codes(clip) == ["damaged"]
    assert clip.num_samples == N
    assert not read(replaced(data, 26, bytes(16))).notes  # not set


def test_a_damaged_frame_of_flac_is_refused_or_ends_the_sound():
    data = sound("FLAC")
    at = len(data) // 2
    spoilt = replaced(data, at, bytes([data[at] ^ 0x40]))
    with pytest.raises(InputError):
        read(spoilt)
    clip = read(spoilt, salvage=True)
    assert codes(clip) == ["damaged"]
    assert 0 < clip.num_samples < N


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.95])
def test_flac_that_is_cut_is_read_to_its_last_whole_frame(share):
    data = sound("FLAC")
    clip = read(data[: int(len(data) * share)])
    assert codes(clip) == ["ends-early"]
    whole = read(data).waveform
    assert np.array_equal(clip.waveform, whole[:, : clip.num_samples])
    assert clip.num_samples > (share - 0.3) * N


def test_flac_of_unknown_length_that_is_cut_is_noted():
    data = flac_with_length(0)
    clip = read(data[: len(data) // 2])
    assert codes(clip) == ["ends-early"]
    assert clip.num_samples > N // 5


def test_a_voc_whose_size_leaves_out_a_block_header_has_no_note():
    data = sound("VOC", "PCM_16")
    at = int.from_bytes(data[20:22], "little") + 1
    size = int.from_bytes(data[at : at + 3], "little") - 8
    assert not read(replaced(data, at, size.to_bytes(3, "little"))).notes


def test_tags_around_flac_do_not_matter():
    plain = read(sound("FLAC"))
    for data in (id3() + sound("FLAC"), sound("FLAC") + b"TAG" + bytes(125)):
        assert np.array_equal(read(data).waveform, plain.waveform)
    assert codes(read(sound("FLAC") + b"and so on")) == ["trailing-bytes"]


# WAV, AIFF and their kin


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610"])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000])
def test_a_wav_of_unknown_length_is_read_to_its_end(subtype, size):
    data = sound("WAV", subtype)
    at = data.index(b"data") + 4
    clip = read(replaced(data, at, size.to_bytes(4, "little")))
    assert clip.num_samples >= N
    assert np.array_equal(clip.waveform[:, :N], read(data).waveform[:, :N])
    assert not clip.notes


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM"])
def test_a_wav_with_a_too_small_size_is_read_whole_with_a_note(subtype):
    data = sound("WAV", subtype)
    at = data.index(b"data") + 4
    clip = read(replaced(data, at, (3000).to_bytes(4, "little")))
    assert np.array_equal(clip.waveform, read(data).waveform)
    assert codes(clip) == ["wrong-length"]


def test_a_packed_wav_without_a_count_of_samples_is_read():
    data = sound("WAV", "IMA_ADPCM")
    start = data.index(b"fact")
    data = data[:start] + data[data.index(b"data") :]
    at = data.index(b"data") + 4
    assert read(replaced(data, at, b"\xff" * 4)).num_samples >= N


def test_chunks_after_the_samples_are_not_samples():
    data = sound("WAV")
    for more in (chunk(b"LIST", b"INFOISFT" + bytes(9)), chunk(b"id3 ", id3()), b"\0"):
        clip = read(data + more)
        assert clip.num_samples == N
        assert not clip.notes
    for more in (b"TAG" + bytes(125), bytes(20_000)):
        clip = read(data + more)
        assert (clip.num_samples, codes(clip)) == (N, [])
    clip = read(data + b"TAG" + bytes(125) + b"something else")
    assert (clip.num_samples, codes(clip)) == (N, ["trailing-bytes"])


def test_silence_after_a_too_small_size_does_not_hide_the_sound():
    samples = noisy_tone()
    samples[2000:12_000] = 0
    data = sound("WAV", samples=samples)
    clip = read(replaced(data, data.index(b"data") + 4, (4000).to_bytes(4, "little")))
    assert (clip.num_samples, codes(clip)) == (N, ["wrong-length"])


def test_a_64_bit_length_that_is_too_large_is_noted():
    data = sound("RF64")
    at = data.index(b"ds64") + 16
    clip = read(replaced(data, at, (5 << 30).to_bytes(8, "little")))
    assert (clip.num_samples, codes(clip)) == (N, ["ends-early"])
    assert not read(replaced(data, at, b"\xff" * 8)).notes  # unknown


def test_bw64_is_read_as_rf64():
    clip = read(b"BW64" + sound("RF64")[4:])
    assert np.array_equal(clip.waveform, read(sound("RF64")).waveform)
    assert not clip.notes


def test_mp3_in_an_extensible_wav_is_read_whole():
    data = mp3_in_wav()
    at = data.index(b"fmt ") + 8
    form = b"\xfe\xff" + data[at + 2 : at + 16] + b"\x16\0" + bytes(6) + b"\x55\0"
    form += bytes.fromhex("000000001000800000aa00389b71")
    wav = data[: at - 8] + chunk(b"fmt ", form) + data[data.index(b"data") :]
    assert np.array_equal(read(wav).waveform, read(data).waveform)


@pytest.mark.parametrize(
    ("format", "subtype"), [("VOC", "PCM_16"), ("NIST", "PCM_16"), ("AVR", "PCM_16")]
)
def test_more_samples_than_the_header_says_are_noted(format, subtype):
    data = sound(format, subtype)
    assert codes(read(data + data)) == ["wrong-length"]


def test_an_empty_wav_with_other_chunks_stays_empty():
    data = sound("WAV", samples=np.zeros((0, 1), np.float32))
    assert read(data).num_samples == 0
    assert read(data + chunk(b"LIST", b"INFO" + bytes(8))).num_samples == 0


@pytest.mark.parametrize(
    ("format", "subtype"),
    [
        *(("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16")),
        *(("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16")),
        *(("VOC", "PCM_16"), ("NIST", "PCM_16"), ("AVR", "PCM_16"), ("SVX", "PCM_16")),
    ],
)
def test_a_sound_that_ends_early_is_read_with_a_note(format, subtype):
    data = sound(format, subtype)
    assert not read(data).notes
    clip = read(data[: len(data) // 2])
    assert codes(clip) == ["ends-early"]
    assert np.array_equal(clip.waveform, read(data).waveform[:, : clip.num_samples])
    assert clip.num_samples > N // 2 - 1100


@pytest.mark.parametrize("claimed", [0, 1, N // 2, N + 1, 0xFFFFFFFF])
def test_the_frames_that_aiff_counts_are_a_hint(claimed):
    data = sound("AIFF")
    clip = read(replaced(data, data.index(b"COMM") + 10, claimed.to_bytes(4, "big")))
    assert np.array_equal(clip.waveform, read(data).waveform)


def test_a_caf_of_unknown_length_is_read_whole():
    data = sound("CAF")
    clip = read(replaced(data, data.index(b"data") + 4, b"\xff" * 8))
    assert np.array_equal(clip.waveform, read(data).waveform)


def test_samples_beyond_full_scale_are_counted():
    loud = np.array([[0, 2, -3, 1, 0.5]], np.float32).T
    (note,) = read(sound("WAV", "FLOAT", loud)).notes
    assert note.code is NoteCode.CLIPPED
    assert note.text.startswith("2 of 5 samples lie beyond full scale")
    (note,) = read(sound("WAV", "FLOAT", loud * 10_000)).notes
    assert "divide them by 32768" in note.text


def test_samples_that_are_not_finite_are_refused_or_silent():
    data = sound("WAV", "FLOAT", np.array([[0.5], [np.nan], [0.5]], np.float32))
    with pytest.raises(InputError, match="not finite"):
        read(data)
    clip = read(data, salvage=True)
    assert clip.waveform.tolist() == [[0.5, 0, 0.5]]
    assert codes(clip) == ["damaged"]


def test_a_damaged_sample_dump_is_refused_before_libsndfile_prints(capfd):
    data = sound("SDS", "PCM_16")
    assert read(data).num_samples >= N
    for at in (21 + 127 * 3, 21 + 127 * 3 + 1):
        with pytest.raises(InputError, match="sample dump"):
            read(replaced(data, at, b"\0"))
    assert capfd.readouterr().out == ""


def test_a_damaged_table_of_packets_is_refused_before_libsndfile_prints(capfd):
    data = sound("CAF", "ALAC_16")
    assert read(data).num_samples == N
    at = data.index(b"pakt") + 12 + 24
    for spoilt in (replaced(data, at, b"\xff" * 9), data.replace(b"pakt", b"tkap")):
        with pytest.raises(InputError, match="table of packets"):
            read(spoilt)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("build", [sound, mp3, lambda: sound("OGG"), lambda: sound("FLAC")])
def test_reading_twice_gives_the_same_samples_and_notes(build):
    opened = open_signal(io.BytesIO(build()), "x")
    first = AudioClip.of_sound(opened)
    second = AudioClip.of_sound(opened)
    assert np.array_equal(first.waveform, second.waveform)
    assert first.notes == second.notes


class Failing(io.BytesIO):
    """A disk that fails after a while."""

    fails = False

    def read(self, size=-1):
        if self.fails:
            raise OSError(5, "Input/output error")
        return super().read(size)


@pytest.mark.parametrize("build", [sound, mp3, lambda: sound("OGG"), lambda: sound("FLAC")])
def test_a_disk_that_fails_is_an_input_error(build):
    file = Failing(build())
    opened = open_signal(file, "voice")
    file.fails = True
    with pytest.raises(InputError, match=r"^voice: Input/output error"):
        list(opened.blocks())


def test_tags_are_named_in_a_quiet_note():
    def tagged(format):
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", 16_000, 1, format=format) as target:
            target.title, target.artist = "Song", "Singer"
            target.write(noisy_tone())
        return file.getvalue()

    id3_with_title = b"ID3\4\0\0\0\0\0\x20TIT2\0\0\0\5\0\0\0Song" + bytes(17)
    for data in (*(tagged(f) for f in ("WAV", "FLAC", "OGG")), id3_with_title + mp3()):
        (note,) = read(data).notes
        assert (note.code, note.quiet) == (NoteCode.METADATA_DROPPED, True)
        assert "title" in note.text
    assert not read(mp3()).notes


# Any number in a length field

NUMBERS = st.one_of(
    st.integers(0, 2**32 - 1), st.integers(0, 3 * N), st.sampled_from([0, 2**31, 2**32 - 1])
)
FILES = {
    "WAV": (sound("WAV"), N),
    "AIFF": (sound("AIFF"), N),
    "FLAC": (sound("FLAC"), N),
    "OGG": (sound("OGG", "VORBIS"), N),
    "MP3": (mp3(num_samples=44_100), 44_100),
}


def is_whole_or_noted(data, num_samples, *, can_be_refused=False):
    """Whether nothing is lost silently: the file is complete or noted, or perhaps refused."""
    try:
        clip = read(data)
    except InputError:
        return can_be_refused
    return not all(note.quiet for note in clip.notes) or clip.num_samples >= num_samples


@settings(deadline=None, max_examples=60)
@given(first=NUMBERS, second=NUMBERS)
def test_any_lengths_in_wav(first, second):
    data, num_samples = FILES["WAV"]
    data = replaced(data, 4, first.to_bytes(4, "little"))
    data = replaced(data, data.index(b"data") + 4, second.to_bytes(4, "little"))
    assert is_whole_or_noted(data, num_samples)


@settings(deadline=None, max_examples=60)
@given(first=NUMBERS, second=NUMBERS, third=NUMBERS)
def test_any_lengths_in_aiff(first, second, third):
    data, num_samples = FILES["AIFF"]
    data = replaced(data, 4, first.to_bytes(4, "big"))
    data = replaced(data, data.index(b"COMM") + 10, second.to_bytes(4, "big"))
    data = replaced(data, data.index(b"SSND") + 4, third.to_bytes(4, "big"))
    assert is_whole_or_noted(data, num_samples)


# Where other formats have lengths: a place, bytes, order.
PLACES = {
    "RF64": lambda data: [(data.index(b"ds64") + 8 * n, 8, "little") for n in (1, 2, 3)],
    "W64": lambda data: [(16, 8, "little"), (data.index(b"data") + 16, 8, "little")],
    "CAF": lambda data: [(data.index(b"data") + 4, 8, "big")],
    "AU": lambda _: [(8, 4, "big")],
    "VOC": lambda _: [(27, 3, "little")],
    "AVR": lambda _: [(26, 4, "big")],
    "SVX": lambda data: [(4, 4, "big"), (data.index(b"BODY") + 4, 4, "big")],
}


@pytest.mark.parametrize("format", PLACES)
@settings(deadline=None, max_examples=40)
@given(numbers=st.lists(st.one_of(NUMBERS, st.integers(0, 2**64 - 1)), min_size=3, max_size=3))
def test_any_lengths_in_other_formats(format, numbers):
    data = sound(format, "PCM_16")
    for number, (at, size, order) in zip(numbers, PLACES[format](data), strict=False):
        data = replaced(data, at, (number % 256**size).to_bytes(size, order))
    assert is_whole_or_noted(data, N, can_be_refused=True)


@settings(deadline=None, max_examples=60)
@given(claimed=st.one_of(NUMBERS, st.integers(0, 2**36 - 1)))
def test_any_length_in_flac(claimed):
    data, num_samples = FILES["FLAC"]
    assert is_whole_or_noted(flac_with_length(claimed, data), num_samples)


@settings(deadline=None, max_examples=60)
@given(number=st.integers(2, 20), granule=st.one_of(NUMBERS, st.integers(0, 2**64 - 1)))
def test_any_position_in_ogg(number, granule):
    data, num_samples = FILES["OGG"]
    number = min(number, len(ogg_pages(data)) - 1)
    # As in players, the last page may cut the end of the last packet.
    assert is_whole_or_noted(ogg_with_granule(data, number, granule), num_samples - 8192)


@pytest.mark.parametrize("granule", [0, 1, 1000, 2**62, 2**63 - 1, 2**64 - 2, 2**64 - 1])
def test_impossible_positions_in_ogg_never_hide_sound(granule):
    vorbis = ogg_with_granule(sound("OGG", "VORBIS"), 2, granule)
    assert read(vorbis).num_samples > N - 1000
    opus = ogg_with_granule(sound("OGG", "OPUS"), 2, granule)
    # Its decoder refuses a stream that begins before its first sample (RFC 7845, section 4).
    assert is_whole_or_noted(opus, N, can_be_refused=True)


@settings(deadline=None, max_examples=60)
@given(frames=NUMBERS, num_bytes=NUMBERS)
def test_any_length_in_mp3(frames, num_bytes):
    data, num_samples = FILES["MP3"]
    at = data.index(b"Xing") if b"Xing" in data else data.index(b"Info")
    data = replaced(data, at + 8, frames.to_bytes(4, "big") + num_bytes.to_bytes(4, "big"))
    assert is_whole_or_noted(data, num_samples)
