"""Spectrograms as PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqcodec.evaluation.palette import PALETTE
from vqcodec.signals.sound import AudioClip

WIDTH, HEIGHT = 480, 128  # pixels of one channel
MAX_CHANNELS = 2  # are shown, one below the other
MAX_HZ = 20_000.0
_GAP = 4  # pixels between channels
_RANGE_DB = 80.0
_FLOOR_DB = -120.0  # silence


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """The part of a sound that a spectrogram shows.

    Attributes:
        start_s: may be below 0: silence is before the sound.
        duration_s: may reach beyond the end of the sound.
        highest_hz: at the top.
        window_s: the length of the windows; short ones separate times, long ones frequencies.
    """

    start_s: float = 0.0
    duration_s: float
    highest_hz: float
    window_s: float = 0.032


def highest_power_db(clip: AudioClip, view: View) -> float:
    """Return the highest power in dB, for the colour scale of this clip and its copies."""
    channels = clip.waveform[:MAX_CHANNELS]
    least = _FLOOR_DB + _RANGE_DB
    highest = [_power_db(each, clip.sample_rate, view).max(initial=least) for each in channels]
    return float(max(highest))


def build_spectrogram(clip: AudioClip, view: View, *, top_db: float) -> bytes:
    """Return a PNG of time to the right and frequency upwards; of two channels, the left is above.

    Colours span the 80 dB below `top_db`. Times and frequencies that the clip does not have are
    silent.
    """
    parts: list[NDArray[np.float64]] = []
    for channel in clip.waveform[:MAX_CHANNELS]:
        power_db = _power_db(channel, clip.sample_rate, view)  # [WIDTH, bins]
        bins_hz = np.linspace(0, clip.sample_rate / 2, power_db.shape[1])
        rows_hz = np.linspace(view.highest_hz, 0, HEIGHT)
        rows = [np.interp(rows_hz, bins_hz, frame, right=-np.inf) for frame in power_db]
        shares = (np.array(rows).T - (top_db - _RANGE_DB)) / _RANGE_DB  # [HEIGHT, WIDTH]
        parts += [np.ones((_GAP, WIDTH)), shares] if parts else [shares]
    image = Image.fromarray(np.rint(255 * np.concatenate(parts).clip(0, 1)).astype(np.uint8))
    image.putpalette(PALETTE)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _power_db(channel: NDArray[np.float32], sample_rate: int, view: View) -> NDArray[np.float64]:
    """Return the power in dB [WIDTH, bins] of windows spread evenly over the view."""
    window = max(16, round(view.window_s * sample_rate))
    first = round(view.start_s * sample_rate)
    length = max(round(view.duration_s * sample_rate), 1)
    padded = np.zeros(length + window)
    begin = max(0, first - window // 2)
    end = max(begin, min(len(channel), first - window // 2 + len(padded)))
    offset = begin - (first - window // 2)
    padded[offset : offset + end - begin] = channel[begin:end]
    starts = np.linspace(0, length - 1, WIDTH).round().astype(int)
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)  # [WIDTH, window]
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)) / window)
    return 10 * np.log10(power + 10 ** (_FLOOR_DB / 10))
