"""The commands of `vqcodec train`, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vqcodec.errors import UsageError
from vqcodec.networks.processes import process_rank
from vqcodec.priors import is_learnt
from vqcodec.training.autoencoder import TrainingOptions, train_autoencoder
from vqcodec.training.cache import DEFAULT_BYTES
from vqcodec.training.data import read_data_of_run
from vqcodec.training.export import save_model
from vqcodec.training.frozen_prior import freeze_prior
from vqcodec.training.joining import joined_processes
from vqcodec.training.prior import PriorTraining
from vqcodec.training.prior_comparison import judge_priors
from vqcodec.training.state import read_recipe_of
from vqcodec.training.trained_run import load_run


def train_vqvae(
    *,
    data: Sequence[str | Path],
    recipe: str,
    run: Path,
    steps: int | None,
    seed: int,
    device: str,
    skip_bad: bool = False,
    workers: int | None = None,
    memory_bytes: int = DEFAULT_BYTES,
    compiled: bool = False,
) -> None:
    """Train networks and codebooks by distortion alone, under a uniform prior.

    A run that was begun before is resumed.

    Args:
        data: files, folders, tar archives and lists of files; see `sources.find_names`.
        recipe: name of a shipped recipe, or path of a TOML file.
        run: folder for checkpoints and logs.
        steps: stop after this step; None for the recipe's last.
        seed: of the split, the excerpts and the weights.
        device: "cpu" or "cuda".
        skip_bad: go on without the files that cannot be read.
        workers: threads that load batches; None for a number by the cores.
        memory_bytes: decoded files are kept in memory up to this size.
        compiled: whether torch.compile compiles the networks; results differ by rounding.
    """
    options = TrainingOptions(
        run=run,
        data=data,
        seed=seed,
        steps=steps,
        device=device,
        skip_bad=skip_bad,
        workers=workers,
        memory_bytes=memory_bytes,
        compiled=compiled,
    )
    train_autoencoder(recipe, options, joint=False)


def train_joint(
    *,
    data: Sequence[str | Path],
    recipe: str,
    run: Path,
    start_from: str | None,
    steps: int | None,
    seed: int,
    device: str,
    skip_bad: bool = False,
    workers: int | None = None,
    memory_bytes: int = DEFAULT_BYTES,
    compiled: bool = False,
) -> None:
    """Train networks, codebooks and prior together: weighted distortion plus bits.

    Args are those of `train_vqvae`, and `start_from`: the folder of a run, or a model (name,
    fingerprint or file). Its weights initialise the networks and, if it has a learnt prior, the
    prior. A run that has a checkpoint is resumed from there instead.
    """
    options = TrainingOptions(
        run=run,
        data=data,
        seed=seed,
        steps=steps,
        device=device,
        start_from=start_from,
        skip_bad=skip_bad,
        workers=workers,
        memory_bytes=memory_bytes,
        compiled=compiled,
    )
    train_autoencoder(recipe, options, joint=True)


def train_prior(
    *,
    run: Path,
    data: Sequence[str | Path] = (),
    steps: int | None = None,
    device: str = "cpu",
    skip_bad: bool = False,
    workers: int | None = None,
    memory_bytes: int = DEFAULT_BYTES,
    compiled: bool = False,
) -> dict[str, float] | None:
    """Fit the prior of a run to its indices, or resume that, and return bits per index.

    If several processes train, process 0 returns them, and the others return None.

    Args:
        run: folder of the run; its networks stay as they are.
        data: files and folders; none for those of the run. Held-out files stay held out.
        steps: stop after this step; None for the recipe's last.
        device: "cpu" or "cuda".
        skip_bad: go on without the files that cannot be read.
        workers: threads that load batches; None for a number by the cores.
        memory_bytes: decoded files are kept in memory up to this size.
        compiled: whether torch.compile compiles the networks; results differ by rounding.
    """
    trained = load_run(run)
    with joined_processes(device):
        files = read_data_of_run(trained, data, skip_bad=skip_bad, memory_bytes=memory_bytes)
        if is_learnt(trained.recipe.prior):
            training = PriorTraining(run, files, device, workers=workers, compiled=compiled)
            training.run_to(steps)
        return judge_priors(load_run(run), files) if process_rank() == 0 else None


def export_model(*, run: Path, output: Path, name: str) -> str:
    """Write a run's autoencoder and frozen prior as a model file and return its fingerprint."""
    trained = load_run(run)
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: a model file ends in .safetensors")
    card: dict[str, Any] = {
        **trained.recipe.card,
        "recipe": read_recipe_of(run),
        "steps": trained.step,
        "seed": trained.seed,
        "num_training_files": len(trained.manifest.train),
        "num_held_out_files": len(trained.manifest.valid),
        "parameters": sum(p.numel() for p in trained.autoencoder.parameters()),
        "torch": torch.__version__,
    }
    return save_model(
        output,
        name=name,
        tables=trained.recipe.model_tables(),
        autoencoder=trained.autoencoder,
        prior=freeze_prior(trained),
        card=card,
    )
