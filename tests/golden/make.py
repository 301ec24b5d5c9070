"""Makes the golden files of a format version: tiny models, streams, and the indices in them.

It writes what is missing. Golden files change only together with the version of the format.
"""

from __future__ import annotations

import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from read import PROGRESSIVE_SUFFIX, read_models, read_planes, split_planes
from tiny import HOP, PATCH, load_tiny_model, noise_clip, noise_picture, tiny_model_path

from vqcodec.bitstream.header import VERSION
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.codec.compress import coded_sections
from vqcodec.codec.model_file import read_model_file, write_model_file
from vqcodec.signals.files import Signal

FOLDER = Path(__file__).parent / f"v{VERSION}"
PROGRESSIVE = (
    "picture-in-two-segments",
    "residual-picture-between",
    "certain-picture-of-two-groups",
)


def signals() -> dict[str, tuple[str, Signal, dict[str, Any]]]:
    """Return the model, the signal and the options of each golden stream."""
    alpha = np.random.default_rng(0).integers(0, 256, (17, 33)).astype(np.uint8)
    with_more = replace(noise_picture(33, 17), alpha=alpha, icc_profile=bytes(range(40)))
    wide = noise_picture(64 * PATCH + 1, 20)
    long = noise_clip(1000 * HOP)  # 1001 frames
    stereo = noise_clip(3000, channels=2, sample_rate=44_100)
    return {
        "picture-of-one-pixel": ("image", noise_picture(1, 1), {"quality": 1}),
        "picture-grey": ("image", noise_picture(70, 50, channels=1), {"quality": 10}),
        "picture-with-more": ("image", with_more, {}),
        "picture-in-two-segments": ("image", wide, {"quality": 7}),
        "sound-empty": ("speech", noise_clip(0), {}),
        "sound-of-one-sample": ("speech", noise_clip(1), {"quality": 10}),
        "sound-mixed-down": ("speech", stereo, {"quality": 8}),
        "sound-of-two-channels": ("speech", stereo, {"separate_channels": True}),
        "sound-in-two-segments": ("speech", long, {"quality": 3}),
        "residual-picture-coarse": ("residual-image", noise_picture(33, 17), {"quality": 1}),
        "residual-picture-between": ("residual-image", wide, {"quality": 5}),
        "residual-picture-fine": ("residual-image", noise_picture(97, 130), {"quality": 10}),
        "residual-sound-coarse": ("residual-speech", stereo, {"quality": 1}),
        "residual-sound-between": ("residual-speech", noise_clip(5000), {"quality": 5}),
        "residual-sound-fine": ("residual-speech", stereo, {"quality": 10}),
        "scalar-picture": ("scalar-image", noise_picture(33, 17), {}),
        "histogram-sound": ("histogram-speech", stereo, {"separate_channels": True}),
        "uniform-picture": ("uniform-image", noise_picture(33, 17), {}),
        "pair": ("pairs", stereo, {"quality": 8}),
        "pair-of-one-channel": ("pairs", noise_clip(500), {"quality": 5}),
        "pairs-and-singles": ("pairs", noise_clip(999, channels=6), {"quality": 10}),
        "pair-of-magnitudes": ("magnitudes", stereo, {"quality": 8}),
        "pair-in-frame-phases": ("frame-phases", stereo, {"quality": 8}),
        "pair-in-halved-bands": ("halved-bands", stereo, {"quality": 8}),
        "certain-picture-of-no-groups": ("certain-image", noise_picture(16, 16), {"quality": 1}),
        "certain-picture-of-two-groups": (
            "certain-image",
            noise_picture(16, 16, seed=1),
            {"quality": 1},
        ),
        "certain-picture-in-two-segments": ("certain-image", wide, {"quality": 5}),
        "certain-picture-fine": ("certain-image", noise_picture(97, 130), {"quality": 10}),
    }


def main() -> None:
    """Write the streams that the folder lacks, and their models and indices."""
    FOLDER.mkdir(exist_ok=True)
    make_models_and_streams()
    for name in PROGRESSIVE:
        path = FOLDER / f"{name}{PROGRESSIVE_SUFFIX}.vqc"
        if not path.exists():
            path.write_bytes(progressive_stream(name))


def progressive_stream(name: str) -> bytes:
    """Return a progressive stream with the indices of a golden one."""
    plain = parse_stream((FOLDER / f"{name}.vqc").read_bytes())
    modality, prior = read_models(np.float64)[plain.header.fingerprint.hex()]
    segments = split_planes(read_planes(name), modality)
    payloads = prior.compress_levels(segments, plain.header.rate)
    return build_stream(Stream(plain.header, tuple(coded_sections(payloads, progressive=True))))


def make_models_and_streams() -> None:
    """Write tiny models, their streams, and the indices in them; existing files are kept."""
    missing = {
        name: recipe for name, recipe in signals().items() if not (FOLDER / f"{name}.vqc").exists()
    }
    if not missing:
        return
    indices = {}
    if (FOLDER / "indices.npz").exists():
        with np.load(FOLDER / "indices.npz") as archive:
            indices = dict(archive)
    used = sorted({model_name for model_name, _, _ in missing.values()})
    models = {name: load_tiny_model(name) for name in used}
    for stream_name, (model_name, signal, options) in missing.items():
        stream = models[model_name].compress(signal, **options)
        (FOLDER / f"{stream_name}.vqc").write_bytes(stream)
        for number, plane in enumerate(models[model_name].indices_of(stream)):
            indices[f"{stream_name}/{number}"] = plane.astype(np.int16)
    add_models(used)
    np.savez_compressed(FOLDER / "indices.npz", allow_pickle=False, **indices)


def add_models(names: list[str]) -> None:
    """Add tiny models to the archive of models; existing models are kept."""
    path = FOLDER / "models.tar.xz"
    with TemporaryDirectory() as folder:
        if path.exists():
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
        for name in names:
            file = read_model_file(tiny_model_path(name))
            # Any decoder network will do, so the weights are zeros, which take no space.
            tensors = {
                key: value * 0 if key.startswith(("encoder.", "decoder.")) else value
                for key, value in file.tensors.items()
            }
            own = Path(folder) / f"{name}.safetensors"
            if not own.exists():
                write_model_file(own, name=name, tables=file.tables, tensors=tensors, card={})
        with tarfile.open(path, "w:xz") as archive:
            for own in sorted(Path(folder).iterdir()):
                archive.add(own, own.name)


if __name__ == "__main__":
    main()
