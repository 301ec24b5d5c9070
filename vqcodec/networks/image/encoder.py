"""Picture to latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vqcodec.modalities.image.config import PATCH, PatchesConfig
from vqcodec.networks.activations import leaky_relu
from vqcodec.networks.precision import MixedPrecision, UnitStack
from vqcodec.networks.residual import RateModulation, ResidualUnit2d

LOG_GAIN_LIMIT = 4.0  # gains stay finite for any stream


class PointwiseConv(nn.Conv2d):
    """A 1x1 convolution as a matrix product, which is faster on channels-last features."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__(num_inputs, num_outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return outputs [B, O, h, w], channels last in memory, of features [B, C, h, w]."""
        if torch.compiler.is_exporting():  # graphs keep their features channels first
            return super().forward(features)
        rows = features.permute(0, 2, 3, 1)
        return functional.linear(rows, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def patches_of(image: Tensor, side: int) -> Tensor:
    """Return `pixel_unshuffle(image, side)` [B, C * side ** 2, h, w], channels last in memory."""
    if torch.compiler.is_exporting():
        return functional.pixel_unshuffle(image, side)
    batch, channels, height, width = image.shape
    cells = image.reshape(batch, channels, height // side, side, width // side, side)
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(3).permute(0, 3, 1, 2)


class LatentGate(nn.Module):
    """Scales every latent by a gain computed from the features; initially 1.

    Gains adapt to the content as divisive normalization does (Ballé et al. 2016,
    arXiv:1511.06281). Residual units with rectifiers learn such a product only slowly.
    """

    def __init__(self, num_features: int, dim: int) -> None:
        super().__init__()
        self.log_gain = PointwiseConv(num_features, dim)
        nn.init.zeros_(self.log_gain.weight)
        nn.init.zeros_(self.log_gain.bias)  # type: ignore[arg-type]

    def forward(self, latents: Tensor, features: Tensor, trust: Tensor | None = None) -> Tensor:
        """Return latents [B, D, h, w], scaled by the gains of features [B, C, h, w].

        Where trust [B, 1, h, w] is 0, gains are 1.
        """
        log_gain = self.log_gain(features).clamp(-LOG_GAIN_LIMIT, LOG_GAIN_LIMIT)
        return latents * torch.exp(log_gain if trust is None else log_gain * trust)


class ImageEncoder(MixedPrecision):
    """Patches of 16 x 16 pixels to latents: a linear path and a non-linear one, added.

    The linear path is initialised with the principal components of patches, which are a transform
    codec by themselves. A linear shortcut about halves the training time of a learnt transform (Li
    et al. 2025, AuxT, arXiv:2411.19179).

    With `largest_feature`, the part of the non-linear path falls where features are larger. From
    twice as large on, the linear path is alone. Patterns that are in no training set, such as
    stripes in two saturated colours, can make features grow a thousandfold; latents would be large,
    and the picture lost.
    """

    def __init__(self, config: PatchesConfig) -> None:
        super().__init__()
        fine, coarse = config.fine_width, config.coarse_width
        self.linear = PointwiseConv(3 * PATCH * PATCH, config.dim)
        self.widen = PointwiseConv(3 * 64, fine)
        self.fine_modulation = RateModulation(fine)
        self.fine = UnitStack(*[ResidualUnit2d(fine) for _ in range(config.fine_units)])
        self.down = nn.Conv2d(fine, coarse, 2, stride=2)
        self.coarse_modulation = RateModulation(coarse)
        self.coarse = UnitStack(*[ResidualUnit2d(coarse) for _ in range(config.coarse_units)])
        self.head = nn.Conv2d(coarse, config.dim, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.gate = LatentGate(coarse, config.dim) if config.gated else None
        self.largest_feature = config.largest_feature

    def forward(self, image: Tensor, rate: Tensor) -> Tensor:
        """Return latents [B, D, H / 16, W / 16] of image [B, 3, H, W] in 0 … 1.

        H and W are multiples of 16; rate [B] is 0 … 1.
        """
        centred = image * 2 - 1
        # Not in bfloat16: it would round the latents.
        linear = self.linear(patches_of(centred, PATCH))
        with self.products(image.device):
            features = self.widen(patches_of(centred, 8))  # [B, C, H / 8, W / 8]
            features = self.fine(self.fine_modulation(features, rate))
            features = self.down(features)  # [B, C, H / 16, W / 16]
            features = self.coarse(self.coarse_modulation(features, rate))
            trust = self.trust_in(features)
            features = leaky_relu(features, 0.1)
            change = self.head(features)
        if self.gate is not None:
            linear = self.gate(linear, features, trust)
        return linear + (change if trust is None else change * trust)  # type: ignore[no-any-return]

    def trust_in(self, features: Tensor) -> Tensor | None:
        """Return 1 where features [B, C, h, w] are small, 0 where they are large, [B, 1, h, w]."""
        if self.largest_feature is None:
            return None
        largest = features.abs().amax(dim=1, keepdim=True)
        return (2 - largest / self.largest_feature).clamp(0, 1)
