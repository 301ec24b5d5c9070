"""Quantizers in NumPy: latents to indices and back; `networks.quantizers` trains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqcodec.config import build_config
from vqcodec.quantizers.base import Quantizer, Tensors
from vqcodec.registry import Kind, Registry, imported

QUANTIZERS = Registry(
    "quantizer.kind",
    {
        "finite_scalar": Kind(
            config="vqcodec.quantizers.finite_scalar:FiniteScalarConfig",
            runtime="vqcodec.quantizers.finite_scalar:FiniteScalarQuantizer",
            training="vqcodec.networks.quantizers.finite_scalar:FiniteScalarModule",
        ),
        "lattice": Kind(
            config="vqcodec.quantizers.lattice:LatticeConfig",
            runtime="vqcodec.quantizers.lattice:LatticeQuantizer",
            training="vqcodec.networks.quantizers.lattice:LatticeModule",
        ),
        "residual": Kind(
            config="vqcodec.quantizers.residual:ResidualConfig",
            runtime="vqcodec.quantizers.residual:ResidualQuantizer",
            training="vqcodec.networks.quantizers.residual:ResidualModule",
        ),
    },
)


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
