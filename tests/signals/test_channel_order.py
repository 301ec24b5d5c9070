"""Channels are in the order of WAV files, whatever the file.

tests/golden/surround has a quarter of a second of tones at `TONES`, one for each speaker of 5.1,
by FFmpeg: ffmpeg -t 0.25 -i tones.wav (-ar 8000 -q:a -1 tones.ogg | -b:a 48k tones.opus).
"""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from input_files import replaced, sound

from vqcodec.bitstream.channels import channels_of_planes
from vqcodec.signals import sound_files
from vqcodec.signals.ogg_pages import page_checksum
from vqcodec.signals.options import ReadOptions
from vqcodec.signals.sound import AudioClip
from vqcodec.signals.sound_files import AudioFile, read_clip, write_clip

GOLDEN = Path(__file__).parents[1] / "golden" / "surround"
RATE = 48_000
TONES = {  # Hz
    "FL": 300,
    "FR": 400,
    "FC": 500,
    "LFE": 60,
    "BL": 700,
    "BR": 800,
    "BC": 900,
    "SL": 1000,
    "SR": 1100,
}
WAV = {
    1: ["FC"],
    2: ["FL", "FR"],
    3: ["FL", "FR", "FC"],
    4: ["FL", "FR", "BL", "BR"],
    5: ["FL", "FR", "FC", "BL", "BR"],
    6: ["FL", "FR", "FC", "LFE", "BL", "BR"],
    7: ["FL", "FR", "FC", "LFE", "BC", "SL", "SR"],
    8: ["FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"],
}
OGG = {
    1: ["FC"],
    2: ["FL", "FR"],
    3: ["FL", "FC", "FR"],
    4: ["FL", "FR", "BL", "BR"],
    5: ["FL", "FC", "FR", "BL", "BR"],
    6: ["FL", "FC", "FR", "BL", "BR", "LFE"],
    7: ["FL", "FC", "FR", "SL", "SR", "BC", "LFE"],
    8: ["FL", "FC", "FR", "SL", "SR", "BL", "BR", "LFE"],
}
MASKS = {3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
COUNTS = pytest.mark.parametrize("count", range(1, 9))
SURROUND = pytest.mark.parametrize("count", range(3, 9))


def tones(speakers, num_samples=RATE // 2):
    times = np.arange(num_samples) / RATE
    return np.stack([0.3 * np.sin(2 * np.pi * TONES[s] * times) for s in speakers], axis=1)


def heard(waveform, rate=RATE):
    """Return the speaker whose tone is the loudest, for each channel [C, T]."""
    times = np.arange(waveform.shape[1]) / rate
    waves = np.exp(2j * np.pi * np.outer(times, list(TONES.values())))
    return [list(TONES)[n] for n in np.abs(waveform @ waves).argmax(axis=1)]


def written(speakers, format):
    file = io.BytesIO()
    write_clip(AudioClip(tones(speakers).T.astype(np.float32), RATE), file, format)
    return file.getvalue()


@pytest.mark.parametrize("name", ["tones.ogg", "tones.opus"])
def test_surround_of_another_program_is_read_in_the_order_of_wav(name):
    clip = read_clip(GOLDEN / name)
    assert heard(clip.waveform, clip.sample_rate) == WAV[6]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@COUNTS
def test_vorbis_and_opus_are_read_in_the_order_of_wav(subtype, count):
    data = sound("OGG", subtype, tones(OGG[count], 2 * RATE), RATE)
    file = AudioFile(io.BytesIO(data), "tones.ogg")
    blocks = list(file.blocks())
    assert heard(np.concatenate(blocks, axis=1)) == WAV[count]
    assert len(blocks) > 1 and heard(blocks[1]) == WAV[count]
    salvaged = read_clip(io.BytesIO(data), options=ReadOptions(salvage=True))
    assert heard(salvaged.waveform) == WAV[count]
    joined = read_clip(io.BytesIO(data + data))
    assert heard(joined.waveform[:, -RATE // 2 :]) == WAV[count]


@COUNTS
def test_vorbis_is_written_in_its_own_order(count):
    data = written(WAV[count], "OGG")
    samples, _ = soundfile.read(io.BytesIO(data), always_2d=True)  # as stored: see the golden files
    assert heard(samples.T) == OGG[count]
    assert heard(read_clip(io.BytesIO(data)).waveform) == WAV[count]


@SURROUND
def test_opus_channels_without_speakers_keep_their_order(count):
    data = sound("OGG", "OPUS", tones(OGG[count]), RATE)
    family = data.index(b"OpusHead") + 18
    assert data[family] == 1
    end = data.index(b"OggS", 4)
    page = bytearray(replaced(replaced(data, family, b"\xff"), 22, bytes(4))[:end])
    page[22:26] = struct.pack("<I", page_checksum(bytes(page)))
    assert heard(read_clip(io.BytesIO(bytes(page) + data[end:])).waveform) == OGG[count]


@pytest.mark.parametrize("format", ["WAV", "FLAC", "AIFF"])
@SURROUND
def test_other_formats_have_the_order_of_wav(format, count):
    data = written(WAV[count], format)
    samples, _ = soundfile.read(io.BytesIO(data))
    assert heard(samples.T) == WAV[count]
    assert heard(read_clip(io.BytesIO(data)).waveform) == WAV[count]


@pytest.mark.parametrize("most_bytes", [sound_files._MAX_BYTES, 1000])
@SURROUND
def test_a_wav_of_three_or_more_channels_names_its_speakers(count, most_bytes, monkeypatch):
    monkeypatch.setattr(sound_files, "_MAX_BYTES", most_bytes)
    data = written(WAV[count], "WAV")
    assert data[:4] == (b"RF64" if most_bytes == 1000 else b"RIFF")
    start = data.index(b"fmt ") + 8
    assert struct.unpack_from("<HH", data, start) == (0xFFFE, count)
    assert struct.unpack_from("<I", data, start + 20) == (MASKS[count],)


@pytest.mark.parametrize("count", [1, 2])
def test_a_wav_of_one_or_two_channels_is_plain(count):
    data = written(WAV[count], "WAV")
    assert struct.unpack_from("<HH", data, data.index(b"fmt ") + 8) == (1, count)


def test_a_wav_of_more_channels_than_have_speakers_is_written():
    clip = AudioClip(np.zeros((9, 10), np.float32), RATE)
    write_clip(clip, file := io.BytesIO(), "WAV")
    assert soundfile.read(io.BytesIO(file.getvalue()))[0].shape == (10, 9)


@COUNTS
def test_pairs_are_left_and_right_of_one_place(count):
    pairs = [[WAV[count][c] for c in plane] for plane in channels_of_planes(count)]
    for names in pairs:
        assert names in (["FL", "FR"], ["BL", "BR"], ["SL", "SR"], ["FC"], ["LFE"], ["BC"])
