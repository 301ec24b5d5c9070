"""Formats of optional packages: read if they are installed, otherwise a helpful message."""

import importlib.util
import io

import numpy as np
import pytest
from input_files import noisy_tone, pixels, replaced
from PIL import Image

from vqcodec.errors import InputError
from vqcodec.files import find_files
from vqcodec.signals import extra_formats
from vqcodec.signals.files import open_signal, read_signal
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.sound_tags import build_id3
from vqcodec.signals.suffixes import SOUND_SUFFIXES

M4A = b"\0\0\0\x1cftypM4A \0\0\0\0M4A mp42isom" + bytes(100)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
AAC = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(100)


@pytest.fixture
def without_packages(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


@pytest.mark.parametrize(
    ("data", "name", "command"),
    [
        (M4A, "voice.m4a", r"ffmpeg -i INPUT sound\.wav"),
        (AAC, "voice.aac", r"ffmpeg -i INPUT sound\.wav"),
        (HEIC, "photo.heic", r"heif-convert picture\.heic picture\.png"),
        (HEIC, "photo.jpg", r"heif-convert picture\.heic picture\.png"),
    ],
)
def test_without_the_package_the_message_says_how_to_proceed(data, name, command, without_packages):
    with pytest.raises(InputError, match=rf"^{name}: .*pip install '\.\[formats\]'.*{command}"):
        read_signal(io.BytesIO(data), name)


def encoded(container, codec, rate=44_100, channels=1):
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
        samples = noisy_tone(rate, channels, rate).T.copy()
        frame = av.AudioFrame.from_ndarray(samples, "fltp", stream.layout.name)
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size or 1024)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("adts", "aac"), ("mov", "alac")])
@pytest.mark.parametrize("channels", [1, 2])
def test_aac_and_mp4_are_read_block_by_block(container, codec, channels):
    data = encoded(container, codec, channels=channels)
    sound = open_signal(io.BytesIO(data), "x")
    assert (sound.sample_rate, sound.num_channels) == (44_100, channels)
    assert abs(sound.num_samples - 44_100) <= 3 * 1024
    blocks = list(sound.blocks())
    assert sum(block.shape[1] for block in blocks) == sound.num_samples
    assert 0.1 < np.abs(np.concatenate(blocks, axis=1)).max() < 1


@pytest.mark.parametrize(("container", "codec"), [("matroska", "pcm_s16le"), ("mp4", "aac")])
def test_eight_channels_are_read_in_their_order(container, codec):
    av = pytest.importorskip("av")
    loudness = np.array([8, 7, 6, 5, 4, 3, 2, 1]) * 1000
    times = np.arange(44_100)[:, None] / 44_100
    samples = np.round(loudness * np.sin(2 * np.pi * 80 * times)).astype(np.int16)  # [n, C]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=44_100, layout="7.1", bit_rate=640_000)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "7.1")
        frame.sample_rate = 44_100
        resampler = av.AudioResampler(stream.format, "7.1", 44_100, stream.frame_size or 1024)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    waveform = read_signal(io.BytesIO(file.getvalue()), "x").waveform
    if codec == "pcm_s16le":
        assert np.array_equal(waveform, samples.T / np.float32(32768))
    middle = waveform[:, 10_000:30_000] * 32768
    assert np.abs(np.abs(middle).max(axis=1) - loudness).max() < 400


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *(("matroska", "pcm_s16le"), ("avi", "libmp3lame"), ("flv", "libmp3lame")),
        *(("mpegts", "aac"), ("ac3", "ac3"), ("tta", "tta"), ("mp4", "libmp3lame")),
    ],
)
def test_other_containers_are_read_whole(container, codec):
    clip = read_signal(io.BytesIO(encoded(container, codec)), "x")
    assert 44_100 <= clip.num_samples <= 44_100 + 3 * 1536
    assert not clip.notes


@pytest.mark.parametrize(
    ("container", "codec", "suffix"),
    [
        *(("ipod", "aac", ".m4a"), ("adts", "aac", ".aac"), ("matroska", "aac", ".mka")),
        *(("webm", "libopus", ".weba"), ("wv", "wavpack", ".wv"), ("eac3", "eac3", ".eac3")),
        *(("tta", "tta", ".tta"), ("ac3", "ac3", ".ac3"), ("sox", "pcm_s32le", ".sox")),
        *(("3gp", "aac", ".3ga"), ("mp2", "mp2", ".mp2"), ("w64", "pcm_s16le", ".w64")),
        ("ircam", "pcm_s16le", ".sf"),
    ],
)
def test_what_the_readers_decode_is_found_in_folders(container, codec, suffix, tmp_path):
    rate = 48_000 if codec == "libopus" else 44_100
    path = tmp_path / f"x{suffix.upper()}"
    path.write_bytes(encoded(container, codec, rate))
    assert find_files([tmp_path], SOUND_SUFFIXES) == [path]
    assert read_signal(path).num_samples >= rate


@pytest.mark.parametrize(
    "text", [b"#EXTM3U\n/etc/passwd\n", b"ffconcat version 1.0\nfile x.wav\n", b"v=0\no=- 0 0\n"]
)
def test_a_playlist_is_not_followed(text):
    with pytest.raises(InputError, match="neither a sound"):
        read_signal(io.BytesIO(text), "list")


@pytest.mark.parametrize("codec", ["mp2"])
def test_layer_2_is_read_without_a_package(codec):
    data = encoded("mp2", codec)
    clip = read_signal(io.BytesIO(data))
    assert abs(clip.num_samples - 44_100) <= 2 * 1152
    assert np.abs(clip.waveform).max() > 0.2


def test_damage_of_a_container_is_an_input_error(capfd):
    data = encoded("mp4", "aac")
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 40):
        for spoilt in (data[:at], replaced(data, int(at), rng.bytes(4))):
            try:
                read_signal(io.BytesIO(spoilt), "x.m4a")
            except InputError as error:
                assert "\n" not in str(error)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def codes(clip):
    return [note.code for note in clip.notes]


@pytest.mark.parametrize(
    ("container", "codec"),
    [("adts", "aac"), ("mpegts", "aac"), ("avi", "pcm_s16le")],
)
def test_a_container_that_is_cut_is_read_as_far_as_it_goes(container, codec):
    data = encoded(container, codec)
    clip = read_signal(io.BytesIO(data[: len(data) * 6 // 10 - 5]), "x")
    assert codes(clip) == ["ends-early"]
    assert 20_000 < clip.num_samples < 30_000


def test_a_damaged_packet_is_refused_or_left_out():
    data = encoded("adts", "aac")
    at = data.index(data[:3], len(data) // 2)  # the header of a frame
    spoilt = replaced(data, at + 7, bytes([0xE0] * 40))
    with pytest.raises(InputError, match="damaged"):
        read_signal(io.BytesIO(spoilt), "x")
    clip = read_signal(io.BytesIO(spoilt), "x", options=ReadOptions(salvage=True))
    assert codes(clip) == ["damaged"]
    assert clip.num_samples > 40_000


def test_aac_after_a_tag_is_read_and_the_tag_is_named():
    data = encoded("adts", "aac")
    clip = read_signal(io.BytesIO(build_id3([("TITLE", "Lied")]) + data), "x")
    assert clip.num_samples == read_signal(io.BytesIO(data), "x").num_samples
    assert codes(clip) == ["metadata-dropped"]


def test_the_picture_of_a_cover_is_metadata():
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as target:
        sound = target.add_stream("aac", rate=44_100, layout="mono")
        cover = target.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), "yuvj420p")
        target.mux(cover.encode(frame))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44_100
        target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    clip = read_signal(io.BytesIO(file.getvalue()), "x")
    assert codes(clip) == ["metadata-dropped"]


def test_a_wav_of_a_codec_that_libsndfile_lacks_is_read_or_explained(monkeypatch):
    data = encoded("wav", "adpcm_yamaha")
    assert read_signal(io.BytesIO(data), "x.wav").num_samples >= 44_100
    monkeypatch.setattr(extra_formats, "is_installed", lambda: False)
    with pytest.raises(InputError, match=r"\.\[formats\].*ffmpeg -i INPUT"):
        read_signal(io.BytesIO(data), "x.wav")


def test_what_libsndfile_only_guesses_is_no_sound():
    data = np.random.default_rng(3).bytes(4000)
    with pytest.raises(InputError, match="neither a sound"):
        read_signal(io.BytesIO(b"\x7f\xfe\x80\x01" + data), "x.dts")


def test_heic_is_read():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    image = Image.fromarray(np.repeat(np.repeat(pixels(4, 4), 16, axis=0), 16, axis=1))
    pillow_heif.from_pillow(image).save(file, quality=95)
    picture = read_signal(io.BytesIO(file.getvalue()), "x.heic")
    assert picture.pixels.shape == (64, 64, 3)
    assert np.abs(picture.pixels.astype(int) - np.array(image)).mean() < 10
    with pytest.raises(InputError):
        read_signal(io.BytesIO(file.getvalue()[:200]), "x.heic")
