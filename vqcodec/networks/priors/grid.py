"""The prior of pictures while it trains, in floats; `grid` evaluates it in integers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.priors.heads import IndexFeatures, activate, saturate
from vqcodec.networks.priors.storing import StoredLayer, convolution, linear
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.config import GridPriorConfig, check_codebooks
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

    def stored_layers(self) -> Iterator[StoredLayer]:
        """Yield every layer that a model file stores."""
        for number, group in enumerate(self.predictors):
            assert isinstance(group, GroupPredictor)
            prefix = f"groups.{number}"
            axes = (0, 3, 4, 2, 1)  # [P, k, k, C, W]
            yield StoredLayer(f"{prefix}.context", group.context, group.phase_bias, axes)
            yield linear(f"{prefix}.trunk", group.trunk)
            yield linear(f"{prefix}.hidden", group.hidden)
            yield linear(f"{prefix}.head", group.head, self.head)
            if number + 1 < len(self.predictors):
                yield convolution(f"{prefix}.update", group.update)
                yield linear(f"{prefix}.merge", group.merge)
