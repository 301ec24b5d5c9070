"""The split that a recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqcodec.config import build_config, check_share
from vqcodec.training.manifest import Manifest, split_files
from vqcodec.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitConfig:
    """The keys of a recipe's [data] table that decide which files are held out."""

    valid_fraction: float = 0.04
    group_separator: str = ""

    def __post_init__(self) -> None:
        check_share(self, "data", "valid_fraction")


def split_by_recipe(
    files: Sequence[str], recipe: Recipe, seed: int, kept: Manifest | None = None
) -> Manifest:
    """Return the split of files for a recipe's [data] table and a seed; see `split_files`."""
    keys = ("valid_fraction", "group_separator")
    table = {key: recipe.data[key] for key in keys if key in recipe.data}
    config = build_config(SplitConfig, table, "data")
    return split_files(
        files,
        seed=seed,
        valid_fraction=config.valid_fraction,
        group_separator=config.group_separator,
        kept=kept,
    )
