"""Trainings on more pictures than memory holds, and by several processes.

`memory DATA` cuts small JPEG pictures out of the pictures of a folder and trains on them for some
steps: the peak of resident memory, and the seconds. `processes DATA` trains a recipe by one process
and by several with the same batch, and compares the loss on held-out files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from result import write_result

from vqcodec.files import find_files
from vqcodec.training.recipe import read_recipe

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
WIDTH, HEIGHT, QUALITY = 512, 384, 90  # of a small picture

Figures = dict[str, float]


def make_pictures(sources: Sequence[Path], folder: Path, count: int) -> None:
    """Write random crops of pictures as JPEG, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    pictures = []
    for path in sources:
        with Image.open(path) as image:
            pictures.append(image.convert("RGB"))
    for number in range(count):
        picture = pictures[number % len(pictures)]
        width, height = min(WIDTH, picture.width), min(HEIGHT, picture.height)
        left = int(generator.integers(picture.width - width + 1))
        top = int(generator.integers(picture.height - height + 1))
        target = folder / f"{number:06}.jpg"
        if not target.exists():
            part = picture.crop((left, top, left + width, top + height))
            part.save(target, quality=QUALITY)


def decoded_bytes(path: Path) -> int:
    """Return the size of a picture in memory."""
    with Image.open(path) as image:
        return 3 * image.width * image.height


def train(data: Path, run: Path, recipe: str, steps: int, *, processes: int = 1) -> Figures:
    """Train, and return the seconds and the largest peak of resident memory of a process."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "vqcodec", "train"]
    options = ["--recipe", recipe, "-o", str(run), "--steps", str(steps)]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "joint", str(data), *options])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"train: exit code {os.waitstatus_to_exitcode(status)}")
    return {"seconds": time.perf_counter() - start, "peak_bytes": usage.ru_maxrss * 1024}


def reports(run: Path) -> list[dict[str, float]]:
    """Return the lines of a run's log."""
    text = (run / "log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def held_out_loss(run: Path, recipe_name: str) -> float:
    """Return the mean over rates of the last loss of held-out files, balanced as in training."""
    recipe, _ = read_recipe(recipe_name)
    objective, last = recipe.objective, reports(run)[-1]
    rates = sorted(int(key.partition("@")[2]) for key in last if key.startswith("valid_rate@"))
    middle = (objective.finest_weight * objective.coarsest_weight) ** 0.5
    losses: list[float] = []
    for rate in rates:
        share = (rate - rates[0]) / (rates[-1] - rates[0])
        weight = objective.coarsest_weight ** (1 - share) * objective.finest_weight**share
        distortion = 10 ** (-last[f"valid_quality_db@{rate}"] / 10)
        loss = weight * distortion + last[f"valid_rate@{rate}"]
        losses.append(loss * (middle / weight) ** objective.balance)
    return sum(losses) / len(losses)


def measure_memory(options: argparse.Namespace, folder: Path) -> None:
    """Train on many pictures, and write the result."""
    pictures = options.pictures or folder / "pictures"
    make_pictures(find_files([options.data], SUFFIXES), pictures, options.count)
    files = find_files([pictures], SUFFIXES)
    figures = train(pictures, folder / "run", options.recipe, options.steps)
    first, *_ = reports(folder / "run")
    write_result(
        "corpora_memory",
        {
            "recipe": options.recipe,
            "num_pictures": len(files),
            "file_bytes": sum(path.stat().st_size for path in files),
            "decoded_bytes": sum(map(decoded_bytes, files)),
            "steps": first["step"],
            "seconds_to_last_step": first["elapsed_s"],
            **figures,
        },
    )


def measure_processes(options: argparse.Namespace, folder: Path) -> None:
    """Train by one process and by several, and write the result."""
    found = {}
    for processes in (1, options.processes):
        run = folder / str(processes)
        figures = train(options.data, run, options.recipe, options.steps, processes=processes)
        figures["held_out_loss"] = held_out_loss(run, options.recipe)
        found[processes] = figures
    losses = [figures["held_out_loss"] for figures in found.values()]
    gap = 100 * (losses[1] / losses[0] - 1)
    write_result(
        "corpora_processes",
        {"recipe": options.recipe, "steps": options.steps, "gap_percent": gap, "processes": found},
    )


def main() -> None:
    """Measure and write a result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["memory", "processes"])
    parser.add_argument("data", type=Path, help="folder of pictures")
    parser.add_argument("--pictures", type=Path, help="folder for the small pictures; kept")
    parser.add_argument("--count", type=int, default=10_000, help="of small pictures")
    parser.add_argument("--recipe", default="image")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.what == "memory":
            measure_memory(options, Path(name))
        else:
            measure_processes(options, Path(name))


if __name__ == "__main__":
    main()
