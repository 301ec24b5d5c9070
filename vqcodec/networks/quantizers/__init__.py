"""Latents to indices and back, by the name that recipes and model files use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqcodec.config import build_config
from vqcodec.errors import ConfigError
from vqcodec.networks.quantizers.base import Quantized, Quantizer
from vqcodec.networks.quantizers.finite_scalar import FiniteScalarConfig, FiniteScalarQuantizer
from vqcodec.networks.quantizers.lattice import LatticeConfig, LatticeQuantizer
from vqcodec.networks.quantizers.residual import ResidualConfig, ResidualQuantizer

__all__ = ["Quantized", "Quantizer", "build_quantizer"]

_KINDS: dict[str, tuple[type[Any], type[Any]]] = {
    "finite_scalar": (FiniteScalarConfig, FiniteScalarQuantizer),
    "lattice": (LatticeConfig, LatticeQuantizer),
    "residual": (ResidualConfig, ResidualQuantizer),
}


def build_quantizer(table: Mapping[str, Any]) -> Quantizer:
    """Return the quantizer of the [quantizer] table of a recipe or a model file.

    Raises:
        ConfigError: there is no such kind, or a key or value is wrong.
    """
    rest = dict(table)
    kind = rest.pop("kind", None)
    if kind not in _KINDS:
        raise ConfigError(f"quantizer.kind: {kind!r} is not one of {', '.join(_KINDS)}")
    config_class, quantizer_class = _KINDS[kind]
    quantizer: Quantizer = quantizer_class(build_config(config_class, rest, "quantizer"))
    return quantizer
