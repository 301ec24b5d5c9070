"""The prior of pictures in training, in floats; `vqcodec.priors.grid` uses integers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.precision import MixedPrecision
from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.priors.heads import IndexFeatures, activate, saturate
from vqcodec.networks.priors.storing import StoredLayer, convolution, linear
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.config import GridPriorConfig, check_codebooks
from vqcodec.priors.order import Size, known_taps, phase_offsets


class NarrowUpdate(nn.Module):
    """A convolution over states and features that sees no state around a position.

    States around tell little beyond features around, and cost most of the time.
    """

    def __init__(self, width: int, num_features: int, kernel: Size) -> None:
        super().__init__()
        self.width, self.kernel = width, kernel
        # Of a convolution [*kernel, W + C]: which weights there are, and which are of features.
        self.places = np.ones((*kernel, width + num_features), np.bool_)
        self.places[..., :width] = False
        of_features = self.places.copy()
        self.places[kernel[0] // 2, kernel[1] // 2] = True
        is_own = ~of_features[self.places]
        bounds = np.where(is_own, width, num_features * math.prod(kernel)) ** -0.5
        uniform = 2 * torch.rand(len(bounds), width) - 1
        self.taps = nn.Parameter(uniform * torch.from_numpy(bounds)[:, None].float())
        self.bias = nn.Parameter((2 * torch.rand(width) - 1) * width**-0.5)
        self.own, self.around = (np.flatnonzero(part).tolist() for part in (is_own, ~is_own))

    def forward(self, known: Tensor) -> Tensor:
        """Return [B, W, h, w] of states and features [B, W + C, h, w]."""
        width, (high, wide) = self.width, self.kernel
        state, features = known[:, :width], known[:, width:]
        of_own = self.taps[self.own].T[:, :, None, None]
        of_features = self.taps[self.around].reshape(high, wide, -1, width).permute(3, 2, 0, 1)
        around = functional.conv2d(features, of_features, padding=(high // 2, wide // 2))
        return functional.conv2d(state, of_own, self.bias) + around


def stored_update(name: str, update: nn.Module) -> StoredLayer:
    """Return how an update is stored: [*kernel, W + C, W], zero for states around a position."""
    if isinstance(update, NarrowUpdate):
        return StoredLayer(name, update.taps, update.bias, axes=(0, 1), places=update.places)
    return convolution(name, update)


class GroupPredictor(nn.Module):
    """Predicts one group of codebooks from the groups before it and its own earlier phases.

    In training all indices are known, so all phases are predicted in one pass.
    """

    def __init__(
        self,
        width: int,
        cell: Size,
        kernel: Size,
        update_kernel: Size,
        num_features: int,
        num_outputs: int,
        *,
        narrow_update: bool = False,
    ) -> None:
        super().__init__()
        self.cell, self.kernel = cell, kernel
        # Plain integers: torch.compile cannot trace arrays.
        self.offsets = phase_offsets(cell)
        known = known_taps(cell, kernel)
        self.taps: list[list[list[int]]] = [np.argwhere(phase).tolist() for phase in known]
        num_taps = sum(map(len, self.taps))
        scale = (num_features * math.prod(kernel)) ** -0.5
        # Weights for known neighbours only, phase by phase.
        self.context = nn.Parameter(torch.randn(width, num_taps, num_features) * scale)
        self.phase_bias = nn.Parameter(torch.zeros(math.prod(cell), width))
        self.trunk = nn.Linear(width, width)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, num_outputs)
        self.update: nn.Module
        if narrow_update:
            self.update = NarrowUpdate(width, num_features, update_kernel)
        else:
            around = (update_kernel[0] // 2, update_kernel[1] // 2)
            self.update = nn.Conv2d(width + num_features, width, update_kernel, padding=around)
        self.merge = nn.Linear(width, width)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def predict(self, state: Tensor, features: Tensor) -> Tensor:
        """Return the inputs [B, h, w, W] of `head`.

        Args:
            state: [B, h, w, W], of the groups before this one.
            features: [B, h, w, C] of this group; a phase sees only those of earlier phases.
        """
        hidden = activate(self.trunk(state) + self.context_of(features))
        return activate(self.hidden(hidden))

    def context_of(self, features: Tensor) -> Tensor:
        """Return the context [B, h, w, W] of every position, for features [B, h, w, C]."""
        high, wide = self.cell
        above, left = self.kernel[0] // 2, self.kernel[1] // 2
        height, width = features.shape[1:3]
        right, below = left + -width % wide, above + -height % high
        around = functional.pad(features, (0, 0, left, right, above, below))
        rows, columns = -(-height // high), -(-width // wide)
        weights = torch.split(self.context, [len(taps) for taps in self.taps], dim=1)
        cells: list[Tensor] = [features] * len(self.offsets)  # by position in a cell
        for (row, column), taps, weight, bias in zip(
            self.offsets, self.taps, weights, self.phase_bias, strict=True
        ):
            seen = [
                around[
                    :,
                    row + down : row + down + high * rows - high + 1 : high,
                    column + across : column + across + wide * columns - wide + 1 : wide,
                ]
                for down, across in taps
            ]
            if seen:
                known = torch.cat(seen, dim=-1)  # [B, rows, columns, T * C]
                context = functional.linear(known, weight.flatten(1), bias)
            else:
                context = bias.to(around.dtype).expand(len(features), rows, columns, -1)
            cells[row * wide + column] = context
        grid = torch.stack(cells, dim=3)  # [B, rows, columns, phases, W]
        grid = grid.reshape(*grid.shape[:3], high, wide, -1).transpose(2, 3)
        grid = grid.flatten(1, 2).flatten(2, 3)  # [B, high * rows, wide * columns, W]
        return grid[:, :height, :width]

    def advance(self, state: Tensor, features: Tensor) -> Tensor:
        """Return the state [B, h, w, W], updated with this group's features [B, h, w, C]."""
        known = torch.cat([activate(state).to(features.dtype), features], dim=-1)
        update: Tensor = self.update(known.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return saturate(state + self.merge(activate(update)))

    def stored_context(self, name: str) -> StoredLayer:
        """Return how the context is stored: [P, *kernel, C, W], zero for unknown neighbours."""
        known = known_taps(self.cell, self.kernel)
        return StoredLayer(name, self.context, self.phase_bias, axes=(1, 2, 0), places=known)


class GridPriorNetwork(PriorNetwork, MixedPrecision):
    """Predicts indices [B, K, h, w] group by group, and within a group phase by phase.

    Channel groups are from Minnen and Singh 2020 (arXiv:2007.08739), uneven ones from ELIC (He et
    al. 2022, arXiv:2203.10886); the phases generalise the checkerboard (He et al. 2021,
    arXiv:2103.15306). There is no side information: the only inputs are indices and the rate.
    """

    def __init__(self, config: GridPriorConfig, codebook_sizes: tuple[int, ...]) -> None:
        super().__init__()
        check_codebooks(config, codebook_sizes)
        self.config = config
        self.head, self.group_sizes = config.head, config.groups
        self.tables = self.make_tables()
        self.codebook_size = codebook_sizes[0]
        self.rate_state = nn.Parameter(torch.randn(8, config.width) * 0.1)
        self.features = self.make_features(codebook_sizes)
        per_index, per_output = self.features.per_index, self.features.per_output
        self.predictors = nn.ModuleList(
            [
                GroupPredictor(
                    config.width,
                    config.cell_of(number),
                    config.kernel_of(number),
                    config.update_kernel_of(number),
                    per_index * size,
                    per_output * size,
                    narrow_update=config.narrow_updates,
                )
                for number, size in enumerate(config.groups)
            ]
        )
        # No group follows the last one.
        self.predictors[-1].update = nn.Identity()
        self.predictors[-1].merge = nn.Identity()

    def forward(self, indices: Tensor, rate: Tensor, in_use: Tensor | None) -> list[Tensor]:
        """Return the prediction for every group; see `PriorNetwork`."""
        height, width = indices.shape[2:]
        state = self.initial_state(rate, height, width)
        features = self.features(indices, 0, in_use).movedim(1, -1).contiguous()
        sizes = [self.features.per_index * size for size in self.config.groups]
        predictions = []
        with self.products(indices.device):
            features = features.to(torch.bfloat16) if self.in_bfloat16 else features
            for number, (predictor, own) in enumerate(
                zip(self.predictors, features.split(sizes, dim=-1), strict=True)
            ):
                assert isinstance(predictor, GroupPredictor)
                known = self.columns_of(own, number)
                hidden = predictor.predict(state, known)
                if number + 1 < len(sizes):
                    state = self.state_after(predictor.advance(state, known), number)
                with torch.autocast(hidden.device.type, enabled=False):
                    outputs = predictor.head(hidden.float())
                predictions.append(outputs.unflatten(-1, (self.config.groups[number], -1)))
        return predictions

    def make_features(self, codebook_sizes: tuple[int, ...]) -> IndexFeatures:
        """Return what the network sees of an index."""
        return IndexFeatures(self.head, codebook_sizes, self.config.embedding_dim)

    def initial_state(self, rate: Tensor, height: int, width: int) -> Tensor:
        """Return the state [B, h, w, W] before the first group."""
        start = interpolate_knots(self.rate_state, rate)
        return start[:, None, None].expand(-1, height, width, -1)

    def state_after(self, state: Tensor, number: int) -> Tensor:  # noqa: ARG002
        """Return the state [B, h, w, W] for the next group, after a group has advanced it."""
        return state

    def columns_of(self, features: Tensor, number: int) -> Tensor:  # noqa: ARG002
        """Return the features [B, h, w', C] of the columns of a group."""
        return features

    def stored_layers(self) -> Iterator[StoredLayer]:
        """Yield every layer that a model file stores."""
        for number, group in enumerate(self.predictors):
            assert isinstance(group, GroupPredictor)
            prefix = f"groups.{number}"
            yield group.stored_context(f"{prefix}.context")
            yield linear(f"{prefix}.trunk", group.trunk)
            yield linear(f"{prefix}.hidden", group.hidden)
            yield linear(f"{prefix}.head", group.head, self.head)
            if number + 1 < len(self.predictors):
                yield stored_update(f"{prefix}.update", group.update)
                yield linear(f"{prefix}.merge", group.merge)
