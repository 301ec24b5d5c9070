"""Models complete signals: what is kept comes back as decoded, the rest is new."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import PATCH, load_tiny_model, noise_clip, noise_picture, same_signal

from vqcodec.errors import UsageError
from vqcodec.signals.sound import AudioClip


@pytest.mark.parametrize("name", ["image", "residual-image", "certain-image", "uniform-image"])
def test_a_kept_picture_comes_back_as_from_a_stream(name):
    model, picture = load_tiny_model(name), noise_picture(70, 50)
    decoded = model.decompress(model.compress(picture, quality=6))
    assert same_signal(model.complete(picture, seed=1, keep=1, quality=6), decoded)
    hole = np.zeros((50, 70), np.bool_)
    assert same_signal(model.complete(picture, seed=1, mask=hole, quality=6), decoded)


def test_a_hole_changes_a_picture_only_where_its_positions_are_seen():
    model, picture = load_tiny_model("residual-image"), noise_picture(320, 320)
    decoded = model.decompress(model.compress(picture)).pixels
    hole = np.zeros((320, 320), np.bool_)
    hole[160:163, 8 * PATCH : 9 * PATCH] = True
    found = model.complete(picture, seed=1, mask=hole).pixels
    reach = model.parts.modality.geometry.decoder_reach
    near = np.zeros((20, 20), np.bool_)
    near[10 - reach : 11 + reach, 8 - reach : 9 + reach] = True
    changed = (found != decoded).any(axis=2)
    assert changed[160:176, 128:144].any()
    assert not changed[~near.repeat(PATCH, axis=0).repeat(PATCH, axis=1)].any()


def test_sounds_keep_their_start_rate_length_and_channels():
    model, sound = load_tiny_model("residual-speech"), noise_clip(9_000, channels=2)
    sound = AudioClip(sound.waveform, 44_100)
    decoded = AudioClip.of_sound(model.decompress(model.compress(sound)))
    found = model.complete(sound, seed=3, keep=0.5)
    assert isinstance(found, AudioClip)
    assert (found.num_samples, found.sample_rate, found.num_channels) == (9_000, 44_100, 2)
    difference = np.abs(found.waveform - decoded.waveform)
    assert difference[:, :2_000].max() < 1e-5
    assert difference[:, 5_500:].max() > 1e-3
    assert same_signal(found, model.complete(sound, seed=3))


def test_a_grey_picture_stays_grey():
    model, picture = load_tiny_model("image"), noise_picture(20, 20, channels=1)
    assert model.complete(picture, seed=0, keep=0.2).grey


@pytest.mark.parametrize(
    ("signal", "options", "message"),
    [
        (noise_picture(20, 20), {"keep": 1.5}, "keep: 1.5"),
        (noise_picture(20, 20), {"keep": float("nan")}, "keep: nan"),
        (noise_picture(20, 20), {"keep": 0.5, "mask": np.ones((20, 20), np.bool_)}, "one of them"),
        (noise_picture(20, 20), {"num_sweeps": 10**400}, "num_sweeps: 1000"),
        (noise_picture(20, 20), {"mask": np.ones((20, 21), np.bool_)}, "21 x 20"),
        (noise_picture(20, 20), {"mask": np.ones(20, np.bool_)}, r"a mask of shape \(20,\)"),
        (noise_picture(20, 20), {"mask": np.ones((20, 20, 3), np.bool_)}, r"needed \[H, W\]"),
        (noise_picture(4_097, 1), {}, "width: 4097 is not a whole number from 1 to 4096"),
        (noise_clip(100), {}, "is a sound"),
    ],
)
def test_what_cannot_be_completed_is_refused(signal, options, message):
    with pytest.raises(UsageError, match=message):
        load_tiny_model("image").complete(signal, seed=0, **options)


@pytest.mark.parametrize(
    ("signal", "options", "message"),
    [
        (noise_clip(0), {}, "without samples"),
        (noise_clip(100), {"mask": np.ones((1, 100), np.bool_)}, "a mask is for pictures"),
        (noise_picture(20, 20), {}, "is a picture"),
    ],
)
def test_sounds_that_cannot_be_completed_are_refused(signal, options, message):
    with pytest.raises(UsageError, match=message):
        load_tiny_model("speech").complete(signal, seed=0, **options)
