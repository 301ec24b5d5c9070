"""Priors while they train, in floats; `priors` evaluates them in integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vqcodec.config import build_config
from vqcodec.errors import ConfigError
from vqcodec.priors.config import FramesPriorConfig, GridPriorConfig

if TYPE_CHECKING:
    from vqcodec.networks.priors.base import PriorNetwork


def build_prior_network(table: Mapping[str, Any], codebook_sizes: tuple[int, ...]) -> PriorNetwork:
    """Return the untrained network of the [prior] table of a recipe, for a grid or for frames.

    Raises:
        ConfigError: there is no such kind, or a key or value is wrong.
    """
    rest = dict(table)
    kind = rest.pop("kind", None)
    if kind == "grid":
        from vqcodec.networks.priors.grid import GridPriorNetwork

        return GridPriorNetwork(build_config(GridPriorConfig, rest, "prior"), codebook_sizes)
    if kind == "frames":
        from vqcodec.networks.priors.frames import FramesPriorNetwork

        return FramesPriorNetwork(build_config(FramesPriorConfig, rest, "prior"), codebook_sizes)
    raise ConfigError(f"prior.kind: {kind!r} is not 'grid' or 'frames'")
