"""Formats of optional packages: read if they are installed, otherwise a helpful message."""

import importlib.util
import io

import numpy as np
import pytest
from input_files import noisy_tone, pixels, replaced
from PIL import Image

from vqcodec.errors import InputError
from vqcodec.signals.files import open_signal, read_signal

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
    with pytest.raises(
        InputError, match=rf"^{name}: .*pip install 'vqcodec\[formats\]'.*{command}"
    ):
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
