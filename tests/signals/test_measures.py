"""The loss of a sound by a mix-down and by the model's band."""

import numpy as np
import pytest

from vqcodec.signals.measures import SoundMeasure

RATE = 48_000


def tone(frequency, amplitude=0.3, num_samples=40_000):
    times = np.arange(num_samples) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def measured(samples, *, band_hz=8000, mixed_down=True, block=10_000):
    measure = SoundMeasure(RATE, band_hz=band_hz, mixed_down=mixed_down)
    for start in range(0, samples.shape[1], block):
        measure.add(samples[:, start : start + block])
    return measure


def codes(measure):
    return [note.code for note in measure.notes()]


def test_channels_that_cancel_are_noted_when_they_are_mixed_down():
    voice = tone(300)
    opposite = np.stack([voice, -voice])
    assert codes(measured(opposite)) == ["mixed-down", "cancels"]
    mixed, cancels = measured(opposite).notes()
    assert mixed.text == "its 2 channels are mixed down to one"
    assert "nothing is left" in cancels.text
    assert not measured(opposite, mixed_down=False).notes()
    nearly = np.stack([voice, -0.97 * voice])
    assert "36 dB below" in measured(nearly).notes()[1].text
    for other in (0 * voice, tone(317)):
        assert codes(measured(np.stack([voice, other]))) == ["mixed-down"]


def test_equal_channels_lose_nothing():
    assert not measured(np.stack([tone(300), tone(300)])).notes()


@pytest.mark.parametrize("samples", [np.zeros((2, 9000), np.float32), np.zeros((1, 0), np.float32)])
def test_silence_has_no_note(samples):
    assert not measured(samples).notes()


def test_energy_above_the_band_is_noted():
    (note,) = measured(tone(10_000)[None]).notes()
    assert note.code == "above-band"
    assert note.text == "100% of its energy lies above 8000 Hz, which is not coded"
    assert not measured(tone(1000)[None]).notes()
    assert not measured((tone(1000) + tone(10_000, 0.1))[None]).notes()
    assert codes(measured((tone(1000) + tone(10_000))[None])) == ["above-band"]
    assert not measured(tone(10_000)[None], band_hz=None).notes()
    assert not measured(tone(10_000)[None], band_hz=24_000).notes()


@pytest.mark.parametrize("block", [100, 2048, 4097, 40_000])
def test_the_result_hardly_depends_on_the_block_sizes(block):
    samples = (tone(1000) + tone(10_000, 0.2))[None]
    share = measured(samples, block=max(block, 2048)).share_above_band()
    assert abs(share - 0.04 / 0.13) < 0.01
