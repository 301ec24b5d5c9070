"""Seconds of a training step of four crops on one core: the networks of `image`, and smaller ones.

The arithmetic is that of convolutions and matrix products in both directions, as PyTorch counts it.
The rate of the core is that of the convolution that networks spend most of their time in.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from result import write_result
from torch.utils.flop_counter import FlopCounterMode

from vqcodec.networks.precision import gains_by_bfloat16, lay_channels_last
from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions
from vqcodec.training.recipe import Recipe, read_recipe

NETWORKS = ((192, 2), (384, 2), (384, 6))  # latents; residual units of each of the two widths
BATCH = 4
WARM_UP = 20  # steps that are not counted: the first batches are not loaded ahead


def recipe_of(dim: int, num_units: int) -> Recipe:
    """Return the recipe `image` with AdamW, four crops a step, and networks of a size."""
    recipe, _ = read_recipe("image")
    groups = list(recipe.prior["groups"])
    while sum(groups) > dim:
        groups.pop()
    return replace(
        recipe,
        network=recipe.network | {"dim": dim, "fine_units": num_units, "coarse_units": num_units},
        quantizer=recipe.quantizer | {"dim": dim},
        prior=recipe.prior | {"groups": groups},
        schedule=replace(recipe.schedule, batch_size=BATCH, optimizer="adamw"),
    )


def measure(recipe: Recipe, data: Path, num_steps: int) -> dict[str, float]:
    """Return the median seconds of a joint training's step, and its operations."""
    with tempfile.TemporaryDirectory() as run:
        options = TrainingOptions(run=Path(run), data=[data], workers=1)
        training = AutoencoderTraining(recipe, options, joint=True)
        training.begin()
        for _ in range(WARM_UP):
            training.train_step()
        seconds = []
        for _ in range(num_steps):
            start = time.perf_counter()
            training.train_step()
            seconds.append(time.perf_counter() - start)
        with FlopCounterMode(display=False) as counter:
            training.train_step()
        training.loader.close()
    return {"step_s": statistics.median(seconds), "gflop": counter.get_total_flops() / 1e9}


def convolution_gflops(num_runs: int = 200) -> float:
    """Return the rate of a convolution of 128 channels at 1/8 of the resolution of four crops."""
    dtype = torch.bfloat16 if gains_by_bfloat16("cpu") else torch.float32
    layer = torch.nn.Conv2d(128, 128, 3, padding=1).to(dtype)
    features = torch.zeros(BATCH, 128, 24, 24, dtype=dtype).to(memory_format=torch.channels_last)
    lay_channels_last(layer)
    seconds = []
    with torch.inference_mode():
        for _ in range(num_runs):
            start = time.perf_counter()
            layer(features)
            seconds.append(time.perf_counter() - start)
    operations: int = 2 * layer.weight.numel() * BATCH * 24 * 24
    return operations / statistics.median(seconds) / 1e9


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of pictures")
    parser.add_argument("--steps", type=int, default=40, help="of each size of networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        {"dim": dim, "units": units, **measure(recipe_of(dim, units), options.data, options.steps)}
        for dim, units in NETWORKS
    ]
    figures = {"n": options.steps, "torch": torch.__version__, "batch": BATCH}
    write_result(
        "training_steps", {**figures, "convolution_gflops": convolution_gflops(), "steps": rows}
    )


if __name__ == "__main__":
    main()
