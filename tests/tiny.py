"""Tiny models out of seeded weights, a second or two each, and seeded signals to code with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vqcodec.codec.model_file import save_model
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.quantizers import Quantizer
from vqcodec.priors import build_prior_network
from vqcodec.priors.static import count_indices
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip

HOP = 32  # of the models for sounds
PATCH = 16  # of the models for pictures
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

# The groups of the categorical ones let a stream end within a group.
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

# The kinds that the four above leave out.
MORE_TABLES: dict[str, dict[str, Any]] = {
    "scalar-image": {
        "modality": "image",
        "network": {**_IMAGE_NETWORK, "dim": 3},
        "quantizer": {"kind": "finite_scalar", "levels": [5, 3, 3]},
        "prior": {"kind": "grid", "groups": [1], **_CATEGORICAL},
    },
    "histogram-speech": {**TABLES["residual-speech"], "prior": {"kind": "histogram"}},
    "uniform-image": {**TABLES["residual-image"], "prior": {"kind": "uniform"}},
}


def tiny_prior_network(table: dict[str, Any], codebook_sizes: tuple[int, ...]) -> PriorNetwork:
    """Return a prior network whose predictions are far from uniform."""
    network = build_prior_network(table, codebook_sizes)
    for name, parameter in network.named_parameters():
        if name.endswith("head.weight"):
            nn.init.normal_(parameter, std=0.3)
        if name.endswith("head.bias") and network.head == "logistic":
            with torch.no_grad():
                parameter[1::2] = 1.5  # log2 of the scale
    return network.eval()


def save_tiny_model(name: str, folder: Path, *, tables: dict[str, Any] | None = None) -> Path:
    """Write the tiny model of this name, and return its path."""
    tables = tables or (TABLES | MORE_TABLES)[name]
    torch.manual_seed(sum(name.encode()))
    autoencoder = Autoencoder.of_tables(tables)
    modality, quantizer = autoencoder.modality, autoencoder.quantizer
    for parameter in autoencoder.parameters():
        if parameter.dim() > 2 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)  # networks start as nothing but a linear path
    if modality.name == "image":
        batch = torch.cat([picture_tensor(noise_picture(64, 64, seed=n)) for n in range(16)])
    else:
        clips = [noise_clip(100 * HOP - HOP // 2, seed=n) for n in range(16)]
        batch = torch.from_numpy(np.stack([clip.waveform for clip in clips]))
    with torch.no_grad():
        deviations = modality.start_networks(autoencoder.encoder, autoencoder.decoder, batch)
        latents = autoencoder.encoder(batch, torch.ones(len(batch)))
        quantizer.start(latents, deviations)
    path = folder / f"{name}.safetensors"
    save_model(
        path,
        name=name,
        tables=tables,
        state=autoencoder.state_dict(),
        prior=frozen_prior(tables["prior"], quantizer),
        card={"licence": "Apache-2.0"},
    )
    return path


def frozen_prior(table: dict[str, Any], quantizer: Quantizer) -> dict[str, NDArray[Any]]:
    """Return the tensors of a tiny prior of any kind."""
    sizes = quantizer.codebook_sizes
    if table["kind"] == "uniform":
        return {}
    if table["kind"] == "histogram":
        common = np.random.default_rng(0).geometric(0.3, (len(sizes), 500)).clip(1, sizes[0]) - 1
        return count_indices([common], sizes)
    positions = quantizer.position(torch.arange(256)).clamp(0, 1)
    return tiny_prior_network(table, sizes).freeze(positions)


def noise_picture(width: int, height: int, *, channels: int = 3, seed: int = 0) -> Picture:
    """Return smooth colours with some noise: 8 bits, opaque."""
    generator = np.random.default_rng([width, height, channels, seed])
    coarse = generator.normal(size=(height // 8 + 2, width // 8 + 2, channels))
    smooth = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    pixels = 128 + 50 * smooth + 8 * generator.normal(size=(height, width, channels))
    return Picture(pixels.clip(0, 255).astype(np.uint8))


def noise_clip(
    num_samples: int, *, channels: int = 1, sample_rate: int = SAMPLE_RATE, seed: int = 0
) -> AudioClip:
    """Return a chord that swells, with some noise."""
    generator = np.random.default_rng([num_samples, channels, sample_rate, seed])
    time = np.arange(num_samples) / sample_rate
    pitches = generator.uniform(100, 2000, (channels, 3, 1))
    chord = np.sin(2 * np.pi * pitches * time).sum(axis=1) * (0.1 + 0.1 * np.sin(5 * time))
    noise = 0.02 * generator.normal(size=(channels, num_samples))
    return AudioClip((chord + noise).clip(-1, 1).astype(np.float32), sample_rate)


def picture_tensor(picture: Picture) -> torch.Tensor:
    """Return a picture as training has it: [1, 3, H, W] in 0 … 1."""
    return torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255


def same_signal(one: object, other: object) -> bool:
    """Return whether two signals are the same in every sample, pixel and fact."""
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
