"""Small test signals."""

from __future__ import annotations

import pytest
from tiny import noise_clip, noise_picture

from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip


@pytest.fixture
def picture() -> Picture:
    """A colour picture, 33 x 17 pixels."""
    return noise_picture(33, 17)


@pytest.fixture
def clip() -> AudioClip:
    """A mono sound of 500 samples at the models' sample rate."""
    return noise_clip(500)
