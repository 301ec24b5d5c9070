"""The prior of pictures while it trains, in floats; `grid` evaluates it in integers."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.priors.freezing import as_array, freeze_coding, freeze_layer, freeze_rates
from vqcodec.networks.priors.heads import IndexFeatures, activate, saturate
from vqcodec.networks.priors.thawing import (
    assign,
    thaw_activations,
    thaw_layer,
    thaw_linear,
    thaw_rates,
)
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.config import GridPriorConfig, check_codebooks
from vqcodec.priors.integer import Tensors, freeze_activations, freeze_linear, named
from vqcodec.priors.order import known_taps, phase_offsets


class GroupPredictor(nn.Module):
    """Predicts one group of codebooks from the groups before it and its own earlier phases."""

    taps: Tensor

    def __init__(self, config: GridPriorConfig, num_features: int, num_outputs: int) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel_size
        taps = torch.from_numpy(known_taps(config.period, kernel)).float()
        self.register_buffer("taps", taps[:, None, None], persistent=False)  # [P, 1, 1, k, k]
        scale = (num_features * kernel * kernel) ** -0.5
        self.context = nn.Parameter(
            torch.randn(len(taps), width, num_features, kernel, kernel) * scale
        )
        self.phase_bias = nn.Parameter(torch.zeros(len(taps), width))
        self.trunk = nn.Linear(width, width)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, num_outputs)
        self.update = nn.Conv2d(width + num_features, width, 3, padding=1)
        self.merge = nn.Linear(width, width)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def kernels(self) -> tuple[Tensor, ...]:
        """Return the context's weights [W, C, k, k] by phase, zero at what is not known yet.

        All at once: gradients of single phases would each fill a tensor as large as all.
        """
        return (self.context * self.taps).unbind()

    def predict(
        self,
        state: Tensor,
        features: Tensor,
        kernel: Tensor,
        bias: Tensor,
        offset: tuple[int, int],
        period: int,
    ) -> Tensor:
        """Return the outputs [B, h', w', O] at one phase's positions.

        Args:
            state: [B, W, h, w], what the groups before this one say.
            features: [B, C, h, w] of this group; those of this and later phases are not looked at.
            kernel: [W, C, k, k] of this phase.
            bias: [W] of this phase.
            offset: the row and column of the phase's first position.
            period: the distance between its positions.
        """
        row, column = offset
        reach = self.context.shape[-1] // 2
        around = functional.pad(features, (reach, reach, reach, reach))[..., row:, column:]
        context = functional.conv2d(around, kernel, bias, stride=period)
        here = state[..., row::period, column::period].permute(0, 2, 3, 1)
        hidden = activate(self.trunk(here) + context.permute(0, 2, 3, 1))
        return self.head(activate(self.hidden(hidden)))  # type: ignore[no-any-return]

    def advance(self, state: Tensor, features: Tensor) -> Tensor:
        """Return the state [B, W, h, w] once this group's features [B, C, h, w] are known."""
        known = torch.cat([activate(state), features], dim=1)
        change = self.merge(activate(self.update(known)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return saturate(state + change)


class GridPriorNetwork(PriorNetwork):
    """Predicts indices [B, K, h, w] group by group, and within a group phase by phase.

    Channel groups are from Minnen and Singh 2020 (arXiv:2007.08739), uneven ones from ELIC (He et
    al. 2022, arXiv:2203.10886); the phases generalise the checkerboard (He et al. 2021,
    arXiv:2103.15306). There is no side information: everything it sees is indices.
    """

    def __init__(self, config: GridPriorConfig, codebook_sizes: tuple[int, ...]) -> None:
        super().__init__()
        check_codebooks(config, codebook_sizes)
        self.config = config
        self.head, self.group_sizes = config.head, config.groups
        self.codebook_size = codebook_sizes[0]
        self.offsets = phase_offsets(config.period)
        self.rate_state = nn.Parameter(torch.randn(8, config.width) * 0.1)
        self.features = IndexFeatures(config.head, codebook_sizes, config.embedding_dim)
        per_index, per_output = self.features.per_index, self.features.per_output
        self.predictors = nn.ModuleList(
            [GroupPredictor(config, per_index * n, per_output * n) for n in config.groups]
        )
        # The last group has nothing after it to tell.
        self.predictors[-1].update = nn.Identity()
        self.predictors[-1].merge = nn.Identity()

    def forward(self, indices: Tensor, rate: Tensor, in_use: Tensor | None) -> list[Tensor]:
        """Return what is predicted for every group; see `PriorNetwork`."""
        batch, _, height, width = indices.shape
        start = interpolate_knots(self.rate_state, rate)
        state = start[:, :, None, None].expand(-1, -1, height, width)
        predictions, first = [], 0
        for number, (size, predictor) in enumerate(
            zip(self.config.groups, self.predictors, strict=True)
        ):
            assert isinstance(predictor, GroupPredictor)
            features = self.features(indices[:, first : first + size], first, in_use)
            outputs = features.new_empty(batch, height, width, predictor.head.out_features)
            phases = zip(self.offsets, predictor.kernels(), predictor.phase_bias, strict=True)
            for (row, column), kernel, bias in phases:
                if row < height and column < width:
                    period = self.config.period
                    outputs[:, row::period, column::period] = predictor.predict(
                        state, features, kernel, bias, (row, column), period
                    )
            predictions.append(outputs.reshape(batch, height, width, size, -1))
            if number + 1 < len(self.config.groups):
                state = predictor.advance(state, features)
            first += size
        return predictions

    def freeze(self, positions: Tensor) -> dict[str, NDArray[Any]]:
        """Return the integer tensors of the frozen prior; see `PriorNetwork`."""
        head = self.config.head
        tensors = freeze_coding(head)
        tensors["features"] = freeze_activations(as_array(self.features.table))
        tensors["rate_state"] = freeze_rates(self.rate_state, positions)
        for number, group in enumerate(self.predictors):
            assert isinstance(group, GroupPredictor)
            prefix = f"groups.{number}"
            context = as_array(group.context).transpose(0, 3, 4, 2, 1)  # [P, k, k, C, W]
            frozen = freeze_linear(context, as_array(group.phase_bias))
            tensors |= named(f"{prefix}.context", frozen)
            tensors |= freeze_layer(f"{prefix}.trunk", group.trunk)
            tensors |= freeze_layer(f"{prefix}.hidden", group.hidden)
            tensors |= freeze_layer(f"{prefix}.head", group.head, head)
            if number + 1 < len(self.predictors):
                update = as_array(group.update.get_parameter("weight")).transpose(
                    2, 3, 1, 0
                )  # [3, 3, C, W]
                frozen = freeze_linear(update, as_array(group.update.get_parameter("bias")))
                tensors |= named(f"{prefix}.update", frozen)
                tensors |= freeze_layer(f"{prefix}.merge", group.merge)
        return tensors

    def thaw(self, tensors: Tensors, positions: Tensor) -> None:
        """Take the weights of a frozen prior of the same shape; see `PriorNetwork`."""
        head = self.config.head
        if head == "categorical":
            assign(self.features.table, thaw_activations(tensors["features"]))
        thaw_rates(self.rate_state, positions, tensors["rate_state"])
        for number, group in enumerate(self.predictors):
            assert isinstance(group, GroupPredictor)
            prefix = f"groups.{number}"
            context, bias = thaw_linear(tensors, f"{prefix}.context")
            assign(group.context, context.transpose(0, 4, 3, 1, 2))
            assign(group.phase_bias, bias)
            thaw_layer(group.trunk, tensors, f"{prefix}.trunk")
            thaw_layer(group.hidden, tensors, f"{prefix}.hidden")
            thaw_layer(group.head, tensors, f"{prefix}.head", head)
            if number + 1 < len(self.predictors):
                update, bias = thaw_linear(tensors, f"{prefix}.update")
                assign(group.update.get_parameter("weight"), update.transpose(3, 2, 0, 1))
                assign(group.update.get_parameter("bias"), bias)
                thaw_layer(group.merge, tensors, f"{prefix}.merge")
