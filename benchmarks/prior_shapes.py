"""Priors of different shapes on the indices of one run, each trained for the same processor time.

The indices of random training crops are made once. Held-out pictures, cut into crops, give the
bits of an index. Samples of each prior are drawn with and without sweeps, and written as one sheet:
a row for each shape, and half of its samples with sweeps.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fitting
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from result import write_result
from torch import Tensor

from vqcodec.networks.priors.grid import GridPriorNetwork
from vqcodec.priors.base import UNKNOWN
from vqcodec.priors.config import GridPriorConfig
from vqcodec.priors.grid import GridPrior
from vqcodec.training.modality import training_side
from vqcodec.training.trained_run import TrainedRun, load_run

SIDE = 32  # positions of a crop, each way
BATCH = 8
VALID_CROPS = 64
COLUMNS, GAP = 8, 4  # of the sheet
SWEEPS = 8
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Shape:
    """What differs between the priors."""

    period: int
    kernel: int
    width: int
    embedding: int = 16

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Return the shape that PERIOD,KERNEL,WIDTH[,EMBEDDING] names."""
        return cls(*map(int, text.split(",")))

    def config(self) -> GridPriorConfig:
        """Return the configuration of one codebook's prior."""
        return GridPriorConfig(
            groups=(1,),
            head="categorical",
            period=self.period,
            kernel_size=self.kernel,
            width=self.width,
            embedding_dim=self.embedding,
        )


def crops_of(indices: Tensor) -> Tensor:
    """Return the crops [N, 1, SIDE, SIDE] that fill indices [1, 1, h, w] from the upper left."""
    rows, columns = (side // SIDE for side in indices.shape[2:])
    whole = indices[0, 0, : rows * SIDE, : columns * SIDE]
    parts = whole.reshape(rows, SIDE, columns, SIDE).transpose(1, 2)
    return parts.reshape(-1, 1, SIDE, SIDE)


@torch.no_grad()
def collect(run: TrainedRun, num_crops: int) -> tuple[Tensor, Tensor]:
    """Return indices of training crops, [N, 1, 32, 32], and of held-out ones."""
    side = training_side(run.autoencoder.modality)
    table = {**run.recipe.data, "crop": SIDE * run.autoencoder.modality.geometry.step}
    dataset = side.dataset(run.manifest.train, table)
    generator = np.random.default_rng(0)
    rate = torch.ones(16, dtype=torch.int64)
    training = [
        run.autoencoder.indices_of(dataset.signals(16, generator), rate)
        for _ in range(-(-num_crops // 16))
    ]
    held_out = [
        crops_of(run.autoencoder.indices_of(side.excerpt(path), rate[:1]))
        for path in run.manifest.valid
    ]
    every = torch.cat(held_out)
    chosen = torch.from_numpy(np.random.default_rng(1).permutation(len(every))[:VALID_CROPS])
    return torch.cat(training)[:num_crops], every[chosen]


def fit(
    shape: Shape, size: int, training: Tensor, valid: Tensor, seconds: float
) -> tuple[GridPrior, dict[str, Any]]:
    """Return the frozen prior of a shape, and its figures, after `seconds` of processor time."""
    torch.manual_seed(0)
    network = GridPriorNetwork(shape.config(), (size,))
    generator, ones = np.random.default_rng(2), torch.ones(BATCH)

    def loss() -> Tensor:
        batch = training[torch.from_numpy(generator.choice(len(training), BATCH))]
        return network.bits(batch, ones).mean()

    steps = fitting.fit(network, loss, seconds, LEARNING_RATE)
    network.eval()
    with torch.no_grad():
        bits = float(torch.cat([
            network.bits(part, ones[: len(part)]).flatten() for part in torch.split(valid, BATCH)
        ]).mean())  # fmt: skip
    tensors = network.freeze(torch.ones(256))
    stored = sum(tensor.nbytes for tensor in tensors.values())
    prior = GridPrior(shape.config(), (size,), tensors)
    start = time.process_time()
    prior.compress([valid[0].numpy()], 1)
    coded_s = time.process_time() - start
    return prior, {"steps": steps, "bits": bits, "bytes": stored, "code_cpu_s": coded_s}


def samples(
    run: TrainedRun, prior: GridPrior, number: int, temperature: float, sweeps: int
) -> list[NDArray[np.uint8]]:
    """Return sampled pictures [H, W, 3]."""
    pictures = []
    autoencoder, rate = run.autoencoder, torch.ones(1, dtype=torch.int64)
    for seed in range(number):
        unknown = np.full((1, SIDE, SIDE), UNKNOWN)
        indices = prior.fill(unknown, 1, np.random.default_rng(seed), temperature, sweeps)
        with torch.no_grad():
            latents = autoencoder.quantizer.dequantize(torch.from_numpy(indices)[None], rate)
            image = autoencoder.decoder(latents, autoencoder.quantizer.rate_fraction(rate))
        pixels = (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
        pictures.append(pixels.numpy())
    return pictures


def main() -> None:
    """Train every shape, and write the result and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="of a recipe with one codebook for pictures")
    parser.add_argument("shapes", type=Shape.parse, nargs="+", metavar="PERIOD,KERNEL,WIDTH[,E]")
    parser.add_argument("--seconds", type=float, default=120, help="of processor time, each")
    parser.add_argument("--crops", type=int, default=2_000, help="to train on")
    parser.add_argument("--temperature", type=float, default=0.9)
    parser.add_argument("--sheet", type=Path, help="picture of samples, as .webp")
    options = parser.parse_args()
    run = load_run(options.run)
    (size,) = run.autoencoder.quantizer.codebook_sizes
    training, valid = collect(run, options.crops)
    counts = torch.bincount(training.flatten(), minlength=size) + 0.1
    histogram = float(-torch.log2(counts / counts.sum())[valid].mean())
    print(f"histogram: {histogram:.3f} bits", flush=True)
    rows, found = [], []
    for shape in options.shapes:
        prior, figures = fit(shape, size, training, valid, options.seconds)
        print(shape, {name: round(value, 3) for name, value in figures.items()}, flush=True)
        found.append({**vars(shape), **figures})
        if options.sheet is not None:
            half = COLUMNS // 2
            rows.append(
                samples(run, prior, half, options.temperature, 0)
                + samples(run, prior, half, options.temperature, SWEEPS)
            )
    if options.sheet is not None:
        save_sheet(rows, options.sheet)
    write_result(
        "shapes_of_priors",
        {
            "run_steps": run.step,
            "seconds": options.seconds,
            "n": len(valid),
            "fixed_width": float(np.log2(size)),
            "histogram": histogram,
            "shapes": found,
        },
    )


def save_sheet(rows: list[list[NDArray[np.uint8]]], path: Path) -> None:
    """Write rows of pictures of one size as one picture."""
    side = rows[0][0].shape[0] + GAP
    sheet = Image.new("RGB", (side * len(rows[0]) - GAP, side * len(rows) - GAP), "white")
    for row, pictures in enumerate(rows):
        for column, pixels in enumerate(pictures):
            sheet.paste(Image.fromarray(pixels), (column * side, row * side))
    sheet.save(path, quality=90)


if __name__ == "__main__":
    main()
