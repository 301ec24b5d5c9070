"""Quantizers side by side: the same networks, data and steps, and each quantizer in turn.

Every recipe `benchmarks/recipes/quantizer-*.toml` is trained jointly with its prior; then the prior
is fitted to the final networks. A run that is there is resumed or used as it is. Whole files are
compressed, written and restored; their bits and errors are means over the files.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from result import ROOT, write_result

import vqcodec
from vqcodec.codec.model import Model
from vqcodec.evaluation.curves import build_curve, gap_or_none
from vqcodec.files import find_files
from vqcodec.rate import bits_per_pixel
from vqcodec.signals.files import read_signal
from vqcodec.signals.picture import Picture, psnr
from vqcodec.signals.suffixes import PICTURE_FORMATS
from vqcodec.training.autoencoder import TrainingOptions, train_autoencoder
from vqcodec.training.commands import export_model, train_prior

RECIPES = Path(ROOT, "benchmarks", "recipes")
QUANTIZERS = ("codebook", "residual", "scalar", "lattice")
QUALITIES = {  # that differ in what they code
    "codebook": (5.0,),
    "residual": (2.5, 5.0, 7.5, 10.0),
    "scalar": (5.0,),
    "lattice": (1.0, 3.0, 5.0, 7.0, 10.0),
}


def trained(
    name: str, runs: Path, data: Sequence[Path], steps: int | None, prior_steps: int | None
) -> tuple[Model, dict[str, Any]]:
    """Return the model of a quantizer, and facts of its training; trains what is missing.

    Steps that are None are those of the recipe.
    """
    run = runs / name
    recipe = str(RECIPES / f"quantizer-{name}.toml")
    before_s = time.process_time()
    train_autoencoder(recipe, TrainingOptions(run=run, data=data, steps=steps), joint=True)
    bits = train_prior(run=run, data=data, steps=prior_steps)
    seconds = time.process_time() - before_s
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.safetensors")
        export_model(run=run, output=path, name=name)
        facts = {"cpu_minutes": seconds / 60, "bits_per_index": bits, "bytes": path.stat().st_size}
        return vqcodec.load(path), facts


def measure(model: Model, pictures: Sequence[Picture], quality: float) -> dict[str, float]:
    """Return the mean rate, error and time of pictures as whole streams."""
    rows = []
    for picture in pictures:
        start_s = time.process_time()
        stream = model.compress(picture, quality=quality)
        compressed_s = time.process_time()
        decoded = model.decompress(stream)
        decoded_s = time.process_time()
        assert isinstance(decoded, Picture)
        bpp = bits_per_pixel(len(stream), picture.width, picture.height)
        times = (compressed_s - start_s, decoded_s - compressed_s)
        rows.append((bpp, psnr(picture, decoded), *times))
    means = np.mean(rows, axis=0).tolist()
    names = ("bits_per_pixel", "psnr_db", "compress_cpu_s", "decompress_cpu_s")
    return {"quality": quality, **dict(zip(names, means, strict=True))}


def main() -> None:
    """Train, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training", type=Path, help="pictures to train on")
    parser.add_argument("pictures", type=Path, help="pictures to measure on")
    parser.add_argument("--runs", type=Path, default=Path("runs", "quantizers"))
    parser.add_argument("--every", type=int, default=1, help="measure each n-th picture")
    parser.add_argument("--steps", type=int, help="of each training; default: the recipe's")
    parser.add_argument("--prior-steps", type=int, help="default: the recipe's")
    options = parser.parse_args()
    files = find_files([options.pictures], PICTURE_FORMATS)[:: options.every]
    pictures = [signal for signal in map(read_signal, files) if isinstance(signal, Picture)]
    found: dict[str, Any] = {}
    curves = {}
    for name in QUANTIZERS:
        model, facts = trained(
            name, options.runs, [options.training], options.steps, options.prior_steps
        )
        points = [measure(model, pictures, quality) for quality in QUALITIES[name]]
        for point in points:
            print(name, {key: round(value, 3) for key, value in point.items()}, flush=True)
        found[name] = {**facts, "points": points}
        if len(points) > 1:
            pairs = [(point["bits_per_pixel"], point["psnr_db"]) for point in points]
            curves[name] = build_curve(name, pairs)
    gap = gap_or_none(curves["residual"], curves["lattice"])
    write_result(
        "quantizers",
        {"n": len(pictures), "quantizers": found, "lattice_to_residual_percent": gap},
    )


if __name__ == "__main__":
    main()
