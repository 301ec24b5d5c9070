"""Quantizers in NumPy: latents to indices and back; `networks.quantizers` trains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vqcodec.config import build_config
from vqcodec.registry import Kind, Registry, imported

if TYPE_CHECKING:
    from vqcodec.quantizers.base import Quantizer, Tensors
    from vqcodec.quantizers.configs import QuantizerConfig

QUANTIZERS = Registry(
    "quantizer.kind",
    {
        "finite_scalar": Kind(
            config="vqcodec.quantizers.configs:FiniteScalarConfig",
            runtime="vqcodec.quantizers.finite_scalar:FiniteScalarQuantizer",
            training="vqcodec.networks.quantizers.finite_scalar:FiniteScalarModule",
        ),
        "lattice": Kind(
            config="vqcodec.quantizers.configs:LatticeConfig",
            runtime="vqcodec.quantizers.lattice:LatticeQuantizer",
            training="vqcodec.networks.quantizers.lattice:LatticeModule",
        ),
        "residual": Kind(
            config="vqcodec.quantizers.configs:ResidualConfig",
            runtime="vqcodec.quantizers.residual:ResidualQuantizer",
            training="vqcodec.networks.quantizers.residual:ResidualModule",
        ),
    },
)


def quality_of(table: Mapping[str, Any], rate: int) -> float | None:
    """Return the quality, 1 … 10, of a rate byte, with as few decimals as tell it; two at most.

    It is None if no quality has this rate, or all have.

    Args:
        table: [quantizer] of a model file.
        rate: 0 … 255.

    Raises:
        ConfigError: the kind, a key or a value is wrong.
    """
    kind, rest = QUANTIZERS.split(table)
    config: QuantizerConfig = build_config(imported(kind.config), rest, "quantizer")
    if config.rate_of(1.0) == config.rate_of(10.0):
        return None
    for parts in (1, 10, 100):
        qualities = (number / parts for number in range(parts, 10 * parts + 1))
        found = [quality for quality in qualities if config.rate_of(quality) == rate]
        if found:
            return found[len(found) // 2]
    return None


def build_quantizer(table: Mapping[str, Any], tensors: Tensors) -> Quantizer:
    """Return the quantizer for a model file's [quantizer] table and tensors.

    Raises:
        ConfigError: the kind, a key or a value is wrong.
        ModelFileError: a tensor is missing or does not fit.
    """
    kind, rest = QUANTIZERS.split(table)
    config = build_config(imported(kind.config), rest, "quantizer")
    quantizer: Quantizer = imported(kind.runtime)(config, tensors)
    return quantizer
