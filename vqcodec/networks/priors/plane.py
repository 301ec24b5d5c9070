"""The prior of a plane of time and frequency in training, in floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.activations import returning_clamp
from vqcodec.networks.priors.grid import GridPriorNetwork, GroupPredictor
from vqcodec.networks.priors.heads import IndexFeatures, prediction_bits, saturate
from vqcodec.networks.priors.storing import freeze_table, thaw_table
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.config import PlanePriorConfig
from vqcodec.priors.integer import Tensors
from vqcodec.priors.logistic import (
    LOG2_SCALE_LIMIT,
    NUM_ODDS,
    ODDS_PER_OCTAVE,
    magnitude_table,
    make_hurdle_tables,
)
from vqcodec.priors.plane import books_of_band

START_LOG2_SCALE = -2.0  # in grid steps
MOST_ODDS = (NUM_ODDS - 1) / ODDS_PER_OCTAVE  # octaves
LEAST_NATS = 1e-6  # of a zero, so that other numbers are never impossible


def unbounded_bits(values: Tensor, mean: Tensor, log2_scale: Tensor) -> Tensor:
    """Return the cost in bits of integers under a discretised logistic, however unlikely they are.

    Unlike `logistic_bits`, it has a gradient everywhere: levels begin far from their predictions.
    """
    inverse = torch.exp2(-log2_scale.clamp(-LOG2_SCALE_LIMIT, LOG2_SCALE_LIMIT))
    distance = (values - mean).abs()
    upper, lower = (0.5 - distance) * inverse, (0.5 + distance) * inverse
    logarithm = functional.logsigmoid(upper) + functional.logsigmoid(lower)
    return -(logarithm + torch.log1p(-torch.exp(-inverse))) / math.log(2)


def hurdle_bits(values: Tensor, log2_odds: Tensor, log2_scale: Tensor) -> Tensor:
    """Return the cost in bits of integers around zero, under what `make_hurdle_tables` stores.

    Between integers, the cost is interpolated.

    Args:
        values: of any shape.
        log2_odds: the logarithm of the factor of the odds of zero.
        log2_scale: of the logistic.
    """
    if values.is_floating_point():
        below = values.detach().floor()
        costs = [hurdle_bits(at.long(), log2_odds, log2_scale) for at in (below, below + 1)]
        return torch.lerp(costs[0], costs[1], values - below)
    mean, to_nats = torch.zeros_like(log2_scale), math.log(2)
    of_zero = unbounded_bits(mean, mean, log2_scale) * to_nats
    others = torch.log(-torch.expm1(-of_zero.clamp(min=LEAST_NATS)))
    raised = to_nats * returning_clamp(log2_odds, 0.0, MOST_ODDS) - of_zero
    total = torch.logaddexp(raised, others)
    nats = torch.where(values == 0, -raised, unbounded_bits(values, mean, log2_scale) * to_nats)
    return (total + nats) / to_nats


class PlanePriorNetwork(GridPriorNetwork):
    """Predicts indices [B, K * bands, F] of frames as a grid [B, K, F, bands].

    See `vqcodec.priors.plane` for what differs from a picture's grid.
    """

    config: PlanePriorConfig

    def __init__(self, config: PlanePriorConfig, codebook_sizes: tuple[int, ...]) -> None:
        super().__init__(config, books_of_band(config, codebook_sizes))
        self.counts_tables = config.magnitudes
        self.slots = config.slots  # of every band
        # Bands that differ from the start, and small scales: most indices are zero.
        self.band_state = nn.Parameter(torch.randn(config.num_bands, config.width))
        self.slot_state = nn.Parameter(torch.randn(len(config.starts), config.width))
        if config.head == "logistic":
            for predictor in self.predictors:
                assert isinstance(predictor, GroupPredictor)
                nn.init.constant_(predictor.head.bias[1::2], START_LOG2_SCALE)

    def make_tables(self) -> dict[str, NDArray[Any]]:
        """Return the tables of exact indices, and of those whose signs are not predicted."""
        hurdle = {"hurdle_tables": make_hurdle_tables()} if self.config.magnitudes else {}
        return super().make_tables() | hurdle

    def make_features(self, codebook_sizes: tuple[int, ...]) -> IndexFeatures:
        """Return what the network sees of an index."""
        if not self.config.magnitudes:
            return super().make_features(codebook_sizes)
        num_exact = sum(self.config.groups[: self.config.num_exact])
        table = magnitude_table(codebook_sizes[0], len(codebook_sizes), num_exact)
        return IndexFeatures(self.head, codebook_sizes, 1, torch.from_numpy(table))

    def initial_state(self, rate: Tensor, height: int, width: int) -> Tensor:  # noqa: ARG002
        """Return the state [B, F, slots, W] before the first group."""
        start = interpolate_knots(self.rate_state, rate)[:, None]
        state = saturate(start + self.slot_state)
        return state[:, None].expand(-1, height, -1, -1)

    def state_after(self, state: Tensor, number: int) -> Tensor:
        """Return the state for the group after a group: of bands, from the last slots on."""
        if number + 1 != self.config.num_exact:
            return state
        return saturate(state[:, :, self.slots] + self.band_state)

    def columns_of(self, features: Tensor, number: int) -> Tensor:
        """Return the features [B, F, slots or bands, C] of the columns of a group."""
        if number >= self.config.num_exact:
            return features
        return features[:, :, self.config.columns]

    def bits(
        self,
        indices: Tensor,
        rate: Tensor,
        in_use: Tensor | None = None,
        relaxed: Tensor | None = None,
    ) -> Tensor:
        """Return the cost in bits of every index, [B, K * bands, F]; see `PriorNetwork`."""
        assert in_use is None, "a lattice uses all codebooks"
        plane = self._plane(indices)
        known = None if relaxed is None else self._plane(relaxed)
        predictions = self(plane, rate, None)
        num_exact, columns = self.config.num_exact, self.config.columns
        of_slots = torch.cat(predictions[:num_exact], dim=-2)  # [B, F, slots, K', O]
        of_bands = torch.cat(predictions[num_exact:], dim=-2)  # [B, F, bands, K - K', O]
        first = of_slots.shape[-2]
        bits = torch.zeros(plane.shape, device=of_bands.device)
        bits[:, :first, :, columns] = self._costs(
            of_slots,
            plane[:, :first, :, columns],
            None if known is None else known[:, :first, :, columns],
        )
        bits[:, first:] = self._costs(
            of_bands,
            plane[:, first:],
            None if known is None else known[:, first:],
            hurdle_bits if self.config.magnitudes else unbounded_bits,
        )
        return bits.transpose(2, 3).flatten(1, 2)

    def _costs(
        self,
        prediction: Tensor,
        indices: Tensor,
        relaxed: Tensor | None,
        bits_of: Callable[[Tensor, Tensor, Tensor], Tensor] = unbounded_bits,
    ) -> Tensor:
        """Return the bits [B, K, F, n] of indices [B, K, F, n]; prediction [B, F, n, K, O]."""
        if self.head != "logistic":
            return prediction_bits(self.head, prediction, indices, relaxed, self.codebook_size)
        coded = indices - self.codebook_size // 2 if relaxed is None else relaxed
        costs = bits_of(coded.movedim(1, -1), prediction[..., 0], prediction[..., 1])
        return costs.movedim(-1, 1)

    def freeze(self, positions: Tensor) -> dict[str, NDArray[Any]]:
        """Return the integer tensors; see `PriorNetwork`."""
        states = {name: freeze_table(getattr(self, name)) for name in ("band_state", "slot_state")}
        return {**super().freeze(positions), **states}

    def thaw(self, tensors: Tensors, positions: Tensor) -> None:
        """Load what `freeze` stored."""
        super().thaw(tensors, positions)
        for name in ("band_state", "slot_state"):
            thaw_table(getattr(self, name), tensors[name])

    def _plane(self, frames: Tensor) -> Tensor:
        """Return [B, K, F, bands] of [B, K * bands, F]."""
        batch, _, num_frames = frames.shape
        bands = frames.reshape(batch, -1, self.config.num_bands, num_frames)
        return bands.transpose(2, 3)
