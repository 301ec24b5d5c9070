"""Spectrograms as PNG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vqcodec.evaluation.palette import PALETTE
from vqcodec.signals.sound import AudioClip

WIDTH, HEIGHT = 480, 128  # pixels
_WINDOW_S = 0.032
_RANGE_DB = 80.0
_FLOOR_DB = -120.0  # silence


def highest_power_db(clip: AudioClip) -> float:
    """Return the highest power in dB, for the colour scale of this clip and its copies."""
    return float(_power_db(clip, clip.duration_s).max(initial=_FLOOR_DB + _RANGE_DB))


def build_spectrogram(
    clip: AudioClip, *, duration_s: float, highest_hz: float, top_db: float
) -> bytes:
    """Return a PNG of time to the right and frequency upwards, from 0 Hz to `highest_hz`.

    Colours span the 80 dB below `top_db`. Times and frequencies that the clip does
    not have are silent.
    """
    power_db = _power_db(clip, duration_s)  # [WIDTH, bins]
    bins_hz = np.linspace(0, clip.sample_rate / 2, power_db.shape[1])
    rows_hz = np.linspace(highest_hz, 0, HEIGHT)
    rows = [np.interp(rows_hz, bins_hz, frame, right=-np.inf) for frame in power_db]
    shares = (np.array(rows).T - (top_db - _RANGE_DB)) / _RANGE_DB  # [HEIGHT, WIDTH]
    image = Image.fromarray(np.rint(255 * shares.clip(0, 1)).astype(np.uint8))
    image.putpalette(PALETTE)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _power_db(clip: AudioClip, duration_s: float) -> NDArray[np.float64]:
    """Return the power in dB [WIDTH, bins] of windows spread evenly over the duration."""
    window = max(16, round(_WINDOW_S * clip.sample_rate))
    samples = clip.waveform.mean(axis=0, dtype=np.float64)
    length = max(round(duration_s * clip.sample_rate), 1)
    padded = np.zeros(length + window)
    kept = min(length, len(samples))
    padded[window // 2 : window // 2 + kept] = samples[:kept]
    starts = np.linspace(0, length - 1, WIDTH).round().astype(int)
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)  # [WIDTH, window]
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)) / window)
    return 10 * np.log10(power + 10 ** (_FLOOR_DB / 10))
