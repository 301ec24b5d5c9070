"""Decodes every golden stream by the priors alone, without torch, and compares the indices.

Exits with 0 if all indices and all written bytes are the same. With the argument int64, the
reference arithmetic replaces float64.
"""

from __future__ import annotations

import json
import math
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load

from vqcodec.bitstream.levels import parse_level
from vqcodec.bitstream.stream import parse_stream
from vqcodec.codec.deflated import inflate
from vqcodec.layout import pieces
from vqcodec.priors import build_prior
from vqcodec.priors.base import Indices, Prior

FOLDER = Path(__file__).parent / "v1"
SEGMENT = {"image": 64, "audio": 1000}  # positions each way
PROGRESSIVE_SUFFIX = "-progressive"  # such a stream has the indices of the one without it


def read_models(dtype: type[Any]) -> dict[str, tuple[str, Prior]]:
    """Return the modality and the prior of each model by fingerprint."""
    models = {}
    with tarfile.open(FOLDER / "models.tar.xz") as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            data = file.read()
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            facts = json.loads(header["__metadata__"]["vqcodec"])
            tables, quantizer = facts["tables"], facts["tables"]["quantizer"]
            sizes: tuple[int, ...]
            if quantizer["kind"] == "lattice":
                sizes = (2 * quantizer["limit"] + 1,) * quantizer["dim"]
            elif quantizer["kind"] == "finite_scalar":
                sizes = (math.prod(quantizer["levels"]),)
            else:
                sizes = (quantizer["codebook_size"],) * quantizer["num_codebooks"]
            own = {
                name.removeprefix("prior."): tensor
                for name, tensor in inflate(load(data), facts.get("deflated", {})).items()
                if name.startswith("prior.")
            }
            prior = build_prior(tables["prior"], sizes, own, dtype)
            models[facts["fingerprint"]] = (tables["modality"], prior)
    return models


def read_planes(name: str) -> list[Indices]:
    """Return the indices [K', ...] of each plane of the stream of this name."""
    with np.load(FOLDER / "indices.npz") as archive:
        prefix = f"{name.removesuffix(PROGRESSIVE_SUFFIX)}/"
        names = sorted(key for key in archive.files if key.startswith(prefix))
        return [archive[key].astype(np.int64) for key in names]


def split_planes(planes: list[Indices], modality: str) -> list[Indices]:
    """Return the segments of planes."""
    return [
        plane[(slice(None), *piece)]
        for plane in planes
        for piece in pieces(plane.shape[1:], SEGMENT[modality])
    ]


def check_levels(
    prior: Prior, levels: tuple[bytes, ...], segments: list[Indices], rate: int
) -> None:
    """Check that levels hold the indices of segments, and that their bytes are unique."""
    parsed = [parse_level(body, len(segments)) for body in levels]
    payloads = [list(own) for own in zip(*parsed, strict=True)]
    decoded = prior.decompress_levels(payloads, [segment.shape for segment in segments], rate)
    assert all(map(np.array_equal, decoded, segments))
    assert prior.compress_levels(segments, rate) == payloads


def main() -> None:
    """Check the segments of every stream: one at a time, and side by side with others."""
    models = read_models(np.int64 if sys.argv[1:] == ["int64"] else np.float64)
    side_by_side: dict[Any, list[tuple[bytes, Any]]] = {}
    for path in sorted(FOLDER.glob("*.vqc")):
        stream = parse_stream(path.read_bytes())
        fingerprint, rate = stream.header.fingerprint.hex(), stream.header.rate
        modality, prior = models[fingerprint]
        segments = split_planes(read_planes(path.stem), modality)
        if stream.levels:
            check_levels(prior, stream.levels, segments, rate)
            continue
        if not segments:
            assert stream.segments == (b"",), path
            continue
        assert len(segments) == len(stream.segments), path
        for payload, expected in zip(stream.segments, segments, strict=True):
            decoded = prior.decompress([payload], [expected.shape], rate)[0]
            assert np.array_equal(decoded, expected), path
            assert prior.compress([expected], rate) == [payload], path
            side_by_side.setdefault((fingerprint, rate), []).append((payload, expected))
    for (fingerprint, rate), pairs in side_by_side.items():
        payloads, expected = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        shapes = [segment.shape for segment in expected]
        decoded = models[fingerprint][1].decompress(payloads, shapes, rate)
        assert all(map(np.array_equal, decoded, expected)), fingerprint
    assert "torch" not in sys.modules
    print(f"{len(side_by_side)} groups of segments are as they were")


if __name__ == "__main__":
    main()
