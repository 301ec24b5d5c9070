"""A recipe: all settings of a training, in one TOML file."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from vqcodec.config import build_config, check_least, check_positive, check_range, check_share
from vqcodec.errors import ConfigError
from vqcodec.files import is_file

MOST_EXCERPTS = 65_536  # of a batch


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleConfig:
    """How long to train and how fast to learn."""

    steps: int
    batch_size: int = 8
    optimizer: Literal["adamw", "soap"] = "adamw"  # of the networks; the prior has AdamW
    learning_rate: float = 2e-4
    warmup_steps: int = 200
    final_fraction: float = 0.05  # of the learning rate, reached at the end
    decay_fraction: float | None = None  # last share of the steps, of a linear decay; None: cosine
    gradient_limit: float = 1.0  # largest norm of gradients; others are clipped
    average_decay: float = 0.999  # of the moving average of the weights, per step
    prior_learning_rate: float = 5e-4

    def __post_init__(self) -> None:
        check_least(self, "schedule", 1, "steps")
        check_range(self, "schedule", 1, MOST_EXCERPTS, "batch_size")
        check_positive(self, "schedule", "learning_rate", "prior_learning_rate", "gradient_limit")
        check_range(self, "schedule", 0, 10, "learning_rate", "prior_learning_rate")
        check_range(self, "schedule", 0, 1, "final_fraction")
        check_share(self, "schedule", "average_decay")  # with 1, averages would never move
        check_least(self, "schedule", 0, "warmup_steps")
        if self.decay_fraction is not None:
            check_positive(self, "schedule", "decay_fraction")
            check_range(self, "schedule", 0, 1, "decay_fraction")

    def learning_rate_factor(self, step: int) -> float:
        """Return the factor of a learning rate: a linear warm-up, then a decay to final_fraction.

        Without a decay_fraction, the decay is a cosine over all steps. With it, the factor is 1
        and decays linearly over this last fraction of the steps, so that a run can be prolonged.
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.decay_fraction is None:
            progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
            left = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        else:
            left = (self.steps - step) / (self.decay_fraction * self.steps)
        return self.final_fraction + (1 - self.final_fraction) * min(1.0, max(0.0, left))


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """The objective: distortion times a weight, plus bits in joint training.

    The weight is coarsest_weight at the coarsest rate and finest_weight at the finest, geometric
    between them. The loss of an item is divided by its weight to the power of `balance`, so that
    fine rates do not dominate. Each modality lists its distortions.
    """

    distortion: str = "default"
    coarsest_weight: float = 1.0
    finest_weight: float = 1.0
    balance: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self, "objective", "coarsest_weight", "finest_weight")
        check_range(self, "objective", 0, 1, "balance")

    def weight_at(self, fraction: Tensor) -> Tensor:
        """Return the weights [B] of the distortion at rate fractions [B], 0 … 1."""
        ratio = self.finest_weight / self.coarsest_weight
        return self.coarsest_weight * ratio**fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The tables of a recipe; each part checks its own table."""

    modality: str
    network: dict[str, Any]
    quantizer: dict[str, Any]
    prior: dict[str, Any]
    schedule: ScheduleConfig
    data: dict[str, Any] = field(default_factory=dict)
    objective: ObjectiveConfig = ObjectiveConfig()
    prior_schedule: ScheduleConfig | None = None
    card: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None  # a model that held-out files are compared with

    def __post_init__(self) -> None:
        if self.prior_schedule is not None and self.prior_schedule.optimizer != "adamw":
            raise ConfigError("prior_schedule.optimizer: a prior has AdamW alone")
        try:
            json.dumps(self.card)
        except TypeError as error:
            raise ConfigError("card: only texts, numbers and lists; write dates as text") from error

    def model_tables(self) -> dict[str, Any]:
        """Return the tables that a model file keeps."""
        names = ("modality", "network", "quantizer", "prior")
        return {name: getattr(self, name) for name in names}


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with the program."""
    folder = resources.files("vqcodec.training.recipes")
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read_recipe(name: str) -> tuple[Recipe, str]:
    """Return a recipe by its shipped name or its path, and its text.

    Raises:
        ConfigError: there is no such recipe, or it is not valid.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not is_file(path):
            raise ConfigError(f"{name}: no such recipe file")
        try:
            text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: cannot be read as text") from error
    elif name in shipped_recipes():
        text = (resources.files("vqcodec.training.recipes") / f"{name}.toml").read_text("utf-8")
    else:
        raise ConfigError(f"recipe {name!r}: not one of {', '.join(shipped_recipes())}")
    return parse_recipe(text), text


def parse_recipe(text: str) -> Recipe:
    """Return the recipe that a TOML text describes."""
    return build_config(Recipe, parse_tables(text), "recipe")


def parse_tables(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ConfigError: it is not TOML, or too deep.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers that are too long
        raise ConfigError(f"recipe: not valid TOML: {error}") from error
