"""Saving and resuming: everything that the next step of a training depends on."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqcodec.errors import ConfigError, InputError, OutputError, UsageError
from vqcodec.files import is_folder, naming_failures, write_text, writing
from vqcodec.interrupts import uninterrupted
from vqcodec.training.old_layout import with_known_taps
from vqcodec.training.recipe import parse_tables

CHECKPOINT, PRIOR_CHECKPOINT, RECIPE = "checkpoint.pt", "prior.pt", "recipe.toml"  # of a run
_UNFIT = (RuntimeError, ValueError, LookupError, TypeError, AttributeError)  # names, shapes, types
AVERAGED_EVERY = 4  # steps; an average over hundreds of steps needs no finer updates


def step_seed(parts: Sequence[int]) -> tuple[int, np.random.Generator]:
    """Return what all random numbers of a step depend on: a seed for torch, and a generator.

    Args:
        parts: the seed of the run, then the number of the step.
    """
    generator = np.random.default_rng(parts)
    return int(generator.integers(2**63)), generator


class AveragedWeights:
    """An exponential moving average of a module's floating-point state, with a warm-up."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {
            name: value.detach().clone()
            for name, value in module.state_dict().items()
            if value.is_floating_point()
        }

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Update the average every few steps; the decay is lower at first."""
        if step % AVERAGED_EVERY:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** AVERAGED_EVERY
        state = module.state_dict()
        current = [state[name] for name in self.values]
        torch._foreach_lerp_(list(self.values.values()), current, 1 - decay)

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Load the averages of a checkpoint, on the device of the module."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def in_place_of_weights(self, module: nn.Module) -> Iterator[None]:
        """Give the module the averaged weights inside the `with` block.

        Ctrl-C and SIGTERM wait for the end of an exchange: half of one would be saved.
        """
        swapped = False
        try:
            with uninterrupted():
                self._swap(module)
                swapped = True
            yield
        finally:
            if swapped:
                with uninterrupted():
                    self._swap(module)

    def _swap(self, module: nn.Module) -> None:
        """Exchange the average and the module's own weights."""
        state = module.state_dict()
        for name, value in self.values.items():
            kept = state[name].clone()
            state[name].copy_(value)
            value.copy_(kept)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; an interruption leaves the previous one whole.

    Raises:
        OutputError: it cannot be written.
    """
    with writing(path, overwrite=True) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # how torch reports a full disk
            raise OutputError(
                f"{path}: cannot be written, perhaps because the disk is full: {error}"
            ) from error


def load_state(path: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """Return a checkpoint: tensors, numbers and text only, never pickled objects.

    Weights in the layout of an older version are converted.

    Raises:
        InputError: it is missing or damaged, or lacks what is needed, or what it holds is of
            another type.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch does not check the sums
                raise InputError(f"{path}: not a readable checkpoint")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(f"{path}: not a readable checkpoint") from error
    try:
        if not all(_is_fit(name, state[name]) for name in needed):
            raise TypeError("a value of another type")
        return with_known_taps(state)
    except _UNFIT as error:
        raise InputError(f"{path}: not a checkpoint of a training") from error


def _is_fit(name: str, value: object) -> bool:
    """Return whether a value of a checkpoint is of the type that belongs to its name."""
    if name in {"module", "average"}:
        return isinstance(value, dict) and all(isinstance(own, Tensor) for own in value.values())
    if name in {"step", "seed", "autoencoder_step"}:
        return isinstance(value, int) and value >= 0
    return True


@contextmanager
def fitting_recipe(run: Path) -> Iterator[None]:
    """Name the run if weights are loaded in the block that are not those of its recipe."""
    try:
        yield
    except _UNFIT as error:
        raise ConfigError(f"{run}: its checkpoint was not trained with its {RECIPE}") from error


def check_recipe(run: Path, recipe_text: str) -> None:
    """Check that a run, if it was begun before, has this recipe.

    `schedule.steps` may differ, so that a run can be prolonged, and so may [prior_schedule] and
    [card], which do not change the networks.

    Raises:
        ConfigError: the run was begun with another recipe.
        InputError: its recipe is damaged.
    """
    if not any((run / name).exists() for name in (CHECKPOINT, PRIOR_CHECKPOINT)):
        return  # nothing was trained
    try:
        kept = _lasting(read_recipe_of(run))
    except ConfigError as error:
        raise InputError(f"{run / RECIPE}: not a readable recipe") from error
    given = _lasting(recipe_text)
    others = [name for name in sorted({*kept, *given}) if kept.get(name) != given.get(name)]
    if others:
        raise ConfigError(
            f"{run}: was begun with another recipe, which differs in {', '.join(others[:3])}; "
            "choose another folder"
        )


@contextmanager
def alone_in(run: Path) -> Iterator[None]:
    """Let no other training write into a run's folder during the block.

    Raises:
        UsageError: another one does.
    """
    try:
        import fcntl  # not on Windows
    except ImportError:
        yield
        return
    folder = os.open(run, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(folder)
        raise UsageError(f"{run}: another training runs in this folder") from error
    except OSError:  # the file system has no locks
        pass
    try:
        yield
    finally:
        os.close(folder)


def check_folder(run: Path) -> None:
    """Check that a run can have this folder.

    Raises:
        OutputError: a file has this name.
    """
    if os.path.lexists(run) and not is_folder(run):
        raise OutputError(f"{run}: is a file, and a run is a folder")


def read_recipe_of(run: Path) -> str:
    """Return the text of a run's recipe.

    Raises:
        InputError: it is missing, or no text.
    """
    try:
        return (run / RECIPE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{run / RECIPE}: not a readable recipe") from error


def open_run(run: Path, recipe_text: str) -> None:
    """Make the folder of a run and store its recipe there, or update what may change there.

    Raises:
        ConfigError: the run was begun with another recipe.
        OutputError: the folder or the recipe cannot be written.
    """
    check_recipe(run, recipe_text)
    check_folder(run)
    with naming_failures(run):
        run.mkdir(parents=True, exist_ok=True)
    kept = run / RECIPE
    if not kept.exists():
        write_text(kept, recipe_text, overwrite=False)
    elif kept.read_text(encoding="utf-8") != recipe_text:
        write_text(kept, recipe_text, overwrite=True)


def _lasting(recipe_text: str) -> dict[str, Any]:
    """Return the values of a recipe that a run keeps, by table and key."""
    values: dict[str, Any] = {}
    for name, table in parse_tables(recipe_text).items():
        if name not in ("card", "prior_schedule"):
            own = table if isinstance(table, dict) else {"": table}
            values |= {f"{name}.{key}".rstrip("."): value for key, value in own.items()}
    values.pop("schedule.steps", None)
    return values
