import io

import numpy as np
import pytest

from vqcodec.errors import InputError
from vqcodec.signals.files import (
    least_bytes,
    open_signal,
    read_signal,
    write_signal,
)
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip

CLIP = AudioClip(np.linspace(-0.5, 0.5, 3000, dtype=np.float32)[None], 16_000)
PICTURE = Picture(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))


def bytes_of(signal, format):
    file = io.BytesIO()
    write_signal(signal, file, format)
    return file.getvalue()


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
@pytest.mark.parametrize("name", ["sound.png", "sound", "sound.wav"])
def test_a_sound_is_known_by_its_content(format, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(bytes_of(CLIP, format))
    assert isinstance(read_signal(path), AudioClip)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("name", ["picture.wav", "-", "picture.png"])
def test_a_picture_is_known_by_its_content(format, name):
    assert isinstance(read_signal(io.BytesIO(bytes_of(PICTURE, format)), name), Picture)


def test_a_file_that_cannot_seek_is_read():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

    assert isinstance(read_signal(Pipe(bytes_of(CLIP, "WAV"))), AudioClip)
    assert isinstance(read_signal(Pipe(bytes_of(PICTURE, "PNG"))), Picture)


@pytest.mark.parametrize("content", [b"neither", bytes(1000)])
def test_unknown_content_is_read_by_its_name(content):
    for name, kind in (
        ("x.MP3", "cannot be read as a sound"),
        ("x.png", "not a picture"),
        ("x.txt", r"neither a sound \(\.wav.* nor a picture \(\.png"),
    ):
        with pytest.raises(InputError, match=f"^{name}: {kind}"):
            read_signal(io.BytesIO(content), name)


@pytest.mark.parametrize("name", ["x.MP3", "x.wav", "x.png", "x.txt"])
def test_an_empty_file_is_called_empty(name):
    with pytest.raises(InputError, match=f"^{name}: is empty$"):
        read_signal(io.BytesIO(), name)


def test_a_missing_file_is_reported_by_its_path(tmp_path):
    with pytest.raises(InputError, match=r"none\.wav: No such file"):
        read_signal(tmp_path / "none.wav")


def test_a_sound_is_opened_without_being_read():
    file = io.BytesIO(bytes_of(CLIP, "WAV"))
    sound = open_signal(file, "x")
    assert not isinstance(sound, AudioClip)
    assert AudioClip.of_sound(sound).waveform.shape == CLIP.waveform.shape
    assert isinstance(open_signal(io.BytesIO(bytes_of(PICTURE, "PNG")), "x"), Picture)


def test_the_least_bytes_of_a_file_are_known_for_plain_sounds_only():
    assert least_bytes(CLIP, "WAV") == 6000
    assert least_bytes(CLIP, "OGG") == least_bytes(PICTURE, "PNG") == 0
