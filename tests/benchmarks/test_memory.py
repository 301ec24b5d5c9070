"""The files for the measurement of memory, and the measurement."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import memory


def test_speech_is_as_long_as_asked_for(tmp_path):
    source = tmp_path / "voice.flac"
    soundfile.write(source, np.arange(1000, dtype=np.int16), memory.SAMPLE_RATE)
    memory.make_speech([source, source], tmp_path / "long.flac", 2.5)
    waveform, sample_rate = soundfile.read(tmp_path / "long.flac", dtype="int16")
    assert (len(waveform), sample_rate) == (40_000, memory.SAMPLE_RATE)
    assert np.array_equal(waveform, np.tile(np.arange(1000), 40))


def test_every_tile_of_the_picture_is_filled(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "WIDTH", 60)
    monkeypatch.setattr(memory, "HEIGHT", 40)
    monkeypatch.setattr(memory, "TILE", 10)
    for number in (0, 1):
        Image.new("RGB", (5, 5), (100 + number, 0, 0)).save(tmp_path / f"{number}.png")
    sources = [tmp_path / "0.png", tmp_path / "1.png"]
    memory.make_picture(sources, tmp_path / "picture.png")
    pixels = np.asarray(Image.open(tmp_path / "picture.png"))
    assert pixels.shape == (40, 60, 3)
    assert pixels[5, 5, 0] == pixels[15, 5, 0] == 100
    assert pixels[5, 15, 0] == 101


def test_a_command_is_measured_and_a_failing_one_ends_the_measurement(tmp_path):
    figures = memory.run("--help")
    assert figures["peak_bytes"] > 1 << 22
    assert figures["seconds"] > 0
    with pytest.raises(SystemExit, match="compress: exit code 3"):
        memory.run("compress", tmp_path / "none.wav")
