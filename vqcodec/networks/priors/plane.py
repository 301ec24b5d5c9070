"""The prior of a plane of time and frequency in training, in floats."""

from __future__ import annotations

import math
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.priors.grid import GridPriorNetwork, GroupPredictor
from vqcodec.networks.priors.heads import prediction_bits, saturate
from vqcodec.networks.priors.storing import freeze_table, thaw_table
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.config import PlanePriorConfig
from vqcodec.priors.integer import Tensors
from vqcodec.priors.logistic import LOG2_SCALE_LIMIT
from vqcodec.priors.plane import books_of_band

START_LOG2_SCALE = -2.0  # in grid steps


def unbounded_bits(values: Tensor, mean: Tensor, log2_scale: Tensor) -> Tensor:
    """Return the cost in bits of integers under a discretised logistic, however unlikely they are.

    Unlike `logistic_bits`, it has a gradient everywhere: levels begin far from their predictions.
    """
    inverse = torch.exp2(-log2_scale.clamp(-LOG2_SCALE_LIMIT, LOG2_SCALE_LIMIT))
    distance = (values - mean).abs()
    upper, lower = (0.5 - distance) * inverse, (0.5 + distance) * inverse
    logarithm = functional.logsigmoid(upper) + functional.logsigmoid(lower)
    return -(logarithm + torch.log1p(-torch.exp(-inverse))) / math.log(2)


class PlanePriorNetwork(GridPriorNetwork):
    """Predicts indices [B, K * bands, F] of frames as a grid [B, K, F, bands].

    See `vqcodec.priors.plane` for what differs from a picture's grid.
    """

    config: PlanePriorConfig

    def __init__(self, config: PlanePriorConfig, codebook_sizes: tuple[int, ...]) -> None:
        super().__init__(config, books_of_band(config, codebook_sizes))
        # Bands that differ from the start, and small scales: most indices are zero.
        self.band_state = nn.Parameter(torch.randn(config.num_bands, config.width))
        if config.head == "logistic":
            for predictor in self.predictors:
                assert isinstance(predictor, GroupPredictor)
                nn.init.constant_(predictor.head.bias[1::2], START_LOG2_SCALE)

    def initial_state(self, rate: Tensor, height: int, width: int) -> Tensor:
        """Return the state [B, F, bands, W] before the first group."""
        start = interpolate_knots(self.rate_state, rate)[:, None]
        state = saturate(start + self.band_state[:width])
        return state[:, None].expand(-1, height, -1, -1)

    def spread(self, features: Tensor, number: int) -> Tensor:
        """Return features [B, F, bands, C]; see `PlanePriorConfig.source_of`."""
        source = self.config.source_of(number)
        return features if source is None else features[:, :, source]

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
        prediction = torch.cat(self(plane, rate, None), dim=-2)  # [B, F, bands, K, O]
        if self.head == "logistic":
            coded = plane - self.codebook_size // 2 if relaxed is None else self._plane(relaxed)
            costs = unbounded_bits(coded.movedim(1, -1), prediction[..., 0], prediction[..., 1])
            bits = costs.movedim(-1, 1)
        else:
            known = None if relaxed is None else self._plane(relaxed)
            bits = prediction_bits(self.head, prediction, plane, known, self.codebook_size)
        return bits.transpose(2, 3).flatten(1, 2)

    def freeze(self, positions: Tensor) -> dict[str, NDArray[Any]]:
        """Return the integer tensors; see `PriorNetwork`."""
        return {**super().freeze(positions), "band_state": freeze_table(self.band_state)}

    def thaw(self, tensors: Tensors, positions: Tensor) -> None:
        """Load what `freeze` stored."""
        super().thaw(tensors, positions)
        thaw_table(self.band_state, tensors["band_state"])

    def _plane(self, frames: Tensor) -> Tensor:
        """Return [B, K, F, bands] of [B, K * bands, F]."""
        batch, _, num_frames = frames.shape
        bands = frames.reshape(batch, -1, self.config.num_bands, num_frames)
        return bands.transpose(2, 3)
