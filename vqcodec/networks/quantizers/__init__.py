"""The training side of quantizers, in torch, by their names in recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqcodec.config import build_config
from vqcodec.networks.quantizers.base import Quantized, QuantizerModule
from vqcodec.quantizers import QUANTIZERS
from vqcodec.registry import imported

__all__ = ["Quantized", "QuantizerModule", "build_quantizer_module"]


def build_quantizer_module(table: Mapping[str, Any]) -> QuantizerModule:
    """Return the untrained quantizer of the [quantizer] table of a recipe or a model file.

    Raises:
        ConfigError: there is no such kind, or a key or value is wrong.
    """
    kind, rest = QUANTIZERS.split(table)
    module: QuantizerModule = imported(kind.training)(
        build_config(imported(kind.config), rest, "quantizer")
    )
    return module
