"""Steps of a training with and without --compile.

Two trainings of a recipe, a plain and a compiled one, take turns in one process on one core.
Seconds are of the processor, so that other work on the machine counts less. With `prior`, the
networks are those of the first step.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from result import write_result

from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions
from vqcodec.training.compiling import check_compiling
from vqcodec.training.data import read_data_of_run
from vqcodec.training.prior import PriorTraining
from vqcodec.training.recipe import read_recipe
from vqcodec.training.state import open_run
from vqcodec.training.trained_run import load_run

BLOCK = 4  # steps of a turn
WARM_UP = 3  # steps that are not counted; the first one compiles

Step = Callable[[], object]


def steps_of_autoencoders(recipe_name: str, data: Path, folder: Path, *, joint: bool) -> list[Step]:
    """Return the steps of a plain and of a compiled training."""
    recipe, _ = read_recipe(recipe_name)
    steps: list[Step] = []
    for compiled in (False, True):
        run = folder / str(compiled)
        run.mkdir()
        options = TrainingOptions(run=run, data=[data], compiled=compiled)
        training = AutoencoderTraining(recipe, options, joint=joint)
        training.begin()
        steps.append(training.train_step)
    return steps


def steps_of_priors(recipe_name: str, data: Path, folder: Path) -> list[Step]:
    """Return the steps of a plain and of a compiled training of a prior."""
    recipe, text = read_recipe(recipe_name)
    run = folder / "run"
    open_run(run, text)
    AutoencoderTraining(recipe, TrainingOptions(run=run, data=[data], steps=1), joint=False).run()
    data_of_run = read_data_of_run(load_run(run))
    return [
        PriorTraining(run, data_of_run, "cpu", compiled=compiled).train_step
        for compiled in (False, True)
    ]


def timed(step: Step, count: int) -> list[float]:
    """Return the processor's seconds of each of some steps."""
    seconds = []
    for _ in range(count):
        start = time.process_time()
        step()
        seconds.append(time.process_time() - start)
    return seconds


def measure(plain: Step, compiled: Step, num_steps: int) -> dict[str, float]:
    """Return the seconds to compile, and the medians of a step."""
    timed(plain, WARM_UP)
    start = time.perf_counter()
    timed(compiled, WARM_UP)
    to_compile = time.perf_counter() - start
    seconds: tuple[list[float], list[float]] = ([], [])
    while len(seconds[0]) < num_steps:
        for found, step in zip(seconds, (plain, compiled), strict=True):
            found.extend(timed(step, BLOCK))
    plain_s, compiled_s = map(statistics.median, seconds)
    return {
        "n": len(seconds[0]),
        "plain_step_s": plain_s,
        "compiled_step_s": compiled_s,
        "least_plain_step_s": min(seconds[0]),
        "least_compiled_step_s": min(seconds[1]),
        "change_percent": 100 * (compiled_s / plain_s - 1),
        "to_compile_s": to_compile,
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["vqvae", "joint", "prior"])
    parser.add_argument("recipe")
    parser.add_argument("data", type=Path, help="folder of pictures or sounds")
    parser.add_argument("--steps", type=int, default=24, help="of each kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "cache")  # nothing is compiled yet
        check_compiling("cpu")
        if options.what == "prior":
            plain, compiled = steps_of_priors(options.recipe, options.data, folder)
        else:
            joint = options.what == "joint"
            plain, compiled = steps_of_autoencoders(
                options.recipe, options.data, folder, joint=joint
            )
        figures = measure(plain, compiled, options.steps)
    name = f"compiling_{options.what}_{options.recipe}"
    write_result(name, {"torch": torch.__version__, "recipe": options.recipe, **figures})


if __name__ == "__main__":
    main()
