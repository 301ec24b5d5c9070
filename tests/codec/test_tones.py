"""Pure tones, coded by the shipped model: the loudest coefficients that there are."""

from __future__ import annotations

import numpy as np
import pytest

import vqcodec
from vqcodec.signals.sound import AudioClip


@pytest.fixture(scope="module")
def model():
    return vqcodec.load("audio")


@pytest.mark.parametrize("hertz", [1522, 1568, 3071])  # between two slots, where thresholds are low
def test_a_tone_at_full_scale_is_best_at_the_highest_quality(model, hertz):
    tone = np.sin(2 * np.pi * hertz * np.arange(24_000) / 48_000)
    waveform = np.tile(tone, (2, 1)).astype(np.float32)

    def snr_db(quality):
        stream = model.compress(AudioClip(waveform, 48_000), quality=quality)
        error = model.decompress(stream).waveform - waveform
        return 10 * np.log10(np.square(waveform).sum() / np.square(error).sum())

    assert snr_db(10) > snr_db(5) + 3
