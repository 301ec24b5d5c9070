"""Each tiny model's prior: the float network, frozen, and the int64 reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TABLES
from tiny_training import tiny_prior_network

from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.quantizers import QuantizerModule, build_quantizer_module
from vqcodec.priors import build_prior
from vqcodec.priors.base import Prior

Indices = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class PriorCase:
    """A prior in its three forms, and the quantizer whose indices it predicts."""

    name: str
    table: dict[str, Any]
    quantizer: QuantizerModule
    network: PriorNetwork
    prior: Prior
    reference: Prior

    @property
    def rates(self) -> list[int]:
        return [0, 3, 128, 255] if self.name in ("image", "speech") else [1, 2, 3, 4]

    @property
    def grids(self) -> list[tuple[int, ...]]:
        if self.table["kind"] == "grid":
            return [(1, 1), (1, 9), (6, 1), (2, 2), (3, 5), (8, 8)]
        return [(0,), (1,), (2,), (3,), (17,)]

    def indices(self, rate: int, grid: Sequence[int], seed: int = 0) -> Indices:
        """Any indices of the codebooks; most of them near the middle."""
        generator = np.random.default_rng([seed, rate, *grid])
        size, shape = (
            self.quantizer.codebook_sizes[0],
            (self.quantizer.config.codebooks_at(rate), *grid),
        )
        near = generator.normal(size // 2, size / 8, shape).round().clip(0, size - 1)
        anywhere = generator.integers(0, size, shape)
        return np.where(generator.random(shape) < 0.9, near, anywhere).astype(np.int64)

    def float_bits(self, indices: Indices, rate: int) -> float:
        """The bits of indices [K', ...] by the float network."""
        missing = self.quantizer.num_codebooks - len(indices)
        whole = np.concatenate([indices, np.zeros((missing, *indices.shape[1:]), np.int64)])
        rates = torch.tensor([rate])
        with torch.no_grad():
            bits = self.network.bits(
                torch.from_numpy(whole)[None],
                self.quantizer.rate_fraction(rates),
                self.quantizer.in_use(rates),
            )
        return float(bits.sum())


def _make_case(name: str) -> PriorCase:
    torch.manual_seed(sum(name.encode()))
    table = TABLES[name]["prior"]
    quantizer = build_quantizer_module(TABLES[name]["quantizer"])
    network = tiny_prior_network(table, quantizer.codebook_sizes)
    tensors = network.freeze(quantizer.rate_fraction(torch.arange(256)).clamp(0, 1))
    prior, reference = (
        build_prior(table, quantizer.codebook_sizes, tensors, dtype)
        for dtype in (np.float64, np.int64)
    )
    return PriorCase(name, table, quantizer, network, prior, reference)


@pytest.fixture(scope="session", params=list(TABLES))
def case(request: pytest.FixtureRequest) -> PriorCase:
    """Each of the tiny priors in turn."""
    return _make_case(request.param)


@pytest.fixture(scope="session", params=[name for name in TABLES if "residual" not in name])
def logistic_case(request: pytest.FixtureRequest) -> PriorCase:
    """Those with a logistic head."""
    return _make_case(request.param)
