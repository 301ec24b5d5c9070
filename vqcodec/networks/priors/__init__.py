"""Priors in training, in floats; `vqcodec.priors` evaluates them in integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqcodec.config import build_config
from vqcodec.errors import ConfigError
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.priors import PRIORS
from vqcodec.registry import imported


def build_prior_network(table: Mapping[str, Any], codebook_sizes: tuple[int, ...]) -> PriorNetwork:
    """Return the untrained network of the [prior] table of a recipe, a grid or a frames prior.

    Raises:
        ConfigError: there is no such kind, it is not learnt, or a key or value is wrong.
    """
    kind, rest = PRIORS.split(table)
    if not kind.training:
        raise ConfigError(f"prior.kind: {table['kind']!r} has no network to train")
    config = build_config(imported(kind.config), rest, "prior")
    network: PriorNetwork = imported(kind.training)(config, codebook_sizes)
    return network
