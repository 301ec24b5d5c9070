"""Tiny models with random weights, and seeded signals to code with them; no torch."""

from __future__ import annotations

import functools
import tarfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.loading import read_model
from vqcodec.codec.model import Model
from vqcodec.layout import Geometry
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip

ARCHIVE = Path(__file__).parent / "tiny_models.tar.xz"
HOP = 32  # of the sound models
PAIR_HOP = 128  # of the sound model for pairs of channels
PATCH = 16  # of the picture models
SAMPLE_RATE = 16_000

_IMAGE_NETWORK = {
    "dim": 12,
    "fine_width": 8,
    "coarse_width": 8,
    "fine_units": 1,
    "coarse_units": 1,
}
_AUDIO_NETWORK = {
    "sample_rate": SAMPLE_RATE,
    "hop_length": HOP,
    "dim": 12,
    "encoder_width": 8,
    "encoder_units": 1,
    "decoder_width": 8,
    "decoder_units": 1,
}
_LATTICE = {"kind": "lattice", "dim": 12, "limit": 15}
_RESIDUAL = {"kind": "residual", "dim": 12, "num_codebooks": 4, "codebook_size": 16}
_LOGISTIC = {"head": "logistic", "width": 16}
_CATEGORICAL = {"head": "categorical", "width": 16, "embedding_dim": 2}

# With the groups of the categorical models, a stream can end within a group.
TABLES: dict[str, dict[str, Any]] = {
    "image": {
        "modality": "image",
        "network": _IMAGE_NETWORK,
        "quantizer": _LATTICE,
        "prior": {"kind": "grid", "groups": [2, 4, 6], "period": 2, **_LOGISTIC},
    },
    "speech": {
        "modality": "audio",
        "network": _AUDIO_NETWORK,
        "quantizer": {**_LATTICE, "coarsest_step": 4.0, "finest_step": 0.5},
        "prior": {"kind": "frames", "groups": [4, 8], "dilations": [1, 2], **_LOGISTIC},
    },
    "residual-image": {
        "modality": "image",
        "network": _IMAGE_NETWORK,
        "quantizer": _RESIDUAL,
        "prior": {"kind": "grid", "groups": [1, 3], "period": 4, **_CATEGORICAL},
    },
    "residual-speech": {
        "modality": "audio",
        "network": _AUDIO_NETWORK,
        "quantizer": _RESIDUAL,
        "prior": {"kind": "frames", "groups": [1, 2, 1], "dilations": [1, 3], **_CATEGORICAL},
    },
}

# The other kinds.
MORE_TABLES: dict[str, dict[str, Any]] = {
    "scalar-image": {
        "modality": "image",
        "network": {**_IMAGE_NETWORK, "dim": 3},
        "quantizer": {"kind": "finite_scalar", "levels": [5, 3, 3]},
        "prior": {"kind": "grid", "groups": [1], **_CATEGORICAL},
    },
    "certain-image": {
        "modality": "image",
        "network": _IMAGE_NETWORK,
        "quantizer": {**_LATTICE, "coarsest_step": 8.0},
        "prior": {"kind": "grid", "groups": [2, 4, 6], "skip_certain": True, **_LOGISTIC},
    },
    "histogram-speech": {**TABLES["residual-speech"], "prior": {"kind": "histogram"}},
    "uniform-image": {**TABLES["residual-image"], "prior": {"kind": "uniform"}},
    "pairs": {
        "modality": "audio",
        "network": {
            "kind": "blocks",
            "sample_rate": SAMPLE_RATE,
            "hop_length": PAIR_HOP,
            "num_bands": 4,
            "num_slots": 4,
            "decoder_width": 8,
            "decoder_units": 1,
        },
        "quantizer": {
            "kind": "lattice",
            "dim": 4 * 68,
            "limit": 63,
            "coarsest_step": 2.0,
            "finest_step": 0.25,
            "learn_steps": False,
            "num_integers": 4 * 4,
        },
        "prior": {
            "kind": "plane",
            "groups": [2, 1, 1, 32, 32],
            "num_bands": 4,
            "num_exact": 3,
            "starts": [0, 1, 2, 3],
            "width": 16,
            "skip_certain": True,
        },
    },
    "voices": {**TABLES["speech"], "network": {**_AUDIO_NETWORK, "voice_dim": 4}},
}
MORE_TABLES["magnitudes"] = {
    **MORE_TABLES["pairs"],
    "prior": {**MORE_TABLES["pairs"]["prior"], "magnitudes": True},
}
MORE_TABLES["frame-phases"] = {
    **MORE_TABLES["magnitudes"],
    "prior": {
        **MORE_TABLES["magnitudes"]["prior"],
        "groups": [2, 1, 1, 16, 16, 16, 16],
        "frame_period": 4,
        "frame_kernel_size": 5,
        "narrow_updates": True,
    },
}
MORE_TABLES["halved-bands"] = {
    **MORE_TABLES["frame-phases"],
    "network": {**MORE_TABLES["frame-phases"]["network"], "num_halved": 1},
    "prior": {**MORE_TABLES["frame-phases"]["prior"], "starts": [0, 0, 1, 2]},
}


@functools.cache
def _unpacked() -> TemporaryDirectory[str]:
    """Return a folder with the tiny models; it is removed when the tests end."""
    folder = TemporaryDirectory(prefix="vqcodec-tiny-")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder.name, filter="data")
    return folder


def tiny_model_path(name: str) -> Path:
    """Return the file of a tiny model, made by `tiny_training`."""
    return Path(_unpacked().name) / f"{name}.safetensors"


def load_tiny_model(name: str) -> Model:
    """Return a newly loaded tiny model."""
    return read_model(tiny_model_path(name))


def short_segments(model: Model) -> Geometry:
    """Return the model's geometry with windows and segments of a quarter of their length."""
    own = model.parts.modality.geometry
    return replace(own, window=own.window // 4, segment=own.segment // 4)


def noise_picture(width: int, height: int, *, channels: int = 3, seed: int = 0) -> Picture:
    """Return an opaque 8-bit picture: smooth colours with some noise."""
    generator = np.random.default_rng([width, height, channels, seed])
    coarse = generator.normal(size=(height // 8 + 2, width // 8 + 2, channels))
    smooth = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    pixels = 128 + 50 * smooth + 8 * generator.normal(size=(height, width, channels))
    return Picture(pixels.clip(0, 255).astype(np.uint8))


def noise_clip(
    num_samples: int, *, channels: int = 1, sample_rate: int = SAMPLE_RATE, seed: int = 0
) -> AudioClip:
    """Return a chord with increasing loudness and some noise."""
    generator = np.random.default_rng([num_samples, channels, sample_rate, seed])
    time = np.arange(num_samples) / sample_rate
    pitches = generator.uniform(100, 2000, (channels, 3, 1))
    chord = np.sin(2 * np.pi * pitches * time).sum(axis=1) * (0.1 + 0.1 * np.sin(5 * time))
    noise = 0.02 * generator.normal(size=(channels, num_samples))
    return AudioClip((chord + noise).clip(-1, 1).astype(np.float32), sample_rate)


def same_signal(one: object, other: object) -> bool:
    """Return whether two signals are equal in all samples, pixels and facts."""
    if isinstance(one, AudioClip) and isinstance(other, AudioClip):
        return one.sample_rate == other.sample_rate and _same(one.waveform, other.waveform)
    assert isinstance(one, Picture)
    assert isinstance(other, Picture)
    return (
        _same(one.pixels, other.pixels)
        and (one.alpha is None) == (other.alpha is None)
        and (one.alpha is None or _same(one.alpha, other.alpha))
        and one.icc_profile == other.icc_profile
    )


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    assert one is not None
    assert other is not None
    return one.dtype == other.dtype and np.array_equal(one, other)
