"""The pictures and sounds of a report, and their size."""

import base64
import io

import numpy as np
import pytest
from comparing import compare_plainly, compared, pictures_in, sounds_in, write
from PIL import Image

from vqcodec.evaluation import run
from vqcodec.evaluation.report import media
from vqcodec.evaluation.report.spectrogram import (
    HEIGHT,
    WIDTH,
    View,
    build_spectrogram,
    highest_power_db,
)
from vqcodec.signals.files import read_signal
from vqcodec.signals.sound import AudioClip


@pytest.fixture(autouse=True)
def metric(monkeypatch):
    monkeypatch.setattr(run, "compare", compare_plainly)


def decoded(uri):
    """Return the signal of a data URI."""
    return read_signal(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_pictures_are_shown_as_they_were_decoded(tmp_path):
    one = compared(pictures_in(tmp_path, "a.png"))
    (file,) = media.build_media(one, 1_000_000).files
    original = read_signal(one.files[0])
    assert (decoded(file["uri"]).pixels == original.pixels).all()
    assert [codec["name"] for codec in file["codecs"]] == ["ours", "jpeg", "webp"]
    assert (decoded(file["codecs"][0]["uri"]).pixels == original.pixels // 16 * 16).all()
    assert file["codecs"][0]["facts"].startswith("quality 4, ")


def test_large_pictures_are_cut_to_their_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(media, "MAX_SIDE", 6)
    one = compared(pictures_in(tmp_path, "a.png"), qualities=(4,))
    original = read_signal(one.files[0]).pixels
    (file,) = media.build_media(one, 1_000_000).files
    assert (decoded(file["uri"]).pixels == original[3:9, 5:11]).all()


def test_sounds_are_shown_with_spectrograms_of_equal_axes(tmp_path):
    one = compared(sounds_in(tmp_path, "a.wav", num_channels=3), "audio", (6,))
    (file,) = media.build_media(one, 1_000_000).files
    original = read_signal(one.files[0])
    assert (decoded(file["uri"]).waveform == original.waveform[:2]).all()
    for form in (file, *file["codecs"]):
        assert form["uri"].startswith("data:audio/flac;base64,")
        assert decoded(form["spectrogram"]).pixels.shape[:2] == (2 * HEIGHT + 4, WIDTH)
        assert "attack" not in form
    axes = "0 … 0.25 s to the right, 0 … 8 kHz upwards, the left channel above"
    assert file["axes"] == f"{axes}; colours span 80 dB"


def test_a_sound_with_an_attack_has_a_spectrogram_around_it_up_to_20_khz(tmp_path):
    waveform = np.zeros((1, 48_000), np.float32)
    waveform[0, 24_000:26_000] = np.random.default_rng(0).normal(size=2000) / 5
    one = compared([write(tmp_path / "click.wav", AudioClip(waveform, 48_000), "WAV")], "audio")
    (file,) = media.build_media(one, 1_000_000).files
    assert "0 … 20 kHz upwards; colours" in file["axes"]
    assert "120 ms around 0.500 s" in file["axes"]
    for form in (file, *file["codecs"]):
        assert decoded(form["attack"]).pixels.shape[:2] == (HEIGHT, WIDTH)
    levels = np.asarray(Image.open(io.BytesIO(base64.b64decode(file["attack"].split(",")[1]))))
    assert levels[:, : WIDTH // 2 - 20].max() == 0
    assert levels[:, WIDTH // 2 + 20].mean() > 150


def test_a_few_files_spread_over_all_are_shown(tmp_path):
    names = [f"{number:02}.png" for number in range(13)]
    one = compared(pictures_in(tmp_path, *names), qualities=(4,))
    shown = media.build_media(one, 10_000_000)
    assert [file["name"][:2] for file in shown.files] == ["00", "02", "04", "06", "08", "10"]
    assert shown.note.startswith("6 of 13 files, spread evenly; ")


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_a_budget_is_kept_by_showing_less(tmp_path, modality):
    if modality == "image":
        files = pictures_in(tmp_path, "a.png", "b.png", height=64, width=64)
    else:
        files = sounds_in(tmp_path, "a.wav", "b.wav", num_samples=60_000)
    one = compared(files, modality, (6,))
    whole = media.build_media(one, 10_000_000)
    sizes, notes = [media._size_bytes(whole.files)], {whole.note}
    for share in (0.8, 0.5, 0.1, 0):
        shown = media.build_media(one, int(share * sizes[0]))
        sizes.append(media._size_bytes(shown.files))
        notes.add(shown.note)
        assert sizes[-1] <= share * sizes[0]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2] > sizes[-1] == 0
    assert len(notes) > 2


def tone(frequency, sample_rate=16_000, amplitude=0.5):
    times = np.arange(sample_rate) / sample_rate
    waveform = amplitude * np.sin(2 * np.pi * frequency * times)
    return AudioClip(waveform[None].astype(np.float32), sample_rate)


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 48_000])
def test_a_tone_is_a_line_at_its_frequency_at_any_rate(sample_rate):
    clip = tone(2000, sample_rate)
    view = View(duration_s=1.0, highest_hz=8000)
    top_db = highest_power_db(tone(2000), view)
    png = build_spectrogram(clip, view, top_db=top_db)
    image = Image.open(io.BytesIO(png))
    levels = np.asarray(image)
    row = levels[:, WIDTH // 2].argmax()
    assert row == pytest.approx(HEIGHT * 3 / 4, abs=2)
    assert levels[row, WIDTH // 2] > 230
    assert levels[0, WIDTH // 2] == 0


def test_silence_and_times_after_the_end_are_dark():
    silent = AudioClip(np.zeros((1, 16_000), np.float32), 16_000)
    view = View(duration_s=2.0, highest_hz=8000)
    png = build_spectrogram(silent, view, top_db=highest_power_db(silent, view))
    assert np.asarray(Image.open(io.BytesIO(png))).max() == 0
    clip = tone(2000)
    png = build_spectrogram(clip, view, top_db=highest_power_db(clip, view))
    levels = np.asarray(Image.open(io.BytesIO(png)))
    assert levels[:, : WIDTH // 3].max() > 230
    assert levels[:, -WIDTH // 3 :].max() == 0
