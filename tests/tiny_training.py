"""Makes the tiny models of `tiny`: run it when the contents of model files have changed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import pickle
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import ARCHIVE, HOP, MORE_TABLES, PAIR_HOP, TABLES, noise_clip, noise_picture
from torch import nn

from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.networks.priors import build_prior_network
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.quantizers import QuantizerModule
from vqcodec.priors.static import count_indices
from vqcodec.signals.picture import Picture
from vqcodec.training.export import save_model
from vqcodec.training.graphs import export_graphs

Graphs = tuple[dict[str, bytes], dict[str, NDArray[Any]]]


def remembering_exporter(folder: Path) -> Callable[[Autoencoder], Graphs]:
    """Return an `export_graphs` that keeps exports in a folder: an export takes seconds.

    Graphs hold no weights, so networks of one configuration have the same graphs.
    """

    def export(autoencoder: Autoencoder) -> Graphs:
        shapes = {
            name: tuple(value.shape)
            for name, value in autoencoder.state_dict().items()
            if not name.startswith("quantizer.")
        }
        key = json.dumps([str(autoencoder.modality.config), shapes])
        kept = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.pickle"
        if not kept.exists():
            made = kept.with_suffix(f".{uuid.uuid4()}")  # another process may make the same
            made.write_bytes(pickle.dumps(export_graphs(autoencoder)))
            made.replace(kept)
        found: Graphs = pickle.loads(kept.read_bytes())
        return found

    return export


def keep_operators(patch: pytest.MonkeyPatch) -> None:
    """Let torch read its library of ONNX operators once: it takes a second for each graph."""
    with contextlib.suppress(ImportError):  # not part of its public interface
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        read_once = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
        patch.setattr(ONNXRegistry, "from_torchlib", read_once)


def tiny_prior_network(table: dict[str, Any], codebook_sizes: tuple[int, ...]) -> PriorNetwork:
    """Return a prior network whose predictions are far from uniform."""
    network = build_prior_network(table, codebook_sizes)
    for name, parameter in network.named_parameters():
        if name.endswith("head.weight"):
            nn.init.normal_(parameter, std=0.3)
        if name.endswith("head.bias") and network.head == "logistic":
            with torch.no_grad():
                parameter[1::2] = 1.5  # log2 of the scale
                if table.get("skip_certain"):
                    parameter[1::4] = -8  # certain, where the mean is near an index
    return network.eval()


def save_tiny_model(name: str, folder: Path, *, tables: dict[str, Any] | None = None) -> Path:
    """Write the tiny model of this name, and return its path."""
    tables = tables or (TABLES | MORE_TABLES)[name]
    torch.manual_seed(sum(name.encode()))
    autoencoder = Autoencoder(tables)
    for parameter in autoencoder.parameters():
        if parameter.dim() > 2 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)  # initially, only the linear path is not 0
    if autoencoder.modality.name == "image":
        batch = torch.cat([picture_tensor(noise_picture(64, 64, seed=n)) for n in range(16)])
    elif autoencoder.modality.num_plane_channels == 2:  # nothing is initialised from data
        batch = torch.zeros(1, 2, 16 * PAIR_HOP)
    else:
        clips = [noise_clip(100 * HOP - HOP // 2, seed=n) for n in range(16)]
        batch = torch.from_numpy(np.stack([clip.waveform for clip in clips]))
    with torch.no_grad():
        autoencoder.init_from_data(batch)
    if "voice_dim" in tables["network"]:  # at initialisation, all voices are equal
        nn.init.normal_(autoencoder.decoder.voice.gains.weight)  # type: ignore[union-attr, arg-type]
    path = folder / f"{name}.safetensors"
    save_model(
        path,
        name=name,
        tables=tables,
        autoencoder=autoencoder,
        prior=frozen_prior(tables["prior"], autoencoder.quantizer),
        card={"licence": "Apache-2.0"},
    )
    return path


def frozen_prior(table: dict[str, Any], quantizer: QuantizerModule) -> dict[str, NDArray[Any]]:
    """Return the tensors of a tiny prior of any kind."""
    sizes = quantizer.codebook_sizes
    if table["kind"] == "uniform":
        return {}
    if table["kind"] == "histogram":
        common = np.random.default_rng(0).geometric(0.3, (len(sizes), 500)).clip(1, sizes[0]) - 1
        return count_indices([common], sizes)
    positions = quantizer.rate_fraction(torch.arange(256)).clamp(0, 1)
    return tiny_prior_network(table, sizes).freeze(positions)


def picture_tensor(picture: Picture) -> torch.Tensor:
    """Return a picture as in training: [1, 3, H, W] in 0 … 1."""
    return torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255


def main() -> None:
    """Write all tiny models."""
    with TemporaryDirectory() as folder, tarfile.open(ARCHIVE, "w:xz") as archive:
        for name in TABLES | MORE_TABLES:
            path = save_tiny_model(name, Path(folder))
            archive.add(path, path.name)


if __name__ == "__main__":
    main()
