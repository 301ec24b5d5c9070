"""The prior of sounds in training, in floats; `vqcodec.priors.frames` uses integers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.networks.priors.base import PriorNetwork
from vqcodec.networks.priors.heads import IndexFeatures, activate, saturate
from vqcodec.networks.priors.storing import StoredLayer, linear
from vqcodec.networks.residual import interpolate_knots
from vqcodec.priors.config import FramesPriorConfig, check_codebooks


class TimeLayer(nn.Module):
    """A residual layer over each frame and one earlier frame (a dilated causal convolution)."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.mix = nn.Linear(2 * width, width)
        self.merge = nn.Linear(width, width)

    def forward(self, state: Tensor) -> Tensor:
        """Return the state [B, F, W], updated with the frame `dilation` frames before."""
        earlier = functional.pad(state, (0, 0, self.dilation, 0))[:, : state.shape[1]]
        both = activate(torch.cat([state, earlier], dim=2))
        return saturate(state + self.merge(activate(self.mix(both))))


class FrameGroup(nn.Module):
    """Predicts one group of codebooks of a frame, then adds its indices to the state."""

    def __init__(self, width: int, num_features: int, num_outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, num_outputs)
        self.update = nn.Linear(width + num_features, width)
        self.merge = nn.Linear(width, width)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def predict(self, state: Tensor) -> Tensor:
        """Return the outputs [B, F, O] for the state [B, F, W]."""
        return self.head(activate(self.hidden(activate(state))))  # type: ignore[no-any-return]

    def advance(self, state: Tensor, features: Tensor) -> Tensor:
        """Return the state [B, F, W], updated with this group's features [B, F, C]."""
        known = torch.cat([activate(state), features], dim=2)
        return saturate(state + self.merge(activate(self.update(known))))


class FramesPriorNetwork(PriorNetwork):
    """Predicts indices [B, K, F] frame by frame, and within a frame group by group.

    It is a causal network over frames, then a small network over the groups of a frame. So the
    cost of a frame depends on the number of groups, not on the number of codebooks.
    """

    def __init__(self, config: FramesPriorConfig, codebook_sizes: tuple[int, ...]) -> None:
        super().__init__()
        check_codebooks(config, codebook_sizes)
        self.config = config
        self.head, self.group_sizes = config.head, config.groups
        self.tables = self.make_tables()
        self.codebook_size = codebook_sizes[0]
        self.features = IndexFeatures(config.head, codebook_sizes, config.embedding_dim)
        width, per_index = config.width, self.features.per_index
        self.rate_state = nn.Parameter(torch.randn(8, width) * 0.1)
        self.first = nn.Linear(per_index * len(codebook_sizes), width)
        self.layers = nn.ModuleList([TimeLayer(width, d) for d in config.dilations])
        self.groups = nn.ModuleList(
            [FrameGroup(width, per_index * n, self.features.per_output * n) for n in config.groups]
        )
        # No group follows the last one.
        self.groups[-1].update = nn.Identity()
        self.groups[-1].merge = nn.Identity()

    def forward(self, indices: Tensor, rate: Tensor, in_use: Tensor | None) -> list[Tensor]:
        """Return the prediction for every group; see `PriorNetwork`."""
        features = self.features(indices, 0, in_use).transpose(1, 2)  # [B, F, K * E]
        features = functional.dropout(features, self.config.dropout, self.training)
        before = functional.pad(features, (0, 0, 1, 0))[:, :-1]
        state = saturate(self.first(before) + interpolate_knots(self.rate_state, rate)[:, None])
        for layer in self.layers:
            state = layer(state)
        predictions, first = [], 0
        for number, (size, group) in enumerate(zip(self.config.groups, self.groups, strict=True)):
            assert isinstance(group, FrameGroup)
            outputs = group.predict(state)
            predictions.append(outputs.reshape(*outputs.shape[:2], size, -1))
            if number + 1 < len(self.config.groups):
                last = first + size * self.features.per_index
                state = group.advance(state, features[:, :, first:last])
                first = last
        return predictions

    def stored_layers(self) -> Iterator[StoredLayer]:
        """Yield every layer that a model file stores."""
        yield linear("first", self.first)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, TimeLayer)
            yield linear(f"layers.{number}.mix", layer.mix)
            yield linear(f"layers.{number}.merge", layer.merge)
        for number, group in enumerate(self.groups):
            assert isinstance(group, FrameGroup)
            yield linear(f"groups.{number}.hidden", group.hidden)
            yield linear(f"groups.{number}.head", group.head, self.head)
            if number + 1 < len(self.groups):
                yield linear(f"groups.{number}.update", group.update)
                yield linear(f"groups.{number}.merge", group.merge)
